//! The values that are text or a number under a rule: version, timestamp and lsid.

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// The appliance's schema version: 1 to 32 visible characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(String);

impl Version {
    /// Parses the value of `version`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let visible = |c: char| !c.is_control() && !c.is_whitespace();
        if !(1..=32).contains(&text.chars().count()) || !text.chars().all(visible) {
            return Err("is not 1 to 32 visible characters");
        }
        Ok(Self(text.to_owned()))
    }

    /// The version of reports: appliances give them none.
    pub(crate) fn of_reports() -> Self {
        Self("1".to_owned())
    }

    /// The version as the form has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.0
    }
}

/// Seconds since 1970 in UTC, up to the end of the year 9999, which RFC 3339 and twelve digits can both hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Timestamp(DateTime<Utc>);

impl TryFrom<u64> for Timestamp {
    type Error = &'static str;

    fn try_from(seconds: u64) -> Result<Self, Self::Error> {
        Self::from_seconds(seconds).ok_or("a time after the year 9999")
    }
}

impl From<Timestamp> for u64 {
    fn from(time: Timestamp) -> Self {
        time.seconds()
    }
}

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(DateTime::UNIX_EPOCH);

    /// 9999-12-31T23:59:59Z.
    pub const MAX: u64 = 253_402_300_799;

    /// A time from Unix seconds, or `None` beyond [`Timestamp::MAX`].
    pub fn from_seconds(seconds: u64) -> Option<Self> {
        let seconds = i64::try_from(seconds).ok().filter(|_| seconds <= Self::MAX)?;
        DateTime::from_timestamp(seconds, 0).map(Self)
    }

    /// Parses the value of `timestamp`: decimal digits and nothing else.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let seconds = if digits { text.parse().ok() } else { None };
        seconds.and_then(Self::from_seconds).ok_or("is not decimal Unix seconds from 0 to 253402300799")
    }

    /// Unix seconds.
    pub fn seconds(self) -> u64 {
        self.0.timestamp().unsigned_abs()
    }

    /// RFC 3339 in UTC, such as `2023-11-14T22:13:20Z`.
    pub fn rfc3339(self) -> String {
        self.0.to_rfc3339_opts(SecondsFormat::Secs, true)
    }
}

/// The logging session id. Text, never a number (guide: "Must be treated as a string").
///
/// 1 to 64 visible ASCII characters, and at most 100 bytes as [`crate::keys`] writes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Lsid(String);

impl TryFrom<String> for Lsid {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Lsid> for String {
    fn from(lsid: Lsid) -> Self {
        lsid.0
    }
}

impl Lsid {
    /// Parses the value of `lsid`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if !(1..=64).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("is not 1 to 64 visible ASCII characters");
        }
        // A key spells any other byte with three characters.
        let encoded: usize = text.bytes().map(|b| if Self::is_plain_in_keys(b) { 1 } else { 3 }).sum();
        if encoded > 100 {
            return Err("has too many characters other than A-Z, a-z, 0-9 and -");
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether storage keys hold this byte of an lsid unchanged.
    pub(crate) fn is_plain_in_keys(byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || byte == b'-'
    }

    /// The id as the form has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Lsid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
