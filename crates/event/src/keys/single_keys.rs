//! Keys that there is one of, and which keys are written by what.

use super::forward_key::{ForwardKey, Forwards};
use super::index_key::IndexKey;
use super::pack_key::PackKey;
use super::removal_keys::{CutoffKey, ErasedKey};

/// Under it stands for how long a pass is under way. It spares work and protects nothing: any number of passes may run at once.
pub const LEASE: &str = "lease.pass";

/// Under it stands what retention knows of the time. If it is lost, what has aged stays a while longer.
pub const RETENTION_CLOCK: &str = "retention.clock";

/// Under it stands which clocks were seen to be wrong. If it is lost, they are reported once more.
pub const CLOCK_FAULTS: &str = "clock.faults";

/// Whether a key is one of the three above: none of them is anything that was taken.
pub fn is_advisory(key: &str) -> bool {
    matches!(key, LEASE | RETENTION_CLOCK | CLOCK_FAULTS)
}

/// Whether what stands under a key is written by removal and compaction, and not for what arrives: what says that something was removed, packs
/// and indexes, what passes remember, and that a destination is paused so that its backlog can be packed. All of it is small, or takes the
/// place of what is larger.
pub fn is_of_compaction(key: &str) -> bool {
    let is_marker = || key.parse::<ErasedKey>().is_ok() || key.parse::<CutoffKey>().is_ok();
    let is_pause = || key.parse::<ForwardKey>().is_ok_and(|key| key.what == Forwards::Paused);
    is_advisory(key) || is_marker() || key.parse::<PackKey>().is_ok() || key.parse::<IndexKey>().is_ok() || is_pause()
}
