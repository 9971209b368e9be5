//! The component, and what it may do: a fresh instance a request, so much memory, so much time, and nothing but the
//! store, its variables, the clock, random numbers, a log, and requests to the origins of its destinations.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use outbound_events::forward::destination::Destination;
use outbound_events::settings::Settings;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::guest::answer;
use crate::guest::engine;
use crate::guest::error::GuestError;
use crate::guest::limits::Limits;
use crate::guest::outgoing::{Outgoing, OutgoingOptions};
use crate::guest::pool::Pool;
use crate::guest::state::Supplies;
use crate::guest::tick_state::TickState;
use crate::measure::Work;
use crate::store::KeyValueStore;

/// A component that is ready to run. Cheap to clone.
#[derive(Clone)]
pub struct Guest {
    pub(super) pool: Pool,
    pub(super) instances: Arc<Semaphore>,
    /// Places of readers, of whom each has one of the instances too.
    pub(super) readers: Arc<Semaphore>,
    /// The one place of who lists very many keys.
    pub(super) long_lists: Arc<Semaphore>,
    /// Bytes of answers that may wait for their clients.
    pub(super) room: Arc<Semaphore>,
    pub(crate) store: KeyValueStore,
    variables: Arc<HashMap<String, String>>,
    /// Where it is measured how long instances are at work.
    pub(crate) work: Work,
    pub(crate) ticks: TickState,
    pub(crate) limits: Limits,
}

/// How many instances there are.
pub(crate) struct Instances {
    /// At work.
    pub(crate) in_use: u64,
    /// Made ahead.
    pub(crate) ready: u64,
    /// How many may be at work.
    pub(crate) limit: u64,
}

impl Guest {
    /// Compiles a component, or finds it compiled in the cache.
    ///
    /// `component` is a component that exports `wasi:http/incoming-handler` 0.2. `variables` are what it can read as
    /// Spin's variables, or as WASI's configuration; any other name is undefined. The component can send requests to the origins of
    /// the variable `destinations`. To `tick_token` a token is added that is made here, and `delivery_runs` is
    /// `on-ticks` unless it is given. An error says what the component wants that is not offered.
    pub fn new(
        component: &[u8],
        store: KeyValueStore,
        variables: HashMap<String, String>,
        limits: Limits,
    ) -> wasmtime::Result<Self> {
        Self::with_outgoing(component, store, variables, limits, OutgoingOptions::default())
    }

    /// The same, and how destinations are reached.
    pub fn with_outgoing(
        component: &[u8],
        store: KeyValueStore,
        mut variables: HashMap<String, String>,
        limits: Limits,
        outgoing: OutgoingOptions,
    ) -> wasmtime::Result<Self> {
        let pre = engine::load(component, &limits)?;
        // What is wrong with the setting, the component says.
        let destinations = variables.get("destinations").map(|text| Destination::read_all(text).unwrap_or_default());
        let destinations = destinations.unwrap_or_default();
        let outgoing = Outgoing::new(&destinations, outgoing)?;
        // One tick does for many events, and no answer costs a look at what is pending.
        variables.entry("delivery_runs".to_owned()).or_insert_with(|| "on-ticks".to_owned());
        let ticks = TickState::new(!destinations.is_empty())?;
        let tokens = variables.entry("tick_token".to_owned()).or_default();
        *tokens = if tokens.is_empty() { ticks.token.to_string() } else { format!("{tokens},{}", ticks.token) };
        let variables = Arc::new(variables);
        let supplies = Supplies {
            store: store.clone(),
            variables: Arc::clone(&variables),
            outgoing,
            // An eighth is for what is done with it.
            list_bytes: limits.memory_bytes / 8 * 7,
        };
        Ok(Self {
            pool: Pool::new(pre, supplies, limits.time),
            instances: Arc::new(Semaphore::new(limits.instances as usize)),
            readers: Arc::new(Semaphore::new(limits.readers as usize)),
            long_lists: Arc::new(Semaphore::new(1)),
            room: Arc::new(Semaphore::new(answer::ROOM)),
            store,
            variables,
            ticks,
            work: Work::default(),
            limits,
        })
    }

    /// Makes an instance and lets it go. An error if there can be none: it traps before it has a request, say.
    pub async fn instantiate(&self) -> Result<(), GuestError> {
        self.pool.make().await.map(drop)
    }

    /// What the component is set to, if its variables are those of this one.
    pub(crate) fn settings(&self) -> Option<Settings> {
        Settings::read(|name| Ok(self.variables.get(name).cloned())).ok()
    }

    pub(crate) fn instances(&self) -> Instances {
        let limit = self.limits.instances as usize;
        let in_use = limit.saturating_sub(self.instances.available_permits());
        Instances { in_use: in_use as u64, ready: self.pool.ready() as u64, limit: limit as u64 }
    }

    /// Waits until no instance is at work, as long as that may take.
    pub(crate) async fn finish(&self, time: Duration) -> bool {
        timeout(time, self.instances.acquire_many(self.limits.instances)).await.is_ok()
    }
}
