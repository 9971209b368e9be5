//! How many connections there may be, and who goes when there are more.
//!
//! An appliance sends one event at a time and waits for as long as it takes; a stranger wants places. So nothing here is for
//! keeping order among strangers, and everything for letting an appliance through them:
//!
//! - A connection is **known** once a request on it showed a valid token, and stays so. It is never closed for another's sake, and
//!   counts for no address. Only who has a token can make one.
//! - Who comes always gets a place, as long as one is held by somebody unknown: somebody goes. An appliance that comes while strangers
//!   hold all places is let in, shows its token, and is known.
//! - **Who goes** is of the address that holds the most unknown connections, so that who holds one gives way to nobody who holds two.
//!   Of those, first who is idle: between requests, or still at the handshake or in a request's head; the longest idle. Then who has
//!   a request under way, the oldest. Last, who came within the last [`GRACE`]: that is time to shake hands and to show a token. So
//!   slow and silent strangers give way to who has just come, and never the other way round.
//! - The **limit for an address** counts unknown connections that are older than [`GRACE`], and is enforced each second: who comes is
//!   never turned away for those who came before from the same address, which may be an appliance behind the same NAT.
//! - Where all places are held by known connections, who comes waits in the kernel's queue until one ends. That is for
//!   `--max-connections` to be raised, and the log says so.
//!
//! An IPv6 address counts as its /64, which is what one subscriber has. Where ingest is open there are no tokens: nobody is known,
//! and the rest holds.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::rate_limited_log::RateLimitedLog;

/// How long who comes has for showing a token, before it counts as one who did not.
pub const GRACE: Duration = Duration::from_secs(5);

/// How often it is looked whether an address has more than its limit.
const ENFORCE_EVERY: Duration = Duration::from_secs(1);

/// What each address may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerAddress {
    /// How much of it.
    pub most: NonZeroU32,
    /// Whether loopback addresses are limited too: whoever tries this out, or what stands in front and hides who is behind it.
    pub loopback: bool,
}

impl PerAddress {
    /// Whether this address is limited.
    pub(crate) fn limits(&self, address: IpAddr) -> bool {
        self.loopback || !address.to_canonical().is_loopback()
    }
}

/// What counts as one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Network(IpAddr);

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
            address => address,
        })
    }
}

/// All places for connections.
#[derive(Debug)]
pub(crate) struct Connections {
    most: usize,
    per_address: Option<PerAddress>,
    held: Mutex<Held>,
    freed: Notify,
    full: RateLimitedLog,
    too_many: RateLimitedLog,
}

#[derive(Debug, Default)]
struct Held {
    last: u64,
    places: HashMap<u64, Holder>,
}

/// Who holds a place.
#[derive(Debug)]
struct Holder {
    /// `None` for a proxy: those who are behind it hold a place each.
    network: Option<Network>,
    /// Whether the limit for an address is for it.
    limited: bool,
    came: Instant,
    known: bool,
    /// Since when it has had no request under way; `None` while it has one.
    idle: Option<Instant>,
    go: Arc<Notify>,
}

/// In which order who is unknown goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Idle(Instant),
    Busy(Instant),
    JustCame(Instant),
}

impl Holder {
    fn new(network: Option<Network>, limited: bool, now: Instant) -> Self {
        Self { network, limited, came: now, known: false, idle: Some(now), go: Arc::default() }
    }

    fn turn(&self, now: Instant) -> Turn {
        match self.idle {
            _ if !self.had_its_time(now) => Turn::JustCame(self.came),
            Some(since) => Turn::Idle(since),
            None => Turn::Busy(self.came),
        }
    }

    fn had_its_time(&self, now: Instant) -> bool {
        now.duration_since(self.came) >= GRACE
    }
}

impl Connections {
    /// So many places, and so many of them for who is unknown and of one address.
    pub fn new(most: Option<NonZeroU32>, per_address: Option<PerAddress>) -> Self {
        let most = most.map_or(usize::MAX, |most| most.get() as usize);
        Self {
            most,
            per_address,
            held: Mutex::default(),
            freed: Notify::new(),
            full: RateLimitedLog::default(),
            too_many: RateLimitedLog::default(),
        }
    }

    /// Whether who comes now would get a place.
    pub fn has_room(&self) -> bool {
        let held = self.held();
        held.places.len() < self.most || held.places.values().any(|holder| !holder.known)
    }

    /// Waits until who comes would get a place.
    pub async fn room(&self) {
        while !self.has_room() {
            self.full.say(|_| {
                tracing::warn!(
                    "all {} connections are held by senders with a token, and who comes now waits; --max-connections allows more",
                    self.most
                );
            });
            self.freed.notified().await;
        }
    }

