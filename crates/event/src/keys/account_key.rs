//! The key of what reconciliation knows of a site.

use std::fmt;
use std::str::FromStr;

use super::spelling::{NotAKey, canonical};
use crate::identity::Site;

/// The key of the state of a site's reconciliation. If it is lost, work is repeated.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccountKey(pub Site);

impl fmt::Display for AccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "account.{}", self.0.as_str())
    }
}

impl FromStr for AccountKey {
    type Err = NotAKey;

    fn from_str(key: &str) -> Result<Self, NotAKey> {
        let site = key.strip_prefix("account.").and_then(Site::parse).ok_or(NotAKey)?;
        canonical(key, Self(site))
    }
}
