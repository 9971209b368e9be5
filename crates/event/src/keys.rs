//! The only place where a storage key is made or read.
//!
//! Keys are portable: at most 255 bytes of `[A-Za-z0-9._-]`, which every key-value store that Spin has takes.
//! Sorted, the events of a site are in the order of their times, and a list of sessions needs keys alone.
//!
//! | key | holds |
//! |---|---|
//! | `event.<site>.<timestamp, 12 digits>.<lsid>.<event>.<id>` | a [`crate::record::Record`] |
//! | `setaside.<site>.<id>` | a [`crate::record::SetAside`] |
//! | `pack.<site>.<first time>.<last time>.<id>` | a pack (`archive/pack.rs`): many records, named by their hash |
//! | `erased.<site>.<lsid>.<milliseconds, 15 digits>` | a tombstone: the records of the session that its value lists are gone |
//! | `cutoff.<timestamp>.<microseconds, 18 digits>` | the events before that time that were recorded until then are gone |
//! | `horizon.<timestamp>` | the same as an earlier version wrote it: recorded until that time too |
//! | `index.sessions.<id>`, `index.events.<id>` | an index (`archive/index.rs`), made of packs and of nothing else |
//! | `lease.pass` | for how long nobody else needs to begin a pass |
//! | `retention.clock` | what retention knows of the time (`archive/retention.rs`) |
//! | `clock.faults` | which clocks were seen to be wrong (`clock_faults.rs`) |
//! | `sent.<destination>.<id>` | a receipt: which events that destination has got (`forward/owed.rs`) |
//! | `refused.<destination>.<event's id>` | that the destination refused the event, and how |
//! | `again.<destination>.<event's id>` | that what was refused is to be sent once more |
//! | `replay.<destination>.<from>.<to>` | that what is stored of that time is to be sent again, and how far that is |
//! | `paused.<destination>` | that nothing is sent and nothing owed, since when, and why |
//! | `round.<destination>` | how the destination does, and for how long nobody else needs to begin a round to it |

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::event::{EventName, Lsid, Timestamp};
use crate::identity::{DestinationName, Id, Site};

/// The key of an event's record: all that identifies the event, so that a repeat finds itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventKey {
    /// The appliance.
    pub site: Site,
    /// When the event originated.
    pub timestamp: Timestamp,
    /// The session, if the event has one.
    pub lsid: Option<Lsid>,
    /// The event's name.
    pub event: EventName,
    /// The event's id.
    pub id: Id,
}

/// An event's key taken apart and not checked, for going through many: nothing is copied. Whole and checked it is an
/// [`EventKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyParts<'k> {
    /// When the event originated: 12 digits of Unix seconds, which sort as the times do.
    pub timestamp: &'k str,
    /// The key.
    pub key: &'k str,
    /// The site.
    pub site: &'k str,
    /// The lsid as a key has it.
    pub lsid: &'k str,
    /// The event's id.
    pub id: &'k str,
    event: &'k str,
}

impl<'k> KeyParts<'k> {
    /// Takes a key apart, if it has the parts of an event's: a site, a time and an id that can be, and something in between.
    // A function of its own in the component too, for speed: whoever lists a store calls it for each key.
    #[inline(never)]
    pub fn of(key: &'k str) -> Option<Self> {
        let (site, rest) = part(key.strip_prefix("event.")?)?;
        let (timestamp, rest) = rest.split_at_checked(12)?;
        let (between, id) = rest.split_at_checked(rest.len().checked_sub(32)?)?;
        let (lsid, event) = part(between.strip_prefix('.')?.strip_suffix('.')?)?;
        let digits = timestamp.bytes().all(|b| b.is_ascii_digit()) && timestamp <= LAST_TIME;
        let hex = id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let whole = digits && hex && !lsid.is_empty() && !event.bytes().any(|b| b == b'.') && Site::is_one(site);
        whole.then_some(Self { timestamp, key, site, lsid, id, event })
    }

    /// When the event originated.
    pub fn time(&self) -> Option<Timestamp> {
        Timestamp::parse(self.timestamp).ok()
    }

    /// Whether the event belongs to a session.
    pub fn has_lsid(&self) -> bool {
        self.lsid != NO_LSID
    }

    /// The event's name, if it is one.
    pub fn event(&self) -> Option<EventName> {
        read_event(self.event).ok()
    }

    /// Whether it is an event of that name.
    pub fn is(&self, event: &EventName) -> bool {
        match short(event) {
            Some(short) => self.event == short,
            None => self.event.strip_prefix(UNRECOGNISED) == Some(event.as_str()),
        }
    }
}

