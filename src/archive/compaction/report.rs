//! What a pass did.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::archive::unreadable::Unreadable;
use crate::clock_faults::ClockFaults;

/// What a pass did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CompactionReport {
    /// Loose events that are in packs now.
    pub packed: usize,
    /// Packs that were merged into others.
    pub merged: usize,
    /// Packs that were written.
    pub written: usize,
    /// Events that were removed before, or have aged, and of which nothing is left now.
    pub dropped: usize,
    /// Bodies that were set aside, have aged, and are deleted now.
    pub dropped_set_aside: usize,
    /// Whether there is more to do.
    pub remaining: bool,
    /// How many loose events were there when it began.
    pub loose: usize,
    /// What it could not read, and left where it is: the first [`Unreadable::MOST`].
    pub unreadable: BTreeSet<Unreadable>,
    /// Clocks that it saw to be wrong.
    pub clock_faults: ClockFaults,
}
