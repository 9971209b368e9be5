//! What a pass does, and how far it goes.

use std::time::Duration;

use crate::archive::listing::Listing;
use crate::archive::pack::MAX_PACK_EVENTS;

/// The settings that decide what a pass does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The number of events that stay loose.
    pub loose_events: usize,
    /// The most keys that the store takes. `None` if it has no limit.
    pub key_budget: Option<usize>,
    /// The number of days for which events are kept. `None`: for ever.
    pub retention_days: Option<u32>,
    /// How long a record stays loose after it was packed, for stores with late lists and reads.
    pub grace: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self::packs(512)
    }
}

impl Policy {
    /// A policy that lets `loose_events` events stay loose, and keeps everything.
    pub const fn packs(loose_events: usize) -> Self {
        Self { loose_events, key_budget: None, retention_days: None, grace: Duration::ZERO }
    }

    /// The number of keys kept free under a key budget: for events that arrive during a pass, and for the pass's own
    /// keys.
    pub(super) const SPARE_KEYS: usize = 96;

    /// The number of events that stay loose in a store with these keys.
    pub(super) fn stay_loose(&self, listing: &Listing) -> usize {
        let others = listing.keys.saturating_sub(listing.loose.len());
        let room = self.key_budget.map(|budget| budget.saturating_sub(others + Self::SPARE_KEYS));
        room.map_or(self.loose_events, |room| room.min(self.loose_events))
    }

    /// The least number of excess loose events for packing: a pack of a few saves little.
    pub(super) fn batch(&self, listing: &Listing) -> usize {
        if self.is_pressed(listing) { 2 } else { (self.loose_events / 2).max(1) }
    }

    /// Whether the key budget is nearly used up.
    pub(super) fn is_pressed(&self, listing: &Listing) -> bool {
        self.key_budget.is_some_and(|budget| listing.keys + Self::SPARE_KEYS >= budget)
    }

    /// Whether there are enough loose events for a pass.
    pub(super) fn is_due(&self, listing: &Listing) -> bool {
        let excess = listing.loose.len().saturating_sub(self.stay_loose(listing));
        excess >= self.batch(listing)
    }
}

/// How far a pass goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The most loose events that are packed together. Many fill several packs.
    pub events: usize,
    /// The most loose events that it packs. It holds their keys while it lists all keys again, and a component's memory
    /// is limited.
    pub loose: usize,
    /// The time after which it begins no new step.
    pub time: Duration,
}

impl Default for Bound {
    /// A bound that fits beside a request on every platform: well under ten seconds.
    fn default() -> Self {
        Self { events: 2_048, loose: 32_768, time: Duration::from_secs(3) }
    }
}

impl Bound {
    /// A bound for callers with time and memory: packs are filled, and little work is left for the next step.
    pub const WIDE: Self = Self { events: 4 * MAX_PACK_EVENTS, loose: usize::MAX, time: Duration::from_secs(3) };
}

/// The number of loose events from which on packing has priority: a component cannot list many more in its memory.
pub(super) const MANY_LOOSE: usize = 200_000;

/// The number of loose events below which packing makes no room.
pub(super) const FEW: usize = 16;
