//! Who holds a connection's place, and who goes when there are more than places: see the head of `connections.rs`.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::http::address::Network;

/// How long who comes has for showing a token, before it counts as one who did not.
pub(super) const GRACE: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Held {
    last: u64,
    pub(super) places: HashMap<u64, Holder>,
}

/// Who holds a place.
#[derive(Debug)]
pub(super) struct Holder {
    /// `None` for a proxy: those who are behind it hold a place each.
    network: Option<Network>,
    /// Whether the limit for an address is for it.
    limited: bool,
    came: Instant,
    pub(super) known: bool,
    /// Since when it has had no request under way; `None` while it has one.
    pub(super) idle: Option<Instant>,
    pub(super) go: Arc<Notify>,
}

/// In which order who is unknown goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Idle(Instant),
    Busy(Instant),
    JustCame(Instant),
}

impl Holder {
    pub(super) fn new(network: Option<Network>, limited: bool, now: Instant) -> Self {
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

impl Held {
    /// The number of a new place, and whether somebody had to go for it.
    pub(super) fn enter(&mut self, holder: Holder, most: usize, now: Instant) -> (u64, bool) {
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
    pub(super) fn enforce(&mut self, most: usize, now: Instant) -> usize {
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

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::{Duration, Instant};

    use super::{GRACE, Held, Holder};
    use crate::http::address::Network;

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
}
