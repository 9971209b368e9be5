//! What ticks and the guest share: the path and the token that a tick has, who is told of new events, and what the last tick reported.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use serde_json::Value;
use tokio::sync::Notify;

/// Where the component does what is due.
pub(crate) const PATH: &str = "/tick";

/// What the last tick reported, for the metrics.
#[derive(Debug, Default)]
pub(crate) struct TickReport {
    /// How destinations do: a name and figures each.
    pub(crate) destinations: Vec<Value>,
    /// Clocks that were seen to be wrong within a day.
    pub(crate) clock_faults: Vec<Value>,
}

/// Cheap to clone; all clones are one.
#[derive(Clone)]
pub(crate) struct TickState {
    /// What `/tick` is asked with.
    pub(super) token: Arc<str>,
    /// Notified when an event was taken: the tick soon after events.
    pub(super) after_events: Arc<Notify>,
    /// The same, for the ticks at fixed times.
    pub(super) in_time: Arc<Notify>,
    /// Notified when what goes on after answers, and ticks that are under way, are to end at once.
    pub(super) cut: Arc<Notify>,
    /// Whether there are destinations.
    forwards: bool,
    report: Arc<Mutex<TickReport>>,
}

impl TickState {
    /// With a token that nobody else knows.
    pub(super) fn new(forwards: bool) -> Result<Self, getrandom::Error> {
        Ok(Self {
            token: token()?.into(),
            after_events: Arc::default(),
            in_time: Arc::default(),
            cut: Arc::default(),
            forwards,
            report: Arc::default(),
        })
    }

    /// An event was taken: it may be pending for a destination.
    pub(crate) fn took(&self) {
        if self.forwards {
            self.after_events.notify_one();
            self.in_time.notify_one();
        }
    }

    /// What the last tick reported.
    pub(crate) fn report(&self) -> MutexGuard<'_, TickReport> {
        self.report.lock()
    }
}

fn token() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
