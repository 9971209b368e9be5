//! Values that are not what their keys say. They are left where they are, and named.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::event::Lsid;
use crate::identity::Site;
use crate::keys::{PackKey, SessionKeys};

/// A value that is not what its key says. It is left where it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Unreadable {
    /// The key.
    pub key: String,
    /// What is wrong.
    pub reason: String,
}

impl Unreadable {
    /// So many are told of in one answer. There may be as many as there are keys, and more than fit in memory.
    pub const MOST: usize = 1_000;

    /// Adds one, as far as it is told of.
    pub(crate) fn note(all: &mut BTreeSet<Self>, key: impl ToString, reason: impl ToString) {
        if all.len() < Self::MOST {
            all.insert(Self { key: key.to_string(), reason: reason.to_string() });
        }
    }
}

/// Whether a key may be of a session: one of its records, or any pack of its site.
pub fn is_of_session(key: &str, site: &Site, lsid: &Lsid) -> bool {
    SessionKeys::new(site, lsid).matches(key) || key.parse::<PackKey>().is_ok_and(|pack| pack.site == *site)
}
