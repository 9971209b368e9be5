//! Limits requests of unauthenticated clients per second and address.
//!
//! A client with a valid token of any kind is neither counted nor limited, whatever other clients of its address do.
//! The limit is for requests that would cost an instance and a log line each, and for guessing tokens.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use http::request::Parts;
use outbound_events::service::shows_a_token;
use outbound_events::settings::{Ingest, Settings};
use tokio::sync::Semaphore;

use crate::http::address::{Network, PerAddress};
use crate::http::body::{self, ReadAhead};
use crate::rate_limited_log::RateLimitedLog;

/// How many addresses are kept before unused ones are searched for and dropped.
const REMEMBERED: usize = 1024;

/// An address has sent too many requests without a valid token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests from your address without a valid token; wait for a second, or check the token in the URL")]
pub(crate) struct TooManyRequests;

/// Recognises unauthenticated clients and counts their requests.
#[derive(Debug)]
pub(crate) struct Unauthenticated {
    /// `None`: the settings are not those of this component, so no client can authenticate.
    settings: Option<Settings>,
    limit: Option<(PerAddress, Rates)>,
    refused: RateLimitedLog,
    /// Has a permit for each byte of their bodies that can be buffered.
    bodies: Arc<Semaphore>,
}

/// How much of its rate each address has used. An address can use it at once or spread over the second.
#[derive(Debug)]
struct Rates<C: Clock = DefaultClock> {
    limiter: RateLimiter<Network, HashMapStateStore<Network>, C, NoOpMiddleware<C::Instant>>,
    /// The number of addresses after the last search for unused ones.
    kept: AtomicUsize,
}

impl Unauthenticated {
    /// `a_second` limits requests without a token of `settings`.
    pub fn new(settings: Option<Settings>, a_second: Option<PerAddress>) -> Self {
        let limit = a_second.map(|limit| (limit, Rates::new(limit.most, DefaultClock::default())));
        let bodies = Arc::new(Semaphore::new(body::ROOM));
        Self { settings, limit, refused: RateLimitedLog::default(), bodies }
    }

    /// Whether the request shows a valid token. A request without one counts, and is refused above the limit.
    pub fn admit(&self, head: &Parts, address: IpAddr) -> Result<bool, TooManyRequests> {
        if self.settings.as_ref().is_some_and(|settings| shows_a_token(head, settings)) {
            return Ok(true);
        }
        let rates = self.limit.as_ref().filter(|(limit, _)| limit.limits(address)).map(|(_, rates)| rates);
        if rates.is_none_or(|rates| rates.count(address.into())) {
            return Ok(false);
        }
        self.refused.say(|unsaid| {
            tracing::warn!(
                client = %address,
                unsaid,
                "429: too many requests without a valid token (--unauthenticated-requests-per-second)"
            );
        });
        Err(TooManyRequests)
    }

    /// How far the body of a request is read ahead. If ingest is not open, the guest refuses a request without a valid
    /// token by its head, so nothing of its body is buffered.
    pub fn ahead(&self, shows_a_token: bool) -> ReadAhead {
        let open = self.settings.as_ref().is_none_or(|settings| settings.ingest == Ingest::Open);
        match (shows_a_token, open) {
            (true, _) => ReadAhead::Unlimited,
            (false, true) => ReadAhead::Shared(Arc::clone(&self.bodies)),
            (false, false) => ReadAhead::Nothing,
        }
    }
}

impl<C: Clock> Rates<C> {
    fn new(a_second: NonZeroU32, clock: C) -> Self {
        let limiter = RateLimiter::hashmap_with_clock(Quota::per_second(a_second), clock);
        Self { limiter, kept: AtomicUsize::default() }
    }

    /// Counts a request. False if it is above the limit.
    fn count(&self, network: Network) -> bool {
        if self.limiter.len() >= REMEMBERED.max(2 * self.kept.load(Ordering::Relaxed)) {
            self.limiter.retain_recent();
            self.kept.store(self.limiter.len(), Ordering::Relaxed);
        }
        self.limiter.check_key(&network).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::num::NonZeroU32;
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::{REMEMBERED, Rates};

    fn address(n: usize) -> IpAddr {
        std::net::Ipv4Addr::from_bits(n as u32).into()
    }

    fn ten_a_second() -> (Rates<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (Rates::new(NonZeroU32::new(10).unwrap(), clock.clone()), clock)
    }

    #[test]
    fn each_address_has_its_own_rate_and_can_use_it_at_once_or_spread() {
        let (rates, clock) = ten_a_second();
        let admitted = |n| rates.count(address(n).into());
        let admitted_after = |n, time| {
            clock.advance(time);
            admitted(n)
        };
        assert_eq!((0..20).filter(|_| admitted(1)).count(), 10);
        assert_eq!((0..20).filter(|_| admitted(2)).count(), 10);
        // Every tenth of a second returns one request; refused requests cost nothing.
        assert_eq!((0..30).filter(|_| admitted_after(1, Duration::from_millis(100))).count(), 30);
        assert!(!admitted(1));
        clock.advance(Duration::from_secs(60));
        assert_eq!((0..20).filter(|_| admitted(1)).count(), 10);
    }

    #[test]
    fn addresses_with_a_full_rate_are_dropped() {
        let (rates, clock) = ten_a_second();
        for n in 0..100_000 {
            assert!(rates.count(address(n).into()));
            clock.advance(Duration::from_millis(1));
        }
        assert!(rates.limiter.len() <= 2 * REMEMBERED, "{}", rates.limiter.len());
    }
}
