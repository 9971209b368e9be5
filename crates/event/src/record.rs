//! Event -> the record that is stored: a CloudEvents 1.0 JSON event (structured mode), and its id.
//!
//! A record is written once and never changed. What did not validate is kept too, as a [`SetAside`].

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::event::{Conference, Event, EventName, Kind, Lsid, Member, Timestamp};
use crate::identity::{Id, Site};
use crate::keys::{EventKey, SetAsideKey};
use crate::parse::{self, Problem, Problems};

/// The most bytes that a stored value may have: below the 400 KB of DynamoDB and Cosmos DB.
pub const MAX_RECORD_BYTES: usize = 400_000;

/// The most problems that a [`SetAside`] lists, so that it stays within [`MAX_RECORD_BYTES`] whatever it holds.
const MAX_KEPT_PROBLEMS: usize = 64;

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
    /// When it was first accepted: RFC 3339 in UTC, in microseconds, so that it tells what was delivered after what.
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
        let id = Id::of_event(&site, &data.form());
        let record = Self {
            specversion: "1.0".into(),
            id: id.text(),
            source: [SOURCE, site.as_str()].concat(),
            event_type: ["com.beyondtrust.", name.as_str()].concat(),
            subject: data.lsid.clone(),
            time: timestamp.rfc3339(),
            recordedtime: stamp(now).to_rfc3339_opts(SecondsFormat::Micros, true),
            datacontenttype: "application/json".into(),
            data,
        };
        (EventKey { site, timestamp, lsid, event: name, id }, record)
    }

    /// From a form, as [`parse::parse`] takes it, to the key and the bytes to store.
    // A function of its own in the component too: taken into one that is compiled to be small, it would be slow.
    #[inline(never)]
    pub fn of_form(form: &[u8], site: &Site, now: DateTime<Utc>) -> Result<(EventKey, Vec<u8>), Problems> {
        let (key, record) = Self::new(parse::parse(form)?, site.clone(), now);
        Ok((key, record.to_json()?))
    }

    /// The bytes to store.
    pub fn to_json(&self) -> Result<Vec<u8>, Problems> {
        to_json(self)
    }

    /// Reads a stored value: the record, and its event checked by today's rules. The error says why it is none.
    pub fn read(value: &[u8]) -> Result<(Self, Event), String> {
        let record: Self =
            text(value).and_then(|text| serde_json::from_str(text).map_err(|error| error.to_string()))?;
        let event = record.data.event().map_err(|problems| problems.to_string())?;
        Ok((record, event))
    }
}

/// JSON is UTF-8 throughout, and a value is handed on as it is: also where nothing looks at it when it is read.
fn text(value: &[u8]) -> Result<&str, String> {
    str::from_utf8(value).map_err(|error| error.to_string())
}

/// What a record says of itself, read from its JSON without the rest: enough to know its key and when it was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Outline<'j> {
    #[serde(borrow)]
    id: Cow<'j, str>,
    #[serde(borrow)]
    source: Cow<'j, str>,
    #[serde(borrow)]
    recordedtime: Cow<'j, str>,
    #[serde(borrow)]
    data: OutlineData<'j>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct OutlineData<'j> {
    #[serde(borrow)]
    event: Cow<'j, str>,
    timestamp: u64,
    #[serde(borrow, default)]
    lsid: Option<Cow<'j, str>>,
}

impl<'j> Outline<'j> {
    /// Reads it. The error says why it is no record's.
    pub fn read(value: &'j [u8]) -> Result<Self, String> {
        text(value).and_then(|text| serde_json::from_str(text).map_err(|error| error.to_string()))
    }

    /// The key that the record says it is under, or why it says none.
    pub fn key(&self) -> Result<EventKey, &'static str> {
        let site = self.source.strip_prefix(SOURCE).and_then(Site::parse).ok_or("its source names no site")?;
        let timestamp = Timestamp::from_seconds(self.data.timestamp).ok_or("its timestamp is after the year 9999")?;
        let lsid = self.data.lsid.as_deref().map(Lsid::parse).transpose()?;
        Ok(EventKey { site, timestamp, lsid, event: EventName::parse(&self.data.event)?, id: self.id.parse()? })
    }

    /// When it was recorded, in Unix microseconds: of one appliance's events, which are delivered one by one, it tells the order.
    pub fn delivered(&self) -> Result<u64, &'static str> {
        let time = DateTime::parse_from_rfc3339(&self.recordedtime).map_err(|_| "its recordedtime is no time")?;
        u64::try_from(time.timestamp_micros()).map_err(|_| "its recordedtime is before 1970")
    }
}

/// What a record's `source` begins with; the site follows.
const SOURCE: &str = "/beyondtrust/";

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
    /// The variables as a form sends them, in the order of their names' bytes: what [`parse::parse`] made an event of.
    pub fn form(&self) -> Vec<(&str, Cow<'_, str>)> {
        let mut form: Vec<(&str, Cow<'_, str>)> = Vec::with_capacity(self.variables.len() + 10);
        let member = self.member.as_ref();
        // In their order, so that there is little to sort.
        if let Some(conference) = &self.conference {
            let id = [conference.kind.as_str(), ":", &conference.id].concat();
            form.extend([("conference_id", id.into()), ("conference_name", conference.name.as_str().into())]);
        }
        form.push(("event", self.event.as_str().into()));
        form.extend(optional("external_key", &self.external_key));
        form.extend(optional("lsid", &self.lsid));
        form.extend(member.map(|member| ("name", member.name.as_str().into())));
        form.push(("timestamp", self.timestamp.to_string().into()));
        if let Some(member) = member {
            form.push(("type", member.role.as_str().into()));
            form.extend(optional("user_id", &member.user_id));
            form.extend(optional("username", &member.username));
        }
        form.push(("version", self.version.as_str().into()));
        form.extend(self.variables.iter().map(|(name, value)| (name.as_str(), value.into())));
        form.sort_unstable_by_key(|(name, _)| *name);
        form
    }

    /// The event again, checked by today's rules.
    pub fn event(&self) -> Result<Event, Problems> {
        parse::check(self.form().into_iter().map(|(name, value)| (name.to_owned(), value.into_owned())))
    }
}

fn optional<'d>(name: &'static str, value: &'d Option<String>) -> Option<(&'static str, Cow<'d, str>)> {
    value.as_deref().map(|value| (name, value.into()))
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
            version: event.version.into(),
            timestamp: event.timestamp.seconds(),
            lsid: event.lsid.map(String::from),
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
    // As long as most are: grown from nothing it would be copied four times.
    let mut json = Vec::with_capacity(1024);
    serde_json::to_writer(&mut json, value).map_err(|error| Problem::of_body(error.to_string()))?;
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
    stamp(time).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A time that can be read back. A clock may read anything, and RFC 3339 has the years 0 to 9999, a record those from 1970 on.
fn stamp(now: DateTime<Utc>) -> DateTime<Utc> {
    const LAST: i64 = 253_402_300_799;
    match now.timestamp() {
        0..=LAST => now,
        ..0 => DateTime::UNIX_EPOCH,
        _ => DateTime::from_timestamp(LAST, 0).unwrap_or(DateTime::UNIX_EPOCH),
    }
}
