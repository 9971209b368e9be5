//! A platform put together from a store, a way out and clocks.

use std::time::Duration;

use chrono::{DateTime, Utc};
use outbound_events::http_client::{Deliver, NoWayOut};
use outbound_events::platform::Platform;
use outbound_events::store::Store;

/// 2026-01-02T03:04:05.678Z, when every test happens.
pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_323_045, 678_000_000).unwrap()
}

/// A platform put together from its parts. Its monotonic clock goes as the wall clock does, unless it is given one of its own.
pub struct Parts<'p, S, D, C> {
    pub store: &'p S,
    pub deliver: &'p D,
    pub clock: C,
    pub monotonic: Option<&'p dyn Fn() -> Duration>,
}

impl<S: Store, D: Deliver, C: Fn() -> DateTime<Utc>> Platform for Parts<'_, S, D, C> {
    type Store = S;
    type Deliver = D;

    fn store(&self) -> &S {
        self.store
    }

    fn deliver(&self) -> &D {
        self.deliver
    }

    fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }

    fn monotonic(&self) -> Duration {
        let by_wall = || ((self.clock)() - DateTime::UNIX_EPOCH).to_std().unwrap();
        self.monotonic.map_or_else(by_wall, |monotonic| monotonic())
    }
}

/// A platform that is a store and a clock.
pub fn by<S: Store, C: Fn() -> DateTime<Utc>>(store: &S, clock: C) -> Parts<'_, S, NoWayOut, C> {
    Parts { store, deliver: &NoWayOut, clock, monotonic: None }
}

/// A platform that is a store, at one time.
pub fn at<S: Store>(store: &S, now: DateTime<Utc>) -> Parts<'_, S, NoWayOut, impl Fn() -> DateTime<Utc>> {
    by(store, move || now)
}
