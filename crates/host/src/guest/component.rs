//! The component and its limits: a fresh instance per request, limited memory and time, and access to the store, its
//! variables, the clock, random numbers, a log, and the origins of its destinations and appliances. It has no other
//! access.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use outbound_events::appliance_api::Appliance;
use outbound_events::forward::destination::Destination;
use outbound_events::settings::Settings;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::guest::answer;
use crate::guest::engine;
use crate::guest::error::GuestError;
use crate::guest::limits::Limits;
use crate::guest::outgoing::{Outgoing, OutgoingOptions};
use crate::guest::pool::InstancePool;
use crate::guest::state::Supplies;
use crate::guest::tick_state::TickState;
use crate::measure::InstanceDurations;
use crate::store::KeyValueStore;

/// A component that is ready to run. Cheap to clone.
#[derive(Clone)]
pub struct Guest {
    pub(super) pool: InstancePool,
    pub(super) instances: Arc<Semaphore>,
    /// Permits for requests of readers, each of which also takes one of `instances`.
    pub(super) readers: Arc<Semaphore>,
    /// The one permit for a list of a large number of keys.
    pub(super) long_lists: Arc<Semaphore>,
    /// Permits for buffered bytes of answers.
    pub(super) room: Arc<Semaphore>,
    pub(crate) store: KeyValueStore,
    variables: Arc<HashMap<String, String>>,
    pub(crate) durations: InstanceDurations,
    pub(crate) ticks: TickState,
    pub(crate) limits: Limits,
}

/// Numbers of instances.
pub(crate) struct Instances {
    pub(crate) in_use: u64,
    /// Waiting for requests: made ahead, or kept to serve again.
    pub(crate) ready: u64,
    /// The most in use at once.
    pub(crate) limit: u64,
}

impl Guest {
    /// Compiles a component, or loads it from the cache of compiled components.
    ///
    /// `component` must export `wasi:http/incoming-handler` 0.2. It reads `variables` as Spin's variables or as WASI's
    /// configuration; other names are undefined. It can send requests to the origins of the variables `destinations` and
    /// `appliances`. This function adds a generated token to `tick_token` and sets `delivery_runs` to `on-ticks` if it is not set. An error
    /// names the imports that this host does not have.
    pub fn new(
        component: &[u8],
        store: KeyValueStore,
        variables: HashMap<String, String>,
        limits: Limits,
    ) -> wasmtime::Result<Self> {
        Self::with_outgoing(component, store, variables, limits, OutgoingOptions::default())
    }

    /// Like [`Guest::new`], with options for outgoing requests.
    pub fn with_outgoing(
        component: &[u8],
        store: KeyValueStore,
        mut variables: HashMap<String, String>,
        limits: Limits,
        outgoing: OutgoingOptions,
    ) -> wasmtime::Result<Self> {
        let pre = engine::load(component, &limits)?;
        // The component reports faults of these settings.
        let text = |name: &str| variables.get(name).map(String::as_str).unwrap_or_default();
        let destinations = Destination::read_all(text("destinations")).unwrap_or_default();
        let appliances = Appliance::read_all(text("appliances")).unwrap_or_default();
        let outgoing = Outgoing::new(&destinations, &appliances, outgoing)?;
        // One tick serves many events, so that answers need no check for pending events.
        variables.entry("delivery_runs".to_owned()).or_insert_with(|| "on-ticks".to_owned());
        let ticks = TickState::new(!destinations.is_empty(), !appliances.is_empty())?;
        let tokens = variables.entry("tick_token".to_owned()).or_default();
        *tokens = if tokens.is_empty() { ticks.token.to_string() } else { format!("{tokens},{}", ticks.token) };
        let variables = Arc::new(variables);
        let supplies = Supplies {
            store: store.clone(),
            variables: Arc::clone(&variables),
            outgoing,
            // The rest is for the work with the list.
            list_bytes: limits.memory_bytes / 8 * 7,
        };
        Ok(Self {
            pool: InstancePool::new(pre, supplies, limits.time, limits.reuse_instances),
            instances: Arc::new(Semaphore::new(limits.instances as usize)),
            readers: Arc::new(Semaphore::new(limits.readers as usize)),
            long_lists: Arc::new(Semaphore::new(1)),
            room: Arc::new(Semaphore::new(answer::ROOM)),
            store,
            variables,
            ticks,
            durations: InstanceDurations::default(),
            limits,
        })
    }

    /// Makes an instance and drops it. An error if that fails, such as a trap before the first request.
    pub async fn instantiate(&self) -> Result<(), GuestError> {
        self.pool.make().await.map(drop)
    }

    /// The settings, if the variables are those of this component.
    pub(crate) fn settings(&self) -> Option<Settings> {
        Settings::from_variables(|name| Ok(self.variables.get(name).cloned())).ok()
    }

    /// The number of instances created so far, also ahead of requests.
    pub fn instances_created(&self) -> u64 {
        self.pool.created()
    }

    pub(crate) fn instances(&self) -> Instances {
        let limit = self.limits.instances as usize;
        let in_use = limit.saturating_sub(self.instances.available_permits());
        Instances { in_use: in_use as u64, ready: self.pool.ready() as u64, limit: limit as u64 }
    }

    /// Waits for at most `time` until no instance is in use. False if some still are.
    pub(crate) async fn finish(&self, time: Duration) -> bool {
        timeout(time, self.instances.acquire_many(self.limits.instances)).await.is_ok()
    }
}