    /// Gives a place to who comes. If that is one too many, somebody is asked to go.
    ///
    /// `proxy`: it is one that is trusted, and stands for many.
    pub fn enter(self: &Arc<Self>, address: IpAddr, proxy: bool) -> Place {
        let limited = !proxy && self.per_address.is_some_and(|limit| limit.limits(address));
        let holder = Holder::new((!proxy).then(|| address.into()), limited, Instant::now());
        let go = Arc::clone(&holder.go);
        let (number, gone) = self.held().enter(holder, self.most, Instant::now());
        if gone {
            self.too_many.say(|unsaid| {
                tracing::warn!(unsaid, "all {} connections are taken: a stranger's made room for who came", self.most);
            });
        }
        Place { number, go, connections: Arc::clone(self) }
    }

    /// Has those go by whom an address has more than its limit, for ever.
    pub async fn enforce(&self) {
        let Some(limit) = self.per_address else { return };
        loop {
            sleep(ENFORCE_EVERY).await;
            let gone = self.held().enforce(limit.most.get() as usize, Instant::now());
            if gone > 0 {
                tracing::warn!(
                    connections = gone,
                    "closed: an address may hold {} without ever showing a token",
                    limit.most
                );
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // Whole between any two calls, whatever thread died in between.
        self.held.lock()
    }
}

impl Held {
    /// The number of a new place, and whether somebody had to go for it.
    fn enter(&mut self, holder: Holder, most: usize, now: Instant) -> (u64, bool) {
        let gone = self.places.len() >= most && self.make_room(now);
        self.last += 1;
        self.places.insert(self.last, holder);
        (self.last, gone)
    }

    /// Has one of those go who are unknown, if there is one.
    fn make_room(&mut self, now: Instant) -> bool {
        let mut counts: HashMap<Network, usize> = HashMap::new();
        for network in self.unknown().filter_map(|(_, holder)| holder.network) {
            *counts.entry(network).or_default() += 1;
        }
        let count = |holder: &Holder| holder.network.and_then(|network| counts.get(&network)).copied().unwrap_or(1);
        let first = self.unknown().min_by_key(|(number, holder)| (Reverse(count(holder)), holder.turn(now), *number));
        let first = first.map(|(number, _)| number);
        first.inspect(|number| self.have_go(*number)).is_some()
    }

    /// How many had to go because their addresses have more than so many.
    fn enforce(&mut self, most: usize, now: Instant) -> usize {
        let mut by_network: HashMap<Network, Vec<(Turn, u64)>> = HashMap::new();
        for (number, holder) in self.unknown().filter(|(_, holder)| holder.limited && holder.had_its_time(now)) {
            if let Some(network) = holder.network {
                by_network.entry(network).or_default().push((holder.turn(now), number));
            }
        }
        let mut gone = 0;
        for mut those in by_network.into_values() {
            those.sort_unstable();
            let over = those.len().saturating_sub(most);
            those.into_iter().take(over).for_each(|(_, number)| self.have_go(number));
            gone += over;
        }
        gone
    }

    fn unknown(&self) -> impl Iterator<Item = (u64, &Holder)> {
        self.places.iter().filter(|(_, holder)| !holder.known).map(|(number, holder)| (*number, holder))
    }

    /// Its place is free at once, and it is gone a moment later.
    fn have_go(&mut self, number: u64) {
        if let Some(holder) = self.places.remove(&number) {
            holder.go.notify_one();
        }
    }
}

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    number: u64,
    go: Arc<Notify>,
    connections: Arc<Connections>,
}

impl Place {
    /// A request is under way, which shows a valid token or does not.
    pub fn begins(&self, shows_a_token: bool) {
        self.change(|holder| {
            holder.idle = None;
            holder.known |= shows_a_token;
        });
    }

    /// It was answered.
    pub fn ended(&self) {
        self.change(|holder| holder.idle = Some(Instant::now()));
    }

    /// Waits until it is asked to go. It does so at once, whatever it is at.
    pub async fn must_go(&self) {
        self.go.notified().await;
    }

