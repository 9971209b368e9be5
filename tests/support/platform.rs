//! A platform made of a store, an HTTP client and clocks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use outbound_events::http_client::{HttpClient, NoHttpClient};
use outbound_events::platform::Platform;
use outbound_events::store::Store;

/// 2026-01-02T03:04:05.678Z, the time of every test.
pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_323_045, 678_000_000).unwrap()
}

/// A platform made of its parts. Its monotonic clock follows the wall clock, unless `monotonic` is given.
pub struct Parts<'p, S, H, C> {
    pub store: &'p S,
    pub http_client: &'p H,
    pub clock: C,
    pub monotonic: Option<&'p dyn Fn() -> Duration>,
}

impl<S: Store, H: HttpClient, C: Fn() -> DateTime<Utc>> Platform for Parts<'_, S, H, C> {
    type Store = S;
    type HttpClient = H;

    fn store(&self) -> &S {
        self.store
    }

    fn http_client(&self) -> &H {
        self.http_client
    }

    fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    /// Returns a different number each time.
    fn random(&self) -> u64 {
        static DRAWN: AtomicU64 = AtomicU64::new(1);
        DRAWN.fetch_add(1, Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        let by_wall = || ((self.clock)() - DateTime::UNIX_EPOCH).to_std().unwrap();
        self.monotonic.map_or_else(by_wall, |monotonic| monotonic())
    }
}

/// A platform of a store and a clock.
pub fn by<S: Store, C: Fn() -> DateTime<Utc>>(store: &S, clock: C) -> Parts<'_, S, NoHttpClient, C> {
    Parts { store, http_client: &NoHttpClient, clock, monotonic: None }
}

/// A platform of a store and a constant time.
pub fn at<S: Store>(store: &S, now: DateTime<Utc>) -> Parts<'_, S, NoHttpClient, impl Fn() -> DateTime<Utc>> {
    by(store, move || now)
}
