//! Requests of unauthenticated clients, who show no valid token: at most a number a second from an address.
//!
//! A client that shows a valid token, of whatever kind, is not counted and not limited, whatever others do from the same address.
//! What is limited is what would cost an instance and a line of the log each, and guessing at tokens.

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
use crate::http::body::{self, Ahead};
use crate::rate_limited_log::RateLimitedLog;

/// How many addresses are remembered before those are looked for that need not be.
const REMEMBERED: usize = 1024;

/// An address has sent more than it may without a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "too many requests from your address without a valid token; wait for a second, or see that the URL has the token"
)]
pub(crate) struct TooManyRequests;

/// Knows unauthenticated clients, and counts their requests.
#[derive(Debug)]
pub(crate) struct Unauthenticated {
    /// `None`: no settings that are understood here, so that no client can authenticate.
    settings: Option<Settings>,
    limit: Option<(PerAddress, Rates)>,
    refused: RateLimitedLog,
    /// Has a permit for each byte of their bodies that may be kept.
    bodies: Arc<Semaphore>,
}

/// What each address has used of its requests a second, which it may send at once or one after the other.
#[derive(Debug)]
struct Rates<C: Clock = DefaultClock> {
    limiter: RateLimiter<Network, HashMapStateStore<Network>, C, NoOpMiddleware<C::Instant>>,
    /// How many addresses were left when those were last forgotten that may send as many as ever.
    left: AtomicUsize,
}

impl Unauthenticated {
    /// Clients that show no token of `settings`.
    pub fn new(settings: Option<Settings>, a_second: Option<PerAddress>) -> Self {
        let limit = a_second.map(|limit| (limit, Rates::new(limit.most, DefaultClock::default())));
        let bodies = Arc::new(Semaphore::new(body::ROOM));
        Self { settings, limit, refused: RateLimitedLog::default(), bodies }
    }

    /// Whether the request shows a valid token. If it does not, it counts, and may be one too many.
    pub fn admit(&self, head: &Parts, address: IpAddr) -> Result<bool, TooManyRequests> {
        if self.settings.as_ref().is_some_and(|settings| shows_a_token(head, settings)) {
            return Ok(true);
        }
        let rates = self.limit.as_ref().filter(|(limit, _)| limit.limits(address)).map(|(_, rates)| rates);
        if rates.is_none_or(|rates| rates.count(address.into())) {
            return Ok(false);
        }
        self.refused.say(|unsaid| {
            tracing::warn!(client = %address, unsaid, "429: too many requests without a valid token; such are not logged one by one");
        });
        Err(TooManyRequests)
    }

    /// How far the body of a request is read ahead. Where ingest is not open, the guest refuses a request without a valid token by its
    /// head: nothing of its body is kept.
    pub fn ahead(&self, shows_a_token: bool) -> Ahead {
        let open = self.settings.as_ref().is_none_or(|settings| settings.ingest == Ingest::Open);
        match (shows_a_token, open) {
            (true, _) => Ahead::Unlimited,
            (false, true) => Ahead::Shared(Arc::clone(&self.bodies)),
            (false, false) => Ahead::Nothing,
        }
    }
}

impl<C: Clock> Rates<C> {
    fn new(a_second: NonZeroU32, clock: C) -> Self {
        let limiter = RateLimiter::hashmap_with_clock(Quota::per_second(a_second), clock);
        Self { limiter, left: AtomicUsize::default() }
    }

    /// Whether an address may send one more now.
    fn count(&self, network: Network) -> bool {
        if self.limiter.len() >= REMEMBERED.max(2 * self.left.load(Ordering::Relaxed)) {
            self.limiter.retain_recent();
            self.left.store(self.limiter.len(), Ordering::Relaxed);
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
    fn an_address_may_do_so_much_a_second_at_once_or_one_after_the_other_and_its_neighbour_as_much() {
        let (rates, clock) = ten_a_second();
        let may = |n| rates.count(address(n).into());
        let may_after = |n, time| {
            clock.advance(time);
            may(n)
        };
        assert_eq!((0..20).filter(|_| may(1)).count(), 10);
        assert_eq!((0..20).filter(|_| may(2)).count(), 10);
        // Each tenth of a second gives back one, and what is refused takes nothing away.
        assert_eq!((0..30).filter(|_| may_after(1, Duration::from_millis(100))).count(), 30);
        assert!(!may(1));
        clock.advance(Duration::from_secs(60));
        assert_eq!((0..20).filter(|_| may(1)).count(), 10);
    }

    #[test]
    fn who_may_do_as_much_as_ever_is_forgotten() {
        let (rates, clock) = ten_a_second();
        for n in 0..100_000 {
            assert!(rates.count(address(n).into()));
            clock.advance(Duration::from_millis(1));
        }
        assert!(rates.limiter.len() <= 2 * REMEMBERED, "{}", rates.limiter.len());
    }
}
