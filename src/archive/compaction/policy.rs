//! Decides what a pass does and how far it goes.

use std::time::Duration;

use crate::archive::listing::Listing;
use crate::archive::pack::MAX_PACK_EVENTS;

/// What decides what a pass does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How many events stay loose.
    pub loose_events: usize,
    /// How many keys the store takes, where it is known to take few.
    pub key_budget: Option<usize>,
    /// For how many days events are kept. `None`: for ever.
    pub retention_days: Option<u32>,
    /// How long a record stays loose after it was packed: for stores whose lists and reads are late.
    pub grace: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self::packs(512)
    }
}

impl Policy {
    /// Lets so many events stay loose, and keeps everything.
    pub const fn packs(loose_events: usize) -> Self {
        Self { loose_events, key_budget: None, retention_days: None, grace: Duration::ZERO }
    }

    /// How many keys are left free where there are few: what arrives while a pass is on its way, and its own new keys.
    pub(super) const SPARE_KEYS: usize = 96;

    /// How many events stay loose in a store of that many keys.
    pub(super) fn stay_loose(&self, listing: &Listing) -> usize {
        let others = listing.keys.saturating_sub(listing.loose.len());
        let room = self.key_budget.map(|budget| budget.saturating_sub(others + Self::SPARE_KEYS));
        room.map_or(self.loose_events, |room| room.min(self.loose_events))
    }

    /// How many more there must be before they are packed: a pack of a few is hardly better than the few.
    pub(super) fn batch(&self, listing: &Listing) -> usize {
        if self.is_pressed(listing) { 2 } else { (self.loose_events / 2).max(1) }
    }

    /// Whether keys are about to run out.
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
    /// How many loose events one of its packs is made of, at most.
    pub events: usize,
    /// How many loose events it packs at most. So many keys it keeps while it lists all of them again, for which a component has room.
    pub loose: usize,
    /// After which it begins nothing new.
    pub time: Duration,
}

impl Default for Bound {
    /// What fits every platform beside a request: well under ten seconds.
    fn default() -> Self {
        Self { events: 2_048, loose: 32_768, time: Duration::from_secs(3) }
    }
}

impl Bound {
    /// For who has the time and the memory: a pack is made of as many as it holds.
    pub const WIDE: Self = Self { events: MAX_PACK_EVENTS, loose: usize::MAX, time: Duration::from_secs(3) };
}

/// How many loose events are on the way to more than can be listed in a component's memory.
pub(super) const MANY_LOOSE: usize = 200_000;

/// How many loose events are too few to make room by packing them.
pub(super) const FEW: usize = 16;
