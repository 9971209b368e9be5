//! The keys that exist once in a store, and which keys compaction writes.

use super::forward_key::{ForwardKey, Forwards};
use super::index_key::IndexKey;
use super::pack_key::PackKey;
use super::removal_keys::{CutoffKey, ErasedKey};

/// Compaction's lease. It saves work and protects nothing: any number of passes can run at once.
pub const LEASE: &str = "lease.pass";

/// Retention's view of the time. If it is lost, aged records stay longer.
pub const RETENTION_CLOCK: &str = "retention.clock";

/// The clocks that were seen to be wrong. If it is lost, they are reported once more.
pub const CLOCK_FAULTS: &str = "clock.faults";

/// Whether a key is one of the three above. None of them holds anything that a sender sent.
pub fn is_advisory(key: &str) -> bool {
    matches!(key, LEASE | RETENTION_CLOCK | CLOCK_FAULTS)
}

/// Whether removal or compaction writes a key: tombstones and cutoffs, packs and indexes, advisory keys, and the pause
/// of a destination whose backlog must be packed. Their values are small, or replace larger ones.
pub fn is_of_compaction(key: &str) -> bool {
    let is_marker = || key.parse::<ErasedKey>().is_ok() || key.parse::<CutoffKey>().is_ok();
    let is_pause = || key.parse::<ForwardKey>().is_ok_and(|key| key.what == Forwards::Paused);
    is_advisory(key) || is_marker() || key.parse::<PackKey>().is_ok() || key.parse::<IndexKey>().is_ok() || is_pause()
}
