//! The keys of what says that something was removed.

use std::fmt;
use std::str::FromStr;

use super::spelling::{NotAKey, canonical, lsid, read_lsid, read_timestamp, timestamp};
use crate::event::{Lsid, Timestamp};
use crate::identity::Site;

/// The key of a tombstone: what was found of a session when it was erased is gone. Its value lists the records (`archive/covers.rs`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErasedKey {
    /// The appliance.
    pub site: Site,
    /// The session.
    pub lsid: Lsid,
    /// The latest time of recording among them that was not later than the clock, in Unix milliseconds. Of an earlier version, whose
    /// tombstones list nothing, when the session was erased: what was recorded until then is gone.
    pub until: u64,
}

/// The key of a cutoff: what an administrator removed by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CutoffKey {
    /// The events with a time before this are gone,
    pub before: Timestamp,
    /// if they were recorded until then, in Unix microseconds: what arrives in the millisecond after is none of it.
    pub until: u64,
}

/// The key of a horizon, as an earlier version wrote it where this one writes a [`CutoffKey`]. Its value says nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HorizonKey(pub Timestamp);

impl fmt::Display for ErasedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "erased.{}.{}.{:015}", self.site.as_str(), lsid(&self.lsid), self.until)
    }
}

impl FromStr for ErasedKey {
    type Err = NotAKey;

    fn from_str(key: &str) -> Result<Self, NotAKey> {
        let mut parts = key.strip_prefix("erased.").ok_or(NotAKey)?.split('.');
        let mut part = || parts.next().ok_or(NotAKey);
        let read = Self {
            site: Site::parse(part()?).ok_or(NotAKey)?,
            lsid: read_lsid(part()?)?,
            until: part()?.parse().map_err(|_| NotAKey)?,
        };
        canonical(key, read)
    }
}

impl fmt::Display for CutoffKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cutoff.{}.{:018}", timestamp(self.before), self.until)
    }
}

impl FromStr for CutoffKey {
    type Err = NotAKey;

    fn from_str(key: &str) -> Result<Self, NotAKey> {
        let (before, until) = key.strip_prefix("cutoff.").and_then(|rest| rest.split_once('.')).ok_or(NotAKey)?;
        canonical(key, Self { before: read_timestamp(before)?, until: until.parse().map_err(|_| NotAKey)? })
    }
}

impl fmt::Display for HorizonKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "horizon.{}", timestamp(self.0))
    }
}

impl FromStr for HorizonKey {
    type Err = NotAKey;

    fn from_str(key: &str) -> Result<Self, NotAKey> {
        read_timestamp(key.strip_prefix("horizon.").ok_or(NotAKey)?).map(Self)
    }
}
