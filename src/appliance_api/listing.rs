//! `SupportSessionListing`: the ids of sessions. It has no times, so the window that was asked for is all that is known.

use std::collections::BTreeSet;

use super::xml::{XmlAttributes, XmlSink};
use crate::event::Lsid;

/// The names that the root of a listing may have.
pub(super) const LISTING_ROOTS: &[&str] = &["session_summary_list", "session_list"];

/// The most sessions of a listing. An appliance that ends more in a window is asked for a shorter one.
const MAX_SESSIONS: usize = 20_000;

/// Collects the ids of a listing: the attribute `lsid` of the elements inside the root.
#[derive(Default)]
pub(super) struct SessionListing {
    depth: usize,
    /// The ids. One that is not valid cannot be asked for, and is left out.
    pub(super) lsids: BTreeSet<Lsid>,
    /// Whether there are more.
    pub(super) is_too_large: bool,
}

impl XmlSink for SessionListing {
    fn open(&mut self, _name: &str, attributes: &XmlAttributes<'_>) {
        self.depth = self.depth.saturating_add(1);
        if self.depth != 1 {
            return;
        }
        if self.lsids.len() >= MAX_SESSIONS {
            self.is_too_large = true;
        } else {
            self.lsids.extend(attributes.get("lsid").and_then(|lsid| Lsid::parse(lsid).ok()));
        }
    }

    fn text(&mut self, _part: &str) {}

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }
}
