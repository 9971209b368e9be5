//! Measurements that the guest and the store make if metrics are enabled. This file imports no other file of the crate,
//! so that both do not depend on [`crate::metrics`], which depends on them.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

/// A measurement that can be enabled later. Cheap to clone; all clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Watch<T>(Arc<OnceLock<T>>);

impl<T> Default for Watch<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Watch<T> {
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.get()
    }

    /// Enables it. A second call has no effect.
    pub(crate) fn set(&self, measures: T) {
        let _ = self.0.set(measures);
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Commits {
    pub(crate) durations: Histogram,
    pub(crate) writes: Histogram,
    pub(crate) failures: Counter,
}

impl Commits {
    pub(crate) fn ended(&self, writes: usize, time: Duration, failed: bool) {
        self.durations.observe(time.as_secs_f64());
        self.writes.observe(writes as f64);
        if failed {
            self.failures.inc();
        }
    }
}

/// How long each instance was in use.
pub(crate) type InstanceDurations = Watch<Histogram>;

/// Measures an instance in use until this is dropped.
pub(crate) struct AtWork(Option<(Instant, Histogram)>);

impl AtWork {
    pub(crate) fn new(work: &InstanceDurations) -> Self {
        Self(work.get().map(|durations| (Instant::now(), durations.clone())))
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        if let Some((since, durations)) = &self.0 {
            durations.observe(since.elapsed().as_secs_f64());
        }
    }
}
