//! The keys of what forwarding keeps.

use std::fmt;
use std::str::FromStr;

use super::spelling::{NotAKey, canonical, read_timestamp, timestamp};
use crate::event::Timestamp;
use crate::identity::{DestinationName, Id};

/// What forwarding keeps of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Forwards {
    /// A receipt. Named by what was first in it.
    Receipt(Id),
    /// The event of that id was refused.
    Refused(Id),
    /// The loose record of that event cannot be read.
    Unreadable(Id),
    /// The refused event of that id is to be tried once more.
    Retry(Id),
    /// What is stored from the first time on and before the second is to be sent again.
    Replay(Timestamp, Timestamp),
    /// It is paused.
    Paused,
    /// Its state.
    State,
}

/// The key of something that forwarding keeps.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ForwardKey {
    /// The destination.
    pub destination: DestinationName,
    /// What is kept of it.
    pub what: Forwards,
}

impl fmt::Display for ForwardKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { destination, what } = self;
        match what {
            Forwards::Receipt(id) => write!(f, "sent.{destination}.{id}"),
            Forwards::Refused(id) => write!(f, "refused.{destination}.{id}"),
            Forwards::Unreadable(id) => write!(f, "unreadable.{destination}.{id}"),
            Forwards::Retry(id) => write!(f, "again.{destination}.{id}"),
            Forwards::Replay(from, to) => write!(f, "replay.{destination}.{}.{}", timestamp(*from), timestamp(*to)),
            Forwards::Paused => write!(f, "paused.{destination}"),
            Forwards::State => write!(f, "round.{destination}"),
        }
    }
}

impl FromStr for ForwardKey {
    type Err = NotAKey;

    fn from_str(key: &str) -> Result<Self, NotAKey> {
        let mut parts = key.split('.');
        let mut part = || parts.next().ok_or(NotAKey);
        let (kind, destination) = (part()?, DestinationName::parse(part()?).ok_or(NotAKey)?);
        let what = match kind {
            "sent" => Forwards::Receipt(part()?.parse().map_err(|_| NotAKey)?),
            "refused" => Forwards::Refused(part()?.parse().map_err(|_| NotAKey)?),
            "unreadable" => Forwards::Unreadable(part()?.parse().map_err(|_| NotAKey)?),
            "again" => Forwards::Retry(part()?.parse().map_err(|_| NotAKey)?),
            "replay" => Forwards::Replay(read_timestamp(part()?)?, read_timestamp(part()?)?),
            "paused" => Forwards::Paused,
            "round" => Forwards::State,
            _ => return Err(NotAKey),
        };
        canonical(key, Self { destination, what })
    }
}
