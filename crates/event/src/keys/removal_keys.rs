//! The keys of tombstones and cutoffs, which hide removed events until they are deleted.

use std::fmt;
use std::str::FromStr;

use super::spelling::{NotAKey, canonical, lsid, read_lsid, read_timestamp, timestamp};
use crate::event::{Lsid, Timestamp};
use crate::identity::Site;

/// The key of a tombstone, which hides what was found of an erased session. Its value lists the records
/// (`archive/covers.rs`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErasedKey {
    /// The appliance.
    pub site: Site,
    /// The session.
    pub lsid: Lsid,
    /// The latest `recordedtime` among them that was not later than the clock, in Unix milliseconds. Tombstones of
    /// earlier versions list nothing: there it is when the session was erased, and covers what was recorded until then.
    pub until: u64,
}

/// The key of a cutoff: what an administrator removed by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CutoffKey {
    /// It covers events with a time before this,
    pub before: Timestamp,
    /// if they were recorded until this time, in Unix microseconds. Events that arrive later are not covered.
    pub until: u64,
}

/// The key of a cutoff as an earlier version wrote it. Its one time is both times of a [`CutoffKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OldCutoffKey(pub Timestamp);

/// The first part of the key of an [`OldCutoffKey`].
pub const OLD_CUTOFF_KIND: &str = "horizon";

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

impl fmt::Display for OldCutoffKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{OLD_CUTOFF_KIND}.{}", timestamp(self.0))
    }
}

impl FromStr for OldCutoffKey {
    type Err = NotAKey;

    fn from_str(key: &str) -> Result<Self, NotAKey> {
        let time = key.strip_prefix(OLD_CUTOFF_KIND).and_then(|rest| rest.strip_prefix('.')).ok_or(NotAKey)?;
        read_timestamp(time).map(Self)
    }
}
