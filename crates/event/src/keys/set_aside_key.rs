//! The key of a body that was set aside.

use std::fmt;
use std::str::FromStr;

use super::spelling::{NotAKey, canonical};
use crate::identity::{Id, Site};

/// The key of a body that was set aside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SetAsideKey {
    /// The appliance.
    pub site: Site,
    /// The body's id.
    pub id: Id,
}

impl fmt::Display for SetAsideKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "setaside.{}.{}", self.site.as_str(), self.id)
    }
}

impl FromStr for SetAsideKey {
    type Err = NotAKey;

    fn from_str(key: &str) -> Result<Self, NotAKey> {
        let (site, id) = key.strip_prefix("setaside.").and_then(|rest| rest.split_once('.')).ok_or(NotAKey)?;
        let read = Self { site: Site::parse(site).ok_or(NotAKey)?, id: id.parse().map_err(|_| NotAKey)? };
        canonical(key, read)
    }
}
