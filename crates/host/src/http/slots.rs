//! The slots of connections, and which connection is closed when there are more: see the head of `connections.rs`.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::http::address::Network;

/// How long a new connection has to show a token before it counts as unauthenticated.
pub(super) const GRACE: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Slots {
    last: u64,
    pub(super) holders: HashMap<u64, SlotHolder>,
}

/// The connection in a slot.
#[derive(Debug)]
pub(super) struct SlotHolder {
    /// `None` for a trusted proxy: each client behind it holds its own slot.
    network: Option<Network>,
    /// Whether the limit per address applies.
    limited: bool,
    connected: Instant,
    pub(super) known: bool,
    /// When its last request ended; `None` while a request is in progress.
    pub(super) idle: Option<Instant>,
    pub(super) close: Arc<Notify>,
}

/// The order in which unknown connections are closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum EvictionOrder {
    Idle(Instant),
    Busy(Instant),
    New(Instant),
}

impl SlotHolder {
    pub(super) fn new(network: Option<Network>, limited: bool, now: Instant) -> Self {
        Self { network, limited, connected: now, known: false, idle: Some(now), close: Arc::default() }
    }

    fn eviction_order(&self, now: Instant) -> EvictionOrder {
        match self.idle {
            _ if !self.is_past_grace(now) => EvictionOrder::New(self.connected),
            Some(since) => EvictionOrder::Idle(since),
            None => EvictionOrder::Busy(self.connected),
        }
    }

    fn is_past_grace(&self, now: Instant) -> bool {
        now.duration_since(self.connected) >= GRACE
    }
}

impl Slots {
    /// Adds a connection. Returns the number of its slot, and whether another connection was evicted for it.
    pub(super) fn enter(&mut self, holder: SlotHolder, most: usize, now: Instant) -> (u64, bool) {
        let evicted = self.holders.len() >= most && self.evict_one(now);
        self.last += 1;
        self.holders.insert(self.last, holder);
        (self.last, evicted)
    }

    /// Evicts an unknown connection. False if there is none.
    fn evict_one(&mut self, now: Instant) -> bool {
        let mut counts: HashMap<Network, usize> = HashMap::new();
        for network in self.unknown().filter_map(|(_, holder)| holder.network) {
            *counts.entry(network).or_default() += 1;
        }
        let count = |holder: &SlotHolder| holder.network.and_then(|network| counts.get(&network)).copied().unwrap_or(1);
        let order =
            |(number, holder): &(u64, &SlotHolder)| (Reverse(count(holder)), holder.eviction_order(now), *number);
        let first = self.unknown().min_by_key(order).map(|(number, _)| number);
        first.inspect(|number| self.evict(*number)).is_some()
    }

    /// Evicts connections of addresses with more than `most`. Returns how many.
    pub(super) fn enforce(&mut self, most: usize, now: Instant) -> usize {
        let mut by_network: HashMap<Network, Vec<(EvictionOrder, u64)>> = HashMap::new();
        for (number, holder) in self.unknown().filter(|(_, holder)| holder.limited && holder.is_past_grace(now)) {
            if let Some(network) = holder.network {
                by_network.entry(network).or_default().push((holder.eviction_order(now), number));
            }
        }
        let mut evicted = 0;
        for mut connections in by_network.into_values() {
            connections.sort_unstable();
            let excess = connections.len().saturating_sub(most);
            connections.into_iter().take(excess).for_each(|(_, number)| self.evict(number));
            evicted += excess;
        }
        evicted
    }

    fn unknown(&self) -> impl Iterator<Item = (u64, &SlotHolder)> {
        self.holders.iter().filter(|(_, holder)| !holder.known).map(|(number, holder)| (*number, holder))
    }

