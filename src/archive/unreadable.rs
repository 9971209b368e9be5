//! Values that do not match their keys. They are reported and stay in the store.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::event::Lsid;
use crate::identity::Site;
use crate::keys::{PackKey, SessionKeys};

/// A value that does not match its key. It stays in the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Unreadable {
    /// The key.
    pub key: String,
    /// What is wrong.
    pub reason: String,
}

impl Unreadable {
    /// The most values that one answer lists: all of them might not fit in memory.
    pub const MOST: usize = 1_000;

    /// Adds a value, unless [`Self::MOST`] are listed already.
    pub(crate) fn note(all: &mut BTreeSet<Self>, key: impl ToString, reason: impl ToString) {
        if all.len() < Self::MOST {
            all.insert(Self { key: key.to_string(), reason: reason.to_string() });
        }
    }
}

/// Whether the value of a key can hold records of a session: a loose record of it, or any pack of its site.
pub fn is_of_session(key: &str, site: &Site, lsid: &Lsid) -> bool {
    SessionKeys::new(site, lsid).matches(key) || key.parse::<PackKey>().is_ok_and(|pack| pack.site == *site)
}
