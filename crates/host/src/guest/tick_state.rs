//! State shared by ticks and the guest: paths and token of ticks, notifications of events, and the last report.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use serde_json::Value;
use tokio::sync::Notify;

/// The component delivers and compacts when this path is requested.
pub(crate) const DELIVERIES: &str = "/tick/deliveries";

/// The component checks appliances when this path is requested.
pub(crate) const CHECKS: &str = "/tick/checks";

/// Whether a path is that of a tick, from this host or from another scheduler.
pub(crate) fn is_tick(path: &str) -> bool {
    path == "/tick" || path == DELIVERIES || path == CHECKS
}

/// The report of the last tick, for the metrics.
#[derive(Debug, Default)]
pub(crate) struct TickReport {
    /// The name, state and numbers of each destination.
    pub(crate) destinations: Vec<Value>,
    /// Clocks seen to be wrong within a day.
    pub(crate) clock_faults: Vec<Value>,
    /// The site, state and numbers of each appliance.
    pub(crate) appliances: Vec<Value>,
    /// What is open at each site.
    pub(crate) sites: Vec<Value>,
}

/// Cheap to clone; all clones share the state.
#[derive(Clone)]
pub(crate) struct TickState {
    pub(super) token: Arc<str>,
    /// Notified of each stored event, for the tick soon after it.
    pub(super) after_events: Arc<Notify>,
    /// Notified of each stored event, for the periodic ticks.
    pub(super) periodic: Arc<Notify>,
    /// Notified of each stored event, for the checks of appliances.
    pub(super) before_checks: Arc<Notify>,
    /// Notified when running ticks and work after answers must end at once.
    pub(super) cut: Arc<Notify>,
    /// Whether there are destinations.
    forwards: bool,
    /// Whether there are appliances to check.
    pub(super) checks: bool,
    report: Arc<Mutex<TickReport>>,
}

impl TickState {
    /// Generates the token.
    pub(super) fn new(forwards: bool, checks: bool) -> Result<Self, getrandom::Error> {
        Ok(Self {
            token: token()?.into(),
            after_events: Arc::default(),
            periodic: Arc::default(),
            before_checks: Arc::default(),
            cut: Arc::default(),
            forwards,
            checks,
            report: Arc::default(),
        })
    }

    /// An event was stored, which can be pending for a destination, or end a session.
    pub(crate) fn event_stored(&self) {
        if self.forwards {
            self.after_events.notify_one();
            self.periodic.notify_one();
        }
        if self.checks {
            self.before_checks.notify_one();
        }
    }

    pub(crate) fn report(&self) -> MutexGuard<'_, TickReport> {
        self.report.lock()
    }
}

fn token() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
