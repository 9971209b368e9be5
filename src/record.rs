//! Event -> the record that is stored: a CloudEvents 1.0 JSON event (structured mode), and its id.
//!
//! A record is written once and never changed. What did not validate is kept too, as a [`SetAside`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::event::{Conference, Event, Kind, Member};
use crate::keys::{EventKey, SetAsideKey};
use crate::parse::{self, Problem, Problems};

/// The most bytes that a stored value may have: below the 400 KB of DynamoDB and Cosmos DB.
pub const MAX_RECORD_BYTES: usize = 400_000;

/// The most problems that a [`SetAside`] lists, so that it stays within [`MAX_RECORD_BYTES`] whatever it holds.
const MAX_KEPT_PROBLEMS: usize = 64;

/// The appliance that sent an event: `[A-Za-z0-9-]{1,32}`, the last part of `/events/{site}`.
///
/// Session ids are unique only within one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site(String);

impl Site {
    /// Reads a site's name, or `None` if it does not keep the rule.
    pub fn parse(text: &str) -> Option<Self> {
        Self::is_one(text).then(|| Self(text.to_owned()))
    }

    /// Whether a text keeps the rule.
    pub(crate) fn is_one(text: &str) -> bool {
        (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Site {
    /// `default`: the site of a POST whose path names none.
    fn default() -> Self {
        Self("default".to_owned())
    }
}

/// What makes a repeat a repeat: the first 128 bits of a SHA-256, as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id([u8; 16]);

impl Id {
    /// The id of an event: over `v1`, the site, then the name and value of each of the event's variables in the order of
    /// their names' bytes. Before each of these stands its length in bytes, as 32 bits, big-endian.
    ///
    /// The variables are those of [`Data::form`]: every spelling of `lsid` is one, repeats are one, an empty
    /// `external_key` is none, `timestamp` has no leading zeros. So a repeat has the same id on any machine, at any time.
    /// The price: two customers of one name who join one session in the same second are one event.
    pub fn of_event(site: &Site, data: &Data) -> Self {
        let form = data.form();
        let variables = form.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        Self::over([b"v1", site.as_str().as_bytes()].into_iter().chain(variables))
    }

    /// The id of a body that did not validate: over `v1`, the site and the body, each with its length before it.
    pub fn of_body(site: &Site, body: &[u8]) -> Self {
        Self::over([b"v1", site.as_str().as_bytes(), body])
    }

    fn over<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            // Nothing that is hashed comes near 4 GiB: bodies end at 256 KiB.
            hash.update(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            hash.update(part);
        }
        let mut id = [0; 16];
        id.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
        Self(id)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl FromStr for Id {
    type Err = &'static str;

    /// Reads 32 hexadecimal digits in lower case: the one way an id is written.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str = "is not 32 hexadecimal digits in lower case";
        let lower_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 32 || !text.bytes().all(lower_hex) {
            return Err(RULE);
        }
        u128::from_str_radix(text, 16).map(|bits| Self(bits.to_be_bytes())).map_err(|_| RULE)
    }
}

/// A stored event. The attributes are those of CloudEvents 1.0; `recordedtime` is an extension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// `1.0`
    pub specversion: Cow<'static, str>,
    /// The event's [`Id`].
    pub id: String,
    /// `/beyondtrust/<site>`
    pub source: String,
    /// `com.beyondtrust.<event>`
    #[serde(rename = "type")]
    pub event_type: String,
    /// The lsid, if the event has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When the event originated: RFC 3339 in UTC, in seconds.
    pub time: String,
    /// When it was first accepted: RFC 3339 in UTC, in milliseconds.
    pub recordedtime: String,
    /// `application/json`
    pub datacontenttype: Cow<'static, str>,
    /// The event's variables.
    pub data: Data,
}

impl Record {
    /// The record of `event` from `site`, accepted at `now`, and the key to keep it under.
    pub fn new(event: Event, site: Site, now: DateTime<Utc>) -> (EventKey, Self) {
        let name = event.kind.name();
        let (timestamp, lsid) = (event.timestamp, event.lsid.clone());
        let data = Data::from(event);
        let id = Id::of_event(&site, &data);
        let record = Self {
            specversion: "1.0".into(),
            id: id.to_string(),
            source: format!("/beyondtrust/{}", site.as_str()),
            event_type: format!("com.beyondtrust.{}", name.as_str()),
            subject: data.lsid.clone(),
            time: timestamp.rfc3339(),
            recordedtime: milliseconds(now),
            datacontenttype: "application/json".into(),
            data,
        };
        (EventKey { site, timestamp, lsid, event: name, id }, record)
    }

    /// The bytes to store.
    pub fn to_json(&self) -> Result<Vec<u8>, Problems> {
        to_json(self)
    }
}

/// The variables of an event as a record holds them. Read back, it is text from a store and no [`Event`] until
/// [`Data::event`] has checked it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data {
    /// The event's name.
    pub event: String,
    /// The appliance's schema version.
    pub version: String,
    /// Unix seconds.
    pub timestamp: u64,
    /// The session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lsid: Option<String>,
    /// The session's external key, if one is assigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_key: Option<String>,
    /// The new owner, of `support_conference_owner_changed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conference: Option<Conference>,
    /// Who joined or left, of `support_conference_member_added` and `…_departed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<Member>,
    /// Every other variable.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
}

impl Data {
    /// The variables as a form sends them: what [`parse::parse`] made an event of.
    pub fn form(&self) -> BTreeMap<String, String> {
        let mut form = self.variables.clone();
        let mut add = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                form.insert(name.to_owned(), value.to_owned());
            }
        };
        add("event", Some(&self.event));
        add("version", Some(&self.version));
        add("timestamp", Some(&self.timestamp.to_string()));
        add("lsid", self.lsid.as_deref());
        add("external_key", self.external_key.as_deref());
        if let Some(conference) = &self.conference {
            add("conference_id", Some(&format!("{}:{}", conference.kind, conference.id)));
            add("conference_name", Some(&conference.name));
        }
        if let Some(member) = &self.member {
            add("type", Some(member.role.as_str()));
            add("name", Some(&member.name));
            add("user_id", member.user_id.as_deref());
            add("username", member.username.as_deref());
        }
        form
    }

    /// The event again, checked by today's rules.
    pub fn event(&self) -> Result<Event, Problems> {
        parse::check(self.form())
    }
}

