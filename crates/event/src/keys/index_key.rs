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
    /// The packs with sessions that had an external key.
    ExternalKeys,
    /// What statistics need of each session.
    Figures,
    /// The same, of recent packs alone: what is open now.
    Open,
}

impl Finds {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Sessions, Self::Events, Self::ExternalKeys, Self::Figures, Self::Open];

    /// As keys spell it.
    fn name(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::Events => "events",
            Self::ExternalKeys => "keys",
            Self::Figures => "figures",
            Self::Open => "open",
        }
    }
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
        write!(f, "index.{}.{}", self.finds.name(), self.id)
    }
}

impl FromStr for IndexKey {
    type Err = NotAKey;

    fn from_str(key: &str) -> Result<Self, NotAKey> {
        let (finds, id) = key.strip_prefix("index.").and_then(|rest| rest.split_once('.')).ok_or(NotAKey)?;
        let finds = Finds::ALL.into_iter().find(|known| known.name() == finds).ok_or(NotAKey)?;
        Ok(Self { finds, id: id.parse().map_err(|_| NotAKey)? })
    }
}
