//! The platform: a store, outgoing requests, clocks and randomness. An answer depends on these, the request and the
//! settings, and on nothing else. So a test controls all of it.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::http_client::HttpClient;
use crate::store::Store;

/// A platform. The component's adapter, native tools and tests implement it.
pub trait Platform {
    /// The store for events.
    type Store: Store;
    /// The client for outgoing requests.
    type HttpClient: HttpClient;

    /// The store for events.
    fn store(&self) -> &Self::Store;

    /// The client for outgoing requests.
    fn http_client(&self) -> &Self::HttpClient;

    /// The wall clock. It can be wrong by any amount, and step either way at any time (`docs/operate/clocks.md`). It
    /// stamps records, and no event may be lost or hidden because of it.
    fn now(&self) -> DateTime<Utc>;

    /// The monotonic clock: the time since an arbitrary moment. It measures durations within one process, and has no
    /// meaning in another.
    fn monotonic(&self) -> Duration;

    /// A random number that no other process draws at the same time. It tells leases apart.
    fn random(&self) -> u64;

    /// The time since `then`, an earlier reading of [`Platform::monotonic`].
    fn elapsed(&self, then: Duration) -> Duration {
        self.monotonic().saturating_sub(then)
    }
}
