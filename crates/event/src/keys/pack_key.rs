//! The key of a pack.

use std::fmt;
use std::str::FromStr;

use super::spelling::{NotAKey, canonical, read_timestamp};
use crate::event::Timestamp;
use crate::identity::{Id, Site};

/// The key of a pack: one site, and the times of its first and last event. The id is the hash of its value. So a pack
/// cannot be changed, and two packs of the same records are one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackKey {
    /// The appliance.
    pub site: Site,
    /// The time of its first event.
    pub first: Timestamp,
    /// The time of its last event.
    pub last: Timestamp,
    /// [`Id::of_value`] of its value.
    pub id: Id,
}

impl fmt::Display for PackKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.first.seconds(), self.last.seconds());
        write!(f, "pack.{}.{first:012}.{last:012}.{}", self.site.as_str(), self.id)
    }
}

impl FromStr for PackKey {
    type Err = NotAKey;

    fn from_str(key: &str) -> Result<Self, NotAKey> {
        let mut parts = key.strip_prefix("pack.").ok_or(NotAKey)?.split('.');
        let mut part = || parts.next().ok_or(NotAKey);
        let read = Self {
            site: Site::parse(part()?).ok_or(NotAKey)?,
            first: read_timestamp(part()?)?,
            last: read_timestamp(part()?)?,
            id: part()?.parse().map_err(|_| NotAKey)?,
        };
        if read.last < read.first { Err(NotAKey) } else { canonical(key, read) }
    }
}
