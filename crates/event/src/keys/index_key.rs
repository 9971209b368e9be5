//! The keys of indexes.

use std::fmt;
use std::str::FromStr;

use super::spelling::NotAKey;
use crate::identity::Id;

/// The purpose of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finds {
    /// The packs of a session.
    Sessions,
    /// The packs that can hold an event.
    Events,
}

/// The key of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexKey {
    /// Its purpose.
    pub finds: Finds,
    /// [`Id::of_value`] of its value.
    pub id: Id,
}

impl fmt::Display for IndexKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let finds = match self.finds {
            Finds::Sessions => "sessions",
            Finds::Events => "events",
        };
        write!(f, "index.{finds}.{}", self.id)
    }
}

impl FromStr for IndexKey {
    type Err = NotAKey;

    fn from_str(key: &str) -> Result<Self, NotAKey> {
        let (finds, id) = key.strip_prefix("index.").and_then(|rest| rest.split_once('.')).ok_or(NotAKey)?;
        let finds = match finds {
            "sessions" => Finds::Sessions,
            "events" => Finds::Events,
            _ => return Err(NotAKey),
        };
        Ok(Self { finds, id: id.parse().map_err(|_| NotAKey)? })
    }
}