impl From<Event> for Data {
    fn from(event: Event) -> Self {
        let name = event.kind.name();
        let (conference, member) = match event.kind {
            Kind::OwnerChanged(conference) => (Some(conference), None),
            Kind::MemberAdded(member) | Kind::MemberDeparted(member) => (None, Some(member)),
            _ => (None, None),
        };
        Self {
            event: name.as_str().to_owned(),
            version: event.version.as_str().to_owned(),
            timestamp: event.timestamp.seconds(),
            lsid: event.lsid.map(|lsid| lsid.as_str().to_owned()),
            external_key: event.external_key,
            conference,
            member,
            variables: event.variables,
        }
    }
}

/// A body that a trusted sender sent and that is no valid event, kept as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAside {
    /// The body's [`Id`].
    pub id: String,
    /// The site that it was sent to.
    pub site: String,
    /// When it was first accepted: RFC 3339 in UTC, in milliseconds.
    pub firstseen: String,
    /// The request's `Content-Type`, cut to 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// What is wrong with it, by the rules of that time.
    pub problems: Vec<Problem>,
    /// The body, in one of two ways.
    #[serde(flatten)]
    pub body: Body,
}

/// A body as JSON can hold it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// As text, where it is UTF-8 and does not grow much by being escaped.
    #[serde(rename = "body")]
    Text(String),
    /// In base64 otherwise.
    #[serde(rename = "body_base64")]
    Base64(String),
}

impl SetAside {
    /// What is kept of `body`, and the key to keep it under. `body` has at most 262,144 bytes.
    pub fn new(
        site: Site,
        body: &[u8],
        content_type: Option<&[u8]>,
        problems: &Problems,
        now: DateTime<Utc>,
    ) -> (SetAsideKey, Self) {
        let id = Id::of_body(&site, body);
        let set_aside = Self {
            id: id.to_string(),
            site: site.as_str().to_owned(),
            firstseen: milliseconds(now),
            content_type: content_type.map(|value| String::from_utf8_lossy(value).chars().take(256).collect()),
            problems: first_problems(problems),
            body: Body::new(body),
        };
        (SetAsideKey { site, id }, set_aside)
    }

    /// The bytes to store: within [`MAX_RECORD_BYTES`], by what [`SetAside::new`] leaves out.
    pub fn to_json(&self) -> Result<Vec<u8>, Problems> {
        to_json(self)
    }
}

impl Body {
    fn new(body: &[u8]) -> Self {
        // A control character takes six bytes in JSON; base64 takes four for three, whatever it holds.
        let grows = body.iter().filter(|byte| byte.is_ascii_control() || matches!(byte, b'"' | b'\\')).count()
            > body.len() / 16;
        match std::str::from_utf8(body) {
            Ok(text) if !grows => Self::Text(text.to_owned()),
            _ => Self::Base64(STANDARD.encode(body)),
        }
    }

    /// The body as it came. An error if a store gave back text that is not base64.
    pub fn bytes(&self) -> Result<Cow<'_, [u8]>, base64::DecodeError> {
        match self {
            Self::Text(text) => Ok(text.as_bytes().into()),
            Self::Base64(text) => STANDARD.decode(text).map(Cow::Owned),
        }
    }
}

/// What is too large to store is a problem of the body, found before a store is asked to take it.
fn to_json(value: &impl Serialize) -> Result<Vec<u8>, Problems> {
    let json = serde_json::to_vec(value).map_err(|error| Problem::of_body(error.to_string()))?;
    if json.len() > MAX_RECORD_BYTES {
        let reason = format!("would be stored as {} bytes; the most is {MAX_RECORD_BYTES}", json.len());
        return Err(Problem::of_body(reason).into());
    }
    Ok(json)
}

fn first_problems(problems: &Problems) -> Vec<Problem> {
    let all = problems.list();
    let mut kept: Vec<_> = all.iter().take(MAX_KEPT_PROBLEMS).cloned().collect();
    if let Some(more) = all.len().checked_sub(MAX_KEPT_PROBLEMS).filter(|more| *more > 0) {
        kept.push(Problem::of_body(format!("has {more} more problems")));
    }
    kept
}

fn milliseconds(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
