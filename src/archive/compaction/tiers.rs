//! Tiers of values by their bytes: packs and indexes are merged within one.

/// From how many bytes on a value is of the next tier. Eight of one tier are merged, so that an event is written again about as
/// often as there are tiers.
pub(super) const TIERS: [usize; 2] = [60_000, 350_000];

/// How many of one tier there may be before they are merged.
pub(super) const MERGED_AT_ONCE: usize = 8;

/// The tier of a value; `None` if it is as good as full.
pub(super) fn tier(bytes: usize) -> Option<usize> {
    TIERS.iter().position(|most| bytes < *most)
}
