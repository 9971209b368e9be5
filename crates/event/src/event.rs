//! The typed model of an outbound event: seven kinds and their variables (guide, "HTTP recipients").
//!
//! Knows nothing of HTTP, forms or storage. The small types can only be made from text that keeps their rule;
//! a whole [`Event`] is made by [`crate::parse`] alone.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// A checked event, as an appliance announced it.
///
/// Text is kept byte for byte as it was sent: nothing is trimmed and no case is folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub(crate) version: Version,
    pub(crate) timestamp: Timestamp,
    pub(crate) lsid: Option<Lsid>,
    pub(crate) external_key: Option<String>,
    pub(crate) kind: Kind,
    pub(crate) variables: BTreeMap<String, String>,
}

impl Event {
    /// The appliance's schema version.
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// When the event originated on the appliance, which may be long before it was delivered.
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// The session that the event belongs to. Always there for the seven kinds.
    pub fn lsid(&self) -> Option<&Lsid> {
        self.lsid.as_ref()
    }

    /// The session's external key; `None` when none is assigned. It may hold anything: users put JSON in it.
    pub fn external_key(&self) -> Option<&str> {
        self.external_key.as_deref()
    }

    /// What happened, with the variables of that kind of event.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Every variable that has no place above, such as custom fields.
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }
}

/// What happened: the guide's seven events, or one that the vendor added since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A support session has started.
    Begin,
    /// A support session has ended.
    End,
    /// The session went to a representative or a team.
    OwnerChanged(Conference),
    /// Someone joined the session.
    MemberAdded(Member),
    /// Someone left the session.
    MemberDeparted(Member),
    /// The customer has submitted the exit survey.
    CustomerExitSurveyCompleted,
    /// The primary representative has submitted the survey.
    RepExitSurveyCompleted,
    /// An event that the guide does not know: kept with all its variables.
    Unrecognised(UnrecognisedName),
}

impl Kind {
    /// The name that the event was sent under.
    pub fn name(&self) -> EventName {
        match self {
            Self::Begin => EventName::Begin,
            Self::End => EventName::End,
            Self::OwnerChanged(_) => EventName::OwnerChanged,
            Self::MemberAdded(_) => EventName::MemberAdded,
            Self::MemberDeparted(_) => EventName::MemberDeparted,
            Self::CustomerExitSurveyCompleted => EventName::CustomerExitSurveyCompleted,
            Self::RepExitSurveyCompleted => EventName::RepExitSurveyCompleted,
            Self::Unrecognised(name) => EventName::Unrecognised(name.clone()),
        }
    }
}

/// The value of the variable `event`: `[a-z0-9_]{1,64}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventName {
    /// `support_conference_begin`
    Begin,
    /// `support_conference_end`
    End,
    /// `support_conference_owner_changed`
    OwnerChanged,
    /// `support_conference_member_added`
    MemberAdded,
    /// `support_conference_member_departed`
    MemberDeparted,
    /// `support_conference_customer_exit_survey_completed`
    CustomerExitSurveyCompleted,
    /// `support_conference_rep_exit_survey_completed`
    RepExitSurveyCompleted,
    /// Any other name that keeps the rule.
    Unrecognised(UnrecognisedName),
}

impl EventName {
    /// The guide's seven, in the guide's order.
    pub const GUIDE: [Self; 7] = [
        Self::Begin,
        Self::End,
        Self::OwnerChanged,
        Self::MemberAdded,
        Self::MemberDeparted,
        Self::CustomerExitSurveyCompleted,
        Self::RepExitSurveyCompleted,
    ];

