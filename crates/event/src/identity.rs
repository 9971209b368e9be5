//! The names of sites and destinations, and the hash by which a repeated event is recognised.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::event::Lsid;

/// The appliance that sent an event: `[A-Za-z0-9-]{1,32}`, the last part of `/events/{site}`.
///
/// Session ids are unique only within one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site(String);

impl Site {
    /// Parses a site's name. `None` if it breaks the rule.
    pub fn parse(text: &str) -> Option<Self> {
        Self::is_valid(text).then(|| Self(text.to_owned()))
    }

    pub(crate) fn is_valid(text: &str) -> bool {
        (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Site {
    /// `default`: the site of a path that names none.
    fn default() -> Self {
        Self("default".to_owned())
    }
}

/// An administrator's name for a destination: `[a-z0-9-]{1,32}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct DestinationName(String);

impl DestinationName {
    /// Parses a destination's name. `None` if it breaks the rule.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        ((1..=32).contains(&text.len()) && text.bytes().all(allowed)).then(|| Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DestinationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An id made of what it identifies: the first 128 bits of a SHA-256, written as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id([u8; 16]);

impl Id {
    /// The id of an event: over `v1`, the site, then the name and value of each of the event's variables, sorted by the
    /// bytes of the name and then of the value, without repeats. Each part follows its length in bytes, as 32 bits,
    /// big-endian.
    ///
    /// `form` is what [`crate::record::EventData::form`] gives: one spelling of `lsid`, no empty `external_key`, no
    /// leading zeros in `timestamp`. So a repeat has the same id on any machine, at any time, whatever the order of its
    /// variables and of their values. The price: two customers of one name who join one session in the same second are
    /// one event.
    pub fn of_event(site: &Site, form: &[(&str, Cow<'_, str>)]) -> Self {
        // Only the values of a variable with several can be out of order.
        if form.is_sorted_by(|variable, next| variable < next) {
            return Self::of_variables(site, form.iter().map(|(name, value)| (*name, &**value)));
        }
        // By insertion: there are at most 256, and a sort of its own would cost the component its code.
        let mut sorted: Vec<(&str, &str)> = Vec::with_capacity(form.len());
        for (name, value) in form {
            if let Err(place) = sorted.binary_search(&(*name, &**value)) {
                sorted.insert(place, (*name, &**value));
            }
        }
        Self::of_variables(site, sorted.into_iter())
    }

    fn of_variables<'v>(site: &Site, sorted: impl Iterator<Item = (&'v str, &'v str)>) -> Self {
        let variables = sorted.flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        Self::of_parts([b"v1", site.as_str().as_bytes()].into_iter().chain(variables))
    }

    /// The id of a session's report: over `v1`, the site, the lsid, `report`, the external key and the report as JSON
    /// without its links, each with its length before it. The appliance makes new links for each answer, and a report
    /// that is otherwise the same must have the same id.
    pub fn of_report(site: &Site, lsid: &Lsid, external_key: Option<&str>, without_links: &[u8]) -> Self {
        let texts = [site.as_str(), lsid.as_str(), "report", external_key.unwrap_or_default()].map(str::as_bytes);
        Self::of_parts([b"v1".as_slice()].into_iter().chain(texts).chain([without_links]))
    }

    /// The id of a body that did not validate: over `v1`, the site and the body, each with its length before it.
    pub fn of_body(site: &Site, body: &[u8]) -> Self {
        Self::of_parts([b"v1", site.as_str().as_bytes(), body])
    }

    /// The id of a value that is named by its content: over `v1` and its bytes, each with its length before it.
    pub fn of_value(value: &[u8]) -> Self {
        Self::of_parts([b"v1".as_slice(), value])
    }

    /// The id of a session: over `v1`, the site and the lsid, each with its length before it. An index holds it, since
    /// an lsid takes more room.
    pub fn of_session(site: &Site, lsid: &Lsid) -> Self {
        Self::of_parts([b"v1".as_slice(), site.as_str().as_bytes(), lsid.as_str().as_bytes()])
    }

    /// Its 128 bits.
    pub fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// An id from its 128 bits.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its first 64 bits: enough to tell apart the events of one session, or of one pack.
    pub fn short(self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// Its 32 digits, as `to_string` gives them, but faster.
    pub fn text(self) -> String {
        // Digit by digit: each event writes its id three times, and formatting numbers costs several times as much.
        let digit = |half: u8| if half < 10 { b'0' + half } else { b'a' - 10 + half };
        let digits = self.0.map(|byte| [digit(byte >> 4), digit(byte & 15)]);
        str::from_utf8(digits.as_flattened()).unwrap_or_default().to_owned()
    }

    fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        // Joined first: hashing small pieces one by one takes twice as long.
        let mut hashed = Vec::with_capacity(1024);
        for part in parts {
            // No part comes near 4 GiB: bodies end at 256 KiB.
            hashed.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            hashed.extend_from_slice(part);
        }
        let mut id = [0; 16];
        id.iter_mut().zip(Sha256::digest(hashed)).for_each(|(to, from)| *to = from);
        Self(id)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl FromStr for Id {
    type Err = &'static str;

    /// Parses 32 hexadecimal digits in lower case, the only spelling of an id.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str = "is not 32 hexadecimal digits in lower case";
        let lower_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 32 || !text.bytes().all(lower_hex) {
            return Err(RULE);
        }
        u128::from_str_radix(text, 16).map(|bits| Self(bits.to_be_bytes())).map_err(|_| RULE)
    }
}
