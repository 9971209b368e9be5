//! What the guest and the store measure, where somebody wants it measured. This file imports no other of this crate, so that they need
//! not know [`crate::metrics`], which looks into both.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

/// What somebody measures, if anybody does. Cheap to clone; all clones are one.
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

    /// The first who measures is the one who does.
    pub(crate) fn set(&self, measures: T) {
        let _ = self.0.set(measures);
    }
}

/// What is measured of commits.
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

/// What is measured of instances: how long each is at work.
pub(crate) type Work = Watch<Histogram>;

/// An instance that is at work until this is dropped.
pub(crate) struct AtWork(Option<(Instant, Histogram)>);

impl AtWork {
    pub(crate) fn new(work: &Work) -> Self {
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
