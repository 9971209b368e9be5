//! A platform from a store, an HTTP client and clocks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use outbound_events::http_client::NoHttpClient;
use outbound_events::platform::Platform;
use outbound_events::store::Store;

use super::any_port::{AnyHttpClient, AnyStore, DynHttpClient, DynStore};

/// 2026-01-02T03:04:05.678Z, the time of all tests.
pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_323_045, 678_000_000).unwrap()
}

/// A platform from its parts. One type for all of them, so that the service is compiled once for all tests.
pub struct TestPlatform<'p> {
    store: AnyStore<'p>,
    http_client: AnyHttpClient<'p>,
    clock: Box<dyn Fn() -> DateTime<Utc> + 'p>,
    monotonic: Option<&'p dyn Fn() -> Duration>,
}

impl<'p> TestPlatform<'p> {
    /// Sends no requests. Its monotonic clock follows the wall clock.
    pub fn new(store: &'p impl DynStore, clock: impl Fn() -> DateTime<Utc> + 'p) -> Self {
        Self {
            store: AnyStore(store),
            http_client: AnyHttpClient(&NoHttpClient),
            clock: Box::new(clock),
            monotonic: None,
        }
    }

    pub fn http_client(self, client: &'p impl DynHttpClient<'p>) -> Self {
        Self { http_client: AnyHttpClient(client), ..self }
    }

    pub fn monotonic(self, monotonic: &'p dyn Fn() -> Duration) -> Self {
        Self { monotonic: Some(monotonic), ..self }
    }
}

impl<'p> Platform for TestPlatform<'p> {
    type Store = AnyStore<'p>;
    type HttpClient = AnyHttpClient<'p>;

    fn store(&self) -> &AnyStore<'p> {
        &self.store
    }

    fn http_client(&self) -> &AnyHttpClient<'p> {
        &self.http_client
    }

    fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    /// A different number each time.
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
pub fn by<'p, S: Store>(store: &'p S, clock: impl Fn() -> DateTime<Utc> + 'p) -> TestPlatform<'p> {
    TestPlatform::new(store, clock)
}

/// A platform of a store, at a constant time.
pub fn at<S: Store>(store: &S, now: DateTime<Utc>) -> TestPlatform<'_> {
    by(store, move || now)
}
