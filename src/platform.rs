//! What a platform lends the library: a store, outgoing requests, and two clocks. Everything that an answer depends on besides the
//! request and the settings comes through here, so a test decides all of it.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::http_client::HttpClient;
use crate::store::Store;

/// A platform. Implemented by the component's adapter, by native tools and by tests.
pub trait Platform {
    /// Where events are kept.
    type Store: Store;
    /// What sends requests.
    type HttpClient: HttpClient;

    /// Where events are kept.
    fn store(&self) -> &Self::Store;

    /// What sends requests.
    fn http_client(&self) -> &Self::HttpClient;

    /// The wall clock. It may be wrong by any amount, and step either way at any time (`docs/operate/clocks.md`): it stamps what is
    /// stored, and nothing may be lost or hidden because of it.
    fn now(&self) -> DateTime<Utc>;

    /// The monotonic clock: the time since a moment that is the platform's own. It measures how long something takes within one
    /// process, and means nothing to another.
    fn monotonic(&self) -> Duration;

    /// A random number, which no other process draws at the same time: it tells leases apart.
    fn random(&self) -> u64;

    /// How long it is since `then`, which [`Platform::monotonic`] gave.
    fn elapsed(&self, then: Duration) -> Duration {
        self.monotonic().saturating_sub(then)
    }
}