/// What stands before a key's next dot, and what after it. Parts are short: a search that is made for long texts takes longer.
fn part(key: &str) -> Option<(&str, &str)> {
    let dot = key.bytes().position(|b| b == b'.')?;
    Some((key.get(..dot)?, key.get(dot + 1..)?))
}

/// [`Timestamp::MAX`] as keys have it.
const LAST_TIME: &str = "253402300799";

/// What the keys of one session begin with, and have after their time: enough to find them among many.
pub struct OfSession {
    site: String,
    lsid: String,
}

impl OfSession {
    /// For the session of that id at that site.
    pub fn new(site: &Site, session: &Lsid) -> Self {
        Self { site: format!("event.{}.", site.as_str()), lsid: format!("{}.", lsid(session)) }
    }

    /// Whether a key is one of an event of the session.
    pub fn has(&self, key: &str) -> bool {
        // Twelve digits and a dot.
        let after_time = key.strip_prefix(&self.site).and_then(|rest| rest.get(13..));
        after_time.is_some_and(|rest| rest.starts_with(&self.lsid))
    }
}

/// A time as keys have it.
pub fn timestamp(time: Timestamp) -> String {
    let mut digits = [b'0'; 12];
    let mut rest = time.seconds();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    str::from_utf8(&digits).unwrap_or_default().to_owned()
}

/// A time that a key has.
pub fn read_timestamp(text: &str) -> Result<Timestamp, NotAKey> {
    Timestamp::parse(text).ok().filter(|time| timestamp(*time) == text).ok_or(NotAKey)
}

/// An lsid as keys have it: `[A-Za-z0-9-]` as they are, any other byte as `_` and two hexadecimal digits.
pub fn lsid(lsid: &Lsid) -> Cow<'_, str> {
    // Nearly always all of it at once.
    if lsid.as_str().bytes().all(Lsid::keeps) {
        return lsid.as_str().into();
    }
    let written = |byte: u8| if Lsid::keeps(byte) { char::from(byte).into() } else { format!("_{byte:02x}") };
    lsid.as_str().bytes().map(written).collect()
}

/// The lsid that a key has.
pub fn read_lsid(text: &str) -> Result<Lsid, NotAKey> {
    let read = decode_lsid(text)?.ok_or(NotAKey)?;
    if lsid(&read) == text { Ok(read) } else { Err(NotAKey) }
}

/// The key of a body that was set aside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SetAsideKey {
    /// The appliance.
    pub site: Site,
    /// The body's id.
    pub id: Id,
}

/// The key of a pack, which says what it is about: of one site, from the time of its first event to that of its last. The id is
/// the hash of its value, so it cannot be changed, and two that are made of the same are one.
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

/// What an index finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finds {
    /// The packs of a session.
    Sessions,
    /// The packs that may hold an event.
    Events,
}

/// The key of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexKey {
    /// What it finds.
    pub finds: Finds,
    /// [`Id::of_value`] of its value.
    pub id: Id,
}

/// Under it stands for how long a pass is under way. It spares work and protects nothing: any number of passes may run at once.
pub const LEASE: &str = "lease.pass";

/// Under it stands what retention knows of the time. If it is lost, what has aged stays a while longer.
pub const RETENTION_CLOCK: &str = "retention.clock";

/// Under it stands which clocks were seen to be wrong. If it is lost, they are reported once more.
pub const CLOCK_FAULTS: &str = "clock.faults";

/// Whether a key is one of the three above: none of them is anything that was taken.
pub fn is_advisory(key: &str) -> bool {
    matches!(key, LEASE | RETENTION_CLOCK | CLOCK_FAULTS)
}

/// Whether what stands under a key is written by removal and compaction, and not for what arrives: what says that something was removed, packs
/// and indexes, and what passes remember. All of it is small, or takes the place of what is larger.
pub fn is_of_compaction(key: &str) -> bool {
    let is_marker = || key.parse::<ErasedKey>().is_ok() || key.parse::<CutoffKey>().is_ok();
    is_advisory(key) || is_marker() || key.parse::<PackKey>().is_ok() || key.parse::<IndexKey>().is_ok()
}

