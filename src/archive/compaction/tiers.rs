//! Tiers of values by size: packs and indexes are merged within a tier.

/// The sizes in bytes at which the next tier begins. Eight values of a tier are merged, so an event is rewritten about
/// as often as there are tiers.
pub(super) const TIERS: [usize; 2] = [60_000, 350_000];

/// The number of values of a tier that are merged at once.
pub(super) const MERGED_AT_ONCE: usize = 8;

/// The tier of a value by its bytes. `None` if it is nearly full.
pub(super) fn tier(bytes: usize) -> Option<usize> {
    TIERS.iter().position(|most| bytes < *most)
}
