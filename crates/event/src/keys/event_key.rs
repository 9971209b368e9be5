//! An event's key, and one function that splits it: [`KeyParts::split`].

use std::fmt;
use std::str::FromStr;

use super::spelling::{NO_LSID, NotAKey, UNRECOGNISED, canonical, decode_lsid, lsid, read_event, short, timestamp};
use crate::event::{EventName, Lsid, Timestamp};
use crate::identity::{Id, Site};

/// The key of an event's record. It holds everything that identifies the event, so that a repeat has the same key.
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

impl EventKey {
    /// The key as a store has it, as `to_string` gives it, but in one allocation.
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
        let parts = KeyParts::split(key).ok_or(NotAKey)?;
        let read = Self {
            site: Site::parse(parts.site).ok_or(NotAKey)?,
            timestamp: parts.time().ok_or(NotAKey)?,
            lsid: decode_lsid(parts.lsid)?,
            event: parts.event().ok_or(NotAKey)?,
            id: parts.id.parse().map_err(|_| NotAKey)?,
        };
        // The guide's seven and reports always have an lsid.
        if read.lsid.is_none() && !matches!(read.event, EventName::Unrecognised(_)) {
            return Err(NotAKey);
        }
        canonical(key, read)
    }
}

/// An event's key, split without copying, for going through many keys. Its lsid and event are unchecked, unlike those of
/// an [`EventKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyParts<'k> {
    /// When the event originated: 12 digits of Unix seconds, which sort as the times do.
    pub timestamp: &'k str,
    /// The whole key.
    pub key: &'k str,
    /// The site.
    pub site: &'k str,
    /// The lsid as keys spell it.
    pub lsid: &'k str,
    /// The event's id.
    pub id: &'k str,
    event: &'k str,
}

impl<'k> KeyParts<'k> {
    /// Splits a key, if it has the parts of an event's: a valid site, time and id, and something in between.
    // Not inlined into the rest of the component, which is compiled for size: listing a store calls it for each key.
    #[inline(never)]
    pub fn split(key: &'k str) -> Option<Self> {
        let (site, rest) = part(key.strip_prefix("event.")?)?;
        let (timestamp, rest) = rest.split_at_checked(12)?;
        let (between, id) = rest.split_at_checked(rest.len().checked_sub(32)?)?;
        let (lsid, event) = part(between.strip_prefix('.')?.strip_suffix('.')?)?;
        let digits = timestamp.bytes().all(|b| b.is_ascii_digit()) && timestamp <= LAST_TIME;
        let hex = id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let whole = digits && hex && !lsid.is_empty() && !event.bytes().any(|b| b == b'.') && Site::is_valid(site);
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

    /// The event's name, if it is valid.
    pub fn event(&self) -> Option<EventName> {
        read_event(self.event).ok()
    }

    /// Whether the key names that event.
    pub fn is_named(&self, event: &EventName) -> bool {
        match short(event) {
            Some(short) => self.event == short,
            None => self.event.strip_prefix(UNRECOGNISED) == Some(event.as_str()),
        }
    }
}

/// The text before a key's next dot, and the text after it. `split_once` is made for long texts and slower.
fn part(key: &str) -> Option<(&str, &str)> {
    let dot = key.bytes().position(|b| b == b'.')?;
    Some((key.get(..dot)?, key.get(dot + 1..)?))
}

/// [`Timestamp::MAX`] as keys spell it.
const LAST_TIME: &str = "253402300799";

/// Finds the keys of one session's events among many: by their beginning, and by the text after their time.
pub struct SessionKeys {
    site: String,
    lsid: String,
}

impl SessionKeys {
    /// For one session of a site.
    pub fn new(site: &Site, session: &Lsid) -> Self {
        Self { site: format!("event.{}.", site.as_str()), lsid: format!("{}.", lsid(session)) }
    }

    /// Whether a key belongs to an event of the session.
    pub fn matches(&self, key: &str) -> bool {
        // Twelve digits and a dot.
        let after_time = key.strip_prefix(&self.site).and_then(|rest| rest.get(13..));
        after_time.is_some_and(|rest| rest.starts_with(&self.lsid))
    }
}