/// What forwarding keeps of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Forwards {
    /// A receipt. Named by what was first in it.
    Sent(Id),
    /// The event of that id was refused.
    Refused(Id),
    /// The event of that id is to be sent once more.
    Again(Id),
    /// What is stored from the first time on and before the second is to be sent again.
    Replay(Timestamp, Timestamp),
    /// It is paused.
    Paused,
    /// How it does.
    Round,
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
            Forwards::Sent(id) => write!(f, "sent.{destination}.{id}"),
            Forwards::Refused(id) => write!(f, "refused.{destination}.{id}"),
            Forwards::Again(id) => write!(f, "again.{destination}.{id}"),
            Forwards::Replay(from, to) => write!(f, "replay.{destination}.{}.{}", timestamp(*from), timestamp(*to)),
            Forwards::Paused => write!(f, "paused.{destination}"),
            Forwards::Round => write!(f, "round.{destination}"),
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
            "sent" => Forwards::Sent(part()?.parse().map_err(|_| NotAKey)?),
            "refused" => Forwards::Refused(part()?.parse().map_err(|_| NotAKey)?),
            "again" => Forwards::Again(part()?.parse().map_err(|_| NotAKey)?),
            "replay" => Forwards::Replay(read_timestamp(part()?)?, read_timestamp(part()?)?),
            "paused" => Forwards::Paused,
            "round" => Forwards::Round,
            _ => return Err(NotAKey),
        };
        canonical(key, Self { destination, what })
    }
}

/// A text that is no key of this kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a key of this kind")]
pub struct NotAKey;

impl EventKey {
    /// The key as a store has it: what `to_string` gives, put together in one piece.
    pub fn text(&self) -> String {
        let lsid = self.lsid.as_ref().map_or(NO_LSID.into(), lsid);
        let id = self.id.text();
        let (prefix, name) = match short(&self.event) {
            Some(short) => ("", short),
            None => (UNRECOGNISED, self.event.as_str()),
        };
        let time = timestamp(self.timestamp);
        ["event.", self.site.as_str(), ".", &time, ".", &lsid, ".", prefix, name, ".", &id].concat()
    }
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl FromStr for EventKey {
    type Err = NotAKey;

    fn from_str(key: &str) -> Result<Self, NotAKey> {
        let mut parts = key.split('.');
        let mut part = || parts.next().ok_or(NotAKey);
        if part()? != "event" {
            return Err(NotAKey);
        }
        let read = Self {
            site: Site::parse(part()?).ok_or(NotAKey)?,
            timestamp: Timestamp::parse(part()?).map_err(|_| NotAKey)?,
            lsid: decode_lsid(part()?)?,
            event: read_event(part()?)?,
            id: part()?.parse().map_err(|_| NotAKey)?,
        };
        // The guide's seven always have an lsid.
        if read.lsid.is_none() && !matches!(read.event, EventName::Unrecognised(_)) {
            return Err(NotAKey);
        }
        canonical(key, read)
    }
}

impl fmt::Display for SetAsideKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "setaside.{}.{}", self.site.as_str(), self.id)
    }
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

impl FromStr for SetAsideKey {
    type Err = NotAKey;

    fn from_str(key: &str) -> Result<Self, NotAKey> {
        let (site, id) = key.strip_prefix("setaside.").and_then(|rest| rest.split_once('.')).ok_or(NotAKey)?;
        let read = Self { site: Site::parse(site).ok_or(NotAKey)?, id: id.parse().map_err(|_| NotAKey)? };
        canonical(key, read)
    }
}

/// Each key is written in one way; another spelling of the same is none of ours.
fn canonical<K: fmt::Display>(key: &str, read: K) -> Result<K, NotAKey> {
    if read.to_string() == key { Ok(read) } else { Err(NotAKey) }
}

/// What stands for no lsid.
const NO_LSID: &str = "_";

fn decode_lsid(text: &str) -> Result<Option<Lsid>, NotAKey> {
    if text == NO_LSID {
        return Ok(None);
    }
    let mut parts = text.split('_');
    let mut lsid = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (hex, kept) = part.split_at_checked(2).ok_or(NotAKey)?;
        lsid.push(u8::from_str_radix(hex, 16).map_err(|_| NotAKey)?.into());
        lsid.push_str(kept);
    }
    Lsid::parse(&lsid).map(Some).map_err(|_| NotAKey)
}

/// The guide's seven have short names; an unrecognised one is this and its own.
const UNRECOGNISED: &str = "x-";

fn read_event(text: &str) -> Result<EventName, NotAKey> {
    match text.strip_prefix(UNRECOGNISED) {
        Some(name) => EventName::parse(name).map_err(|_| NotAKey),
        None => EventName::GUIDE.into_iter().find(|known| short(known) == Some(text)).ok_or(NotAKey),
    }
}

fn short(event: &EventName) -> Option<&'static str> {
    Some(match event {
        EventName::Begin => "begin",
        EventName::End => "end",
        EventName::OwnerChanged => "owner",
        EventName::MemberAdded => "added",
        EventName::MemberDeparted => "departed",
        EventName::CustomerExitSurveyCompleted => "customer-survey",
        EventName::RepExitSurveyCompleted => "rep-survey",
        EventName::Unrecognised(_) => return None,
    })
}
