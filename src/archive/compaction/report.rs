//! The report of a pass.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::archive::unreadable::Unreadable;
use crate::clock_faults::ClockFaults;

/// The report of a pass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CompactionReport {
    /// Number of loose events that are in packs now.
    pub packed: usize,
    /// Number of packs that were merged into others.
    pub merged: usize,
    /// Number of packs that were written.
    pub written: usize,
    /// Number of removed or aged events that were deleted.
    pub dropped: usize,
    /// Number of aged set-aside bodies that were deleted.
    pub dropped_set_aside: usize,
    /// Whether work remains.
    pub remaining: bool,
    /// Number of loose events when the pass began.
    pub loose: usize,
    /// Values that it could not read, and did not touch: the first [`Unreadable::MOST`].
    pub unreadable: BTreeSet<Unreadable>,
    /// Clocks that it found to be wrong.
    pub clock_faults: ClockFaults,
}