    /// Reads the value of `event`; a name outside the guide is [`EventName::Unrecognised`], not an error.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(known) = Self::GUIDE.into_iter().find(|name| name.as_str() == text) {
            return Ok(known);
        }
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if !(1..=64).contains(&text.len()) || !text.bytes().all(allowed) {
            return Err("is not 1 to 64 characters of a-z, 0-9 and _");
        }
        Ok(Self::Unrecognised(UnrecognisedName(text.to_owned())))
    }

    /// What the guide, and the appliance's settings page, call the event: `Support Session Start`.
    pub fn title(&self) -> &str {
        match self {
            Self::Begin => "Support Session Start",
            Self::End => "Support Session End",
            Self::OwnerChanged => "Support Session Ownership Changes",
            Self::MemberAdded => "Someone Joins a Support Session",
            Self::MemberDeparted => "Someone Leaves a Support Session",
            Self::CustomerExitSurveyCompleted => "Customer Exit Survey is Completed",
            Self::RepExitSurveyCompleted => "Representative Survey is Completed",
            Self::Unrecognised(name) => name.as_str(),
        }
    }

    /// The name as it stands in the form.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Begin => "support_conference_begin",
            Self::End => "support_conference_end",
            Self::OwnerChanged => "support_conference_owner_changed",
            Self::MemberAdded => "support_conference_member_added",
            Self::MemberDeparted => "support_conference_member_departed",
            Self::CustomerExitSurveyCompleted => "support_conference_customer_exit_survey_completed",
            Self::RepExitSurveyCompleted => "support_conference_rep_exit_survey_completed",
            Self::Unrecognised(name) => name.as_str(),
        }
    }
}

/// A name outside the guide's seven, made by [`EventName::parse`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnrecognisedName(String);

impl UnrecognisedName {
    /// The name as it stands in the form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The session's new owner: `conference_id` and `conference_name`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conference {
    /// What owns the session: `rep` and `team` in the guide's examples, others are kept.
    pub kind: String,
    /// Which one. Text, though the guide's examples look like numbers.
    pub id: String,
    /// The name of the representative or team.
    pub name: String,
}

impl Conference {
    /// Splits `conference_id` (`rep:12`, `team:5`) at its first colon.
    pub(crate) fn split_id(text: &str) -> Result<(String, String), &'static str> {
        match text.split_once(':') {
            Some((kind, id)) if !kind.is_empty() && !id.is_empty() => Ok((kind.to_owned(), id.to_owned())),
            _ => Err("is not kind:id, such as rep:12 or team:5"),
        }
    }
}

/// Who joined or left: `type`, `name` and, for representatives, `user_id` and `username`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Customer or representative.
    #[serde(rename = "type")]
    pub role: Role,
    /// The display name, which may be empty.
    pub name: String,
    /// The representative's id. Kept whoever has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The representative's username. Kept whoever has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

/// The value of the variable `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// `customer`
    Customer,
    /// `representative`
    Representative,
}

impl Role {
    /// Reads the value of `type`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "customer" => Ok(Self::Customer),
            "representative" => Ok(Self::Representative),
            _ => Err("is neither customer nor representative"),
        }
    }

    /// The role as it stands in the form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Representative => "representative",
        }
    }
}

/// The appliance's schema version: 1 to 32 visible characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(String);

impl Version {
    /// Reads the value of `version`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let visible = |c: char| !c.is_control() && !c.is_whitespace();
        if !(1..=32).contains(&text.chars().count()) || !text.chars().all(visible) {
            return Err("is not 1 to 32 visible characters");
        }
        Ok(Self(text.to_owned()))
    }

    /// The version as it stands in the form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.0
    }
}

/// Seconds since 1970 in UTC, up to the end of the year 9999: what both RFC 3339 and twelve digits can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    /// 9999-12-31T23:59:59Z.
    pub const MAX: u64 = 253_402_300_799;

    /// A time from Unix seconds, or `None` beyond [`Timestamp::MAX`].
    pub fn from_seconds(seconds: u64) -> Option<Self> {
        let seconds = i64::try_from(seconds).ok().filter(|_| seconds <= Self::MAX)?;
        DateTime::from_timestamp(seconds, 0).map(Self)
    }

    /// Reads the value of `timestamp`: decimal digits and nothing else.
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
    /// Reads the value of `lsid`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if !(1..=64).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("is not 1 to 64 visible ASCII characters");
        }
        // Three bytes for each that a key cannot hold as it is.
        let encoded: usize = text.bytes().map(|b| if Self::keeps(b) { 1 } else { 3 }).sum();
        if encoded > 100 {
            return Err("has too many characters other than A-Z, a-z, 0-9 and -");
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether a storage key holds this byte of an lsid as it is.
    pub(crate) fn keeps(byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || byte == b'-'
    }

    /// The id as it stands in the form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Lsid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