    /// Frees the slot at once; the connection closes a moment later.
    fn evict(&mut self, number: u64) {
        if let Some(holder) = self.holders.remove(&number) {
            holder.close.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::{Duration, Instant};

    use super::{GRACE, SlotHolder, Slots};
    use crate::http::address::Network;

    const SECOND: Duration = Duration::from_secs(1);

    fn network(text: &str) -> Network {
        text.parse::<IpAddr>().unwrap().into()
    }

    type HolderChange = fn(&mut SlotHolder);

    /// Slots of connections that came one a second: the address of each, and the change of its holder.
    fn slots_of(connections: &[(&str, HolderChange)]) -> (Slots, Instant) {
        let (mut slots, mut now) = (Slots::default(), Instant::now());
        for (address, change) in connections {
            let mut holder = SlotHolder::new((*address != "proxy").then(|| network(address)), true, now);
            change(&mut holder);
            slots.enter(holder, usize::MAX, now);
            now += SECOND;
        }
        (slots, now + GRACE)
    }

    /// The numbers of the connections that are evicted, in that order.
    fn evicted(slots: &mut Slots, now: Instant) -> Vec<u64> {
        let mut evicted = Vec::new();
        loop {
            let before: Vec<_> = slots.holders.keys().copied().collect();
            if !slots.evict_one(now) {
                return evicted;
            }
            evicted.extend(before.into_iter().filter(|number| !slots.holders.contains_key(number)));
        }
    }

    fn idle(_: &mut SlotHolder) {}

    fn busy(holder: &mut SlotHolder) {
        holder.idle = None;
    }

    fn known(holder: &mut SlotHolder) {
        holder.known = true;
    }

    /// Its request was answered five seconds after it connected.
    fn served(holder: &mut SlotHolder) {
        holder.idle = Some(holder.connected + 5 * SECOND);
    }

    #[test]
    fn idle_connections_are_evicted_first_by_idle_time_and_then_busy_ones_by_age() {
        let (mut slots, now) = slots_of(&[("::1", busy), ("::1", served), ("::1", idle), ("::1", busy), ("::1", idle)]);
        assert_eq!(evicted(&mut slots, now), [3, 5, 2, 1, 4]);
    }

    #[test]
    fn an_address_with_few_connections_keeps_them_while_another_has_more() {
        let few = ("10.0.0.1", idle as HolderChange);
        let many = ("10.0.0.2", busy as HolderChange);
        let (mut slots, now) = slots_of(&[few, many, many, many]);
        assert_eq!(evicted(&mut slots, now), [2, 3, 1, 4]);
    }

    #[test]
    fn a_new_connection_is_evicted_last_even_after_busy_ones() {
        let (mut slots, now) = slots_of(&[("::1", busy), ("::1", busy)]);
        slots.enter(SlotHolder::new(Some(network("::1")), true, now), usize::MAX, now);
        assert_eq!(evicted(&mut slots, now), [1, 2, 3]);
    }

    #[test]
    fn a_known_connection_is_never_evicted() {
        let (mut slots, now) = slots_of(&[("::1", known), ("::1", idle), ("::1", known)]);
        assert_eq!(evicted(&mut slots, now), [2]);
        assert_eq!(slots.holders.len(), 2);
        // Known connections do not count for their address.
        let (one, other) = ("10.0.0.1", "10.0.0.2");
        let (mut slots, now) = slots_of(&[(one, known), (one, known), (one, idle), (other, idle), (other, idle)]);
        assert_eq!(evicted(&mut slots, now), [4, 3, 5]);
    }

    #[test]
    fn connections_of_a_trusted_proxy_do_not_count_as_one_address() {
        let (mut slots, now) = slots_of(&[("proxy", idle), ("proxy", idle), ("10.0.0.1", idle), ("10.0.0.1", idle)]);
        assert_eq!(evicted(&mut slots, now), [3, 1, 2, 4]);
    }

    #[test]
    fn there_are_never_more_connections_than_slots_while_an_unknown_connection_holds_one() {
        let (mut slots, now) = (Slots::default(), Instant::now());
        for n in 0..100 {
            let (_, evicted) = slots.enter(SlotHolder::new(Some(network("::1")), true, now), 10, now);
            assert_eq!((evicted, slots.holders.len()), (n >= 10, 10.min(n + 1)));
        }
    }

    #[test]
    fn an_address_over_its_limit_loses_idle_connections_once_they_are_past_the_grace_period() {
        let mut connections = vec![("::1", busy as HolderChange); 2];
        connections.extend([("::1", known as HolderChange); 3]);
        connections.extend([("::1", idle as HolderChange); 3]);
        connections.extend([("2::1", idle as HolderChange); 3]);
        let (mut slots, now) = slots_of(&connections);
        for _ in 0..50 {
            slots.enter(SlotHolder::new(Some(network("::1")), true, now), usize::MAX, now);
        }
        assert_eq!(slots.enforce(3, now), 2);
        assert!(!slots.holders.contains_key(&6) && !slots.holders.contains_key(&7), "{:?}", slots.holders.keys());
        assert_eq!(slots.enforce(3, now), 0);
        // The new connections are past the grace period by now.
        assert_eq!(slots.enforce(3, now + GRACE), 50);
    }
}