    fn change(&self, change: impl FnOnce(&mut Holder)) {
        // One that was asked to go may still be at a request.
        if let Some(holder) = self.connections.held().places.get_mut(&self.number) {
            change(holder);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.held().places.remove(&self.number);
        self.connections.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::num::NonZeroU32;
    use std::time::{Duration, Instant};

    use super::{GRACE, Held, Holder, Network, PerAddress};

    const SECOND: Duration = Duration::from_secs(1);

    fn network(text: &str) -> Network {
        text.parse::<IpAddr>().unwrap().into()
    }

    type BecameOf = fn(&mut Holder);

    /// Connections come one a second; each is from this address, and this became of it.
    fn held(come: &[(&str, BecameOf)]) -> (Held, Instant) {
        let (mut held, mut now) = (Held::default(), Instant::now());
        for (address, become_of) in come {
            let mut holder = Holder::new((*address != "proxy").then(|| network(address)), true, now);
            become_of(&mut holder);
            held.enter(holder, usize::MAX, now);
            now += SECOND;
        }
        (held, now + GRACE)
    }

    /// The numbers of those who go, one after the other, for others who come.
    fn go(held: &mut Held, now: Instant) -> Vec<u64> {
        let mut gone = Vec::new();
        loop {
            let before: Vec<_> = held.places.keys().copied().collect();
            if !held.make_room(now) {
                return gone;
            }
            gone.extend(before.into_iter().filter(|number| !held.places.contains_key(number)));
        }
    }

    fn idle(_: &mut Holder) {}

    fn busy(holder: &mut Holder) {
        holder.idle = None;
    }

    fn known(holder: &mut Holder) {
        holder.known = true;
    }

    /// It was answered a moment ago.
    fn served(holder: &mut Holder) {
        holder.idle = Some(holder.came + 5 * SECOND);
    }

    #[test]
    fn idle_ones_go_first_the_longest_idle_of_them_and_then_the_oldest() {
        let (mut held, now) = held(&[("::1", busy), ("::1", served), ("::1", idle), ("::1", busy), ("::1", idle)]);
        assert_eq!(go(&mut held, now), [3, 5, 2, 1, 4]);
    }

    #[test]
    fn who_holds_few_gives_way_to_nobody_who_holds_more() {
        let few = ("10.0.0.1", idle as BecameOf);
        let many = ("10.0.0.2", busy as BecameOf);
        let (mut held, now) = held(&[few, many, many, many]);
        assert_eq!(go(&mut held, now), [2, 3, 1, 4]);
    }

    #[test]
    fn who_has_just_come_goes_last_be_the_others_as_busy_as_they_like() {
        let (mut held, now) = held(&[("::1", busy), ("::1", busy)]);
        held.enter(Holder::new(Some(network("::1")), true, now), usize::MAX, now);
        assert_eq!(go(&mut held, now), [1, 2, 3]);
    }

    #[test]
    fn who_is_known_never_goes() {
        let (mut held, now) = held(&[("::1", known), ("::1", idle), ("::1", known)]);
        assert_eq!(go(&mut held, now), [2]);
        assert_eq!(held.places.len(), 2);
        // Known ones do not make an address one that holds many.
        let (one, other) = ("10.0.0.1", "10.0.0.2");
        let (mut held, now) = self::held(&[(one, known), (one, known), (one, idle), (other, idle), (other, idle)]);
        assert_eq!(go(&mut held, now), [4, 3, 5]);
    }

    #[test]
    fn a_trusted_proxy_does_not_count_as_one_who_holds_many() {
        let (mut held, now) = held(&[("proxy", idle), ("proxy", idle), ("10.0.0.1", idle), ("10.0.0.1", idle)]);
        assert_eq!(go(&mut held, now), [3, 1, 2, 4]);
    }

    #[test]
    fn there_are_never_more_than_there_are_places_while_a_stranger_holds_one() {
        let (mut held, now) = (Held::default(), Instant::now());
        for n in 0..100 {
            let (_, gone) = held.enter(Holder::new(Some(network("::1")), true, now), 10, now);
            assert_eq!((gone, held.places.len()), (n >= 10, 10.min(n + 1)));
        }
    }

    #[test]
    fn an_address_keeps_so_many_and_its_idle_ones_go_once_they_had_time_to_show_a_token() {
        let mut come = vec![("::1", busy as BecameOf); 2];
        come.extend([("::1", known as BecameOf); 3]);
        come.extend([("::1", idle as BecameOf); 3]);
        come.extend([("2::1", idle as BecameOf); 3]);
        let (mut held, now) = held(&come);
        for _ in 0..50 {
            held.enter(Holder::new(Some(network("::1")), true, now), usize::MAX, now);
        }
        assert_eq!(held.enforce(3, now), 2);
        assert!(!held.places.contains_key(&6) && !held.places.contains_key(&7), "{:?}", held.places.keys());
        assert_eq!(held.enforce(3, now), 0);
        // Those who came a moment ago have had their time by now.
        assert_eq!(held.enforce(3, now + GRACE), 50);
    }

    #[test]
    fn an_address_of_ipv6_is_its_64_bits_and_one_of_ipv4_is_itself_however_it_is_written() {
        for (one, other, same) in [
            ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
        ] {
            assert_eq!(network(one) == network(other), same, "{one} {other}");
        }
    }

    #[test]
    fn loopback_is_limited_only_where_that_is_asked_for() {
        let limit = |loopback| PerAddress { most: NonZeroU32::MIN, loopback };
        for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            let address = address.parse().unwrap();
            assert!(!limit(false).limits(address) && limit(true).limits(address), "{address}");
        }
        assert!(limit(false).limits("192.0.2.1".parse().unwrap()));
    }
}
