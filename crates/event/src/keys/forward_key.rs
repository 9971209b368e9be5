//! The keys of forwarding.

use std::fmt;
use std::str::FromStr;

use super::spelling::{NotAKey, canonical, read_timestamp, timestamp};
use crate::event::Timestamp;
use crate::identity::{DestinationName, Id};

/// What forwarding stores for a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Forwards {
    /// A receipt, named by the first event in it.
    Receipt(Id),
    /// The destination refused that event.
    Refused(Id),
    /// The loose record of that event is unreadable.
    Unreadable(Id),
    /// That refused event will be tried once more.
    Retry(Id),
    /// Events from the first time on and before the second will be sent again.
    Replay(Timestamp, Timestamp),
    /// The destination is paused.
    Paused,
    /// The state of its deliveries.
    State,
}

/// A key of forwarding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ForwardKey {
    /// The destination.
    pub destination: DestinationName,
    /// What is stored for it.
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
