//! Requests of strangers, who show no valid token: so many a second from an address, and not one more.
//!
//! Who shows a valid token, of whatever kind, is not counted and not limited, whatever others do from the same address. What is
//! limited is what would cost an instance and a line of the log each, and guessing at tokens.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::request::Parts;
use outbound_events::service::shows_a_token;
use outbound_events::settings::{Ingest, Settings};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::http::body::{self, Ahead};
use crate::http::connections::{Network, PerAddress};
use crate::rate_limited_log::RateLimitedLog;

/// In how much time an address may use up what it may do in that time, be it at once.
const SECOND: Duration = Duration::from_secs(1);

/// How many addresses are remembered before those are looked for that need not be.
const REMEMBERED: usize = 1024;

/// An address has sent more than it may without a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "too many requests from your address without a valid token; wait for a second, or see that the URL has the token"
)]
pub(crate) struct TooMany;

/// Knows strangers, and counts what they ask for.
#[derive(Debug)]
pub(crate) struct Strangers {
    /// `None`: no settings that are understood here, so that everyone is a stranger.
    settings: Option<Settings>,
    a_second: Option<PerAddress>,
    seen: Mutex<Seen>,
    refused: RateLimitedLog,
    /// Has a permit for each byte of their bodies that may be kept.
    bodies: Arc<Semaphore>,
}

/// Until when each address has used up what it may do.
#[derive(Debug, Default)]
struct Seen {
    until: HashMap<Network, Instant>,
    /// How many were left when it was last looked who need not be remembered.
    left: usize,
}

impl Strangers {
    /// Those who show no token of `settings`.
    pub fn new(settings: Option<Settings>, a_second: Option<PerAddress>) -> Self {
        let bodies = Arc::new(Semaphore::new(body::ROOM));
        Self { settings, a_second, seen: Mutex::default(), refused: RateLimitedLog::default(), bodies }
    }

    /// Whether the request shows a valid token. If it does not, it counts, and may be one too many.
    pub fn admit(&self, head: &Parts, address: IpAddr) -> Result<bool, TooMany> {
        if self.settings.as_ref().is_some_and(|settings| shows_a_token(head, settings)) {
            return Ok(true);
        }
        let Some(limit) = self.a_second.filter(|limit| limit.limits(address)) else { return Ok(false) };
        let mut seen = self.seen.lock();
        if seen.count(address.into(), SECOND / limit.most.get(), Instant::now()) {
            return Ok(false);
        }
        drop(seen);
        self.refused.say(|unsaid| {
            tracing::warn!(client = %address, unsaid, "429: too many requests without a valid token; such are not logged one by one");
        });
        Err(TooMany)
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

impl Seen {
    /// Whether an address may do one thing more now, of which each takes up so much of its time.
    fn count(&mut self, network: Network, each: Duration, now: Instant) -> bool {
        if self.until.len() >= REMEMBERED.max(2 * self.left) {
            self.until.retain(|_, until| *until > now);
            self.left = self.until.len();
        }
        let until = self.until.entry(network).or_insert(now);
        let used = (*until).max(now) + each;
        let may = used <= now + SECOND;
        if may {
            *until = used;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::{Duration, Instant};

    use super::{REMEMBERED, Seen};

    fn address(n: usize) -> IpAddr {
        std::net::Ipv4Addr::from_bits(n as u32).into()
    }

    #[test]
    fn an_address_may_do_so_much_a_second_at_once_or_one_after_the_other_and_its_neighbour_as_much() {
        let (mut seen, now, tenth) = (Seen::default(), Instant::now(), Duration::from_millis(100));
        let mut may = |n, at: Duration| seen.count(address(n).into(), tenth, now + at);
        assert_eq!((0..20).filter(|_| may(1, Duration::ZERO)).count(), 10);
        assert_eq!((0..20).filter(|_| may(2, Duration::ZERO)).count(), 10);
        // Each tenth of a second gives back one, and what is refused takes nothing away.
        assert_eq!((1..=30).filter(|n| may(1, tenth * *n)).count(), 30);
        assert_eq!((0..20).filter(|_| may(1, Duration::from_secs(60))).count(), 10);
    }

    #[test]
    fn who_may_do_as_much_as_ever_is_forgotten() {
        let (mut seen, now, each) = (Seen::default(), Instant::now(), Duration::from_millis(100));
        for n in 0..100_000 {
            assert!(seen.count(address(n).into(), each, now + Duration::from_millis(1) * n as u32));
        }
        assert!(seen.until.len() <= 2 * REMEMBERED, "{}", seen.until.len());
    }
}
