//! Event -> the record that is stored: a CloudEvents 1.0 JSON event (structured mode), and its id.
//!
//! The appliance's report of a session is a record like those of its events ([`OutboundEvent::of_report`]).
//!
//! A record is written once and never changed. A body that did not validate is kept as a
//! [`crate::set_aside::SetAside`].

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::event::{
    Conference, EventKind, EventName, Lsid, Member, OutboundEvent, ReportJson, StoredReport, Timestamp, Variables,
    Version,
};
use crate::identity::{Id, Site};
use crate::keys::EventKey;
use crate::parse::{self, Problem, Problems};
use crate::rfc3339;

/// The most bytes that a stored value may have: below the 400 KB of DynamoDB and Cosmos DB.
pub const MAX_RECORD_BYTES: usize = 400_000;

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
    /// When it was first accepted: RFC 3339 in UTC, in microseconds, which give the order of delivery.
    pub recordedtime: String,
    /// `application/json`
    pub datacontenttype: Cow<'static, str>,
    /// The event's variables.
    pub data: EventData,
}

impl Record {
    /// The record of `event` from `site`, accepted at `now`, and its key.
    pub fn new(event: OutboundEvent, site: Site, now: DateTime<Utc>) -> (EventKey, Self) {
        let name = event.kind.name();
        let (timestamp, lsid) = (event.timestamp, event.lsid.clone());
        let data = EventData::from(event);
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
    // Not inlined into the rest of the component, which is compiled for size: it would be slow there.
    #[inline(never)]
    pub fn from_form(form: &[u8], site: &Site, now: DateTime<Utc>) -> Result<(EventKey, Vec<u8>), Problems> {
        let (key, record) = Self::new(parse::parse(form)?, site.clone(), now);
        Ok((key, record.to_json()?))
    }

    /// The bytes to store.
    pub fn to_json(&self) -> Result<Vec<u8>, Problems> {
        to_json(self)
    }

    /// Parses a stored value: the record, and its event checked by today's rules. The error says what is wrong.
    pub fn from_json(value: &[u8]) -> Result<(Self, OutboundEvent), String> {
        let record: Self =
            text(value).and_then(|text| serde_json::from_str(text).map_err(|error| error.to_string()))?;
        let event = record.data.event().map_err(|problems| problems.to_string())?;
        Ok((record, event))
    }
}

/// Checks the whole value, since it is passed on as it is: the parser skips text that it does not need.
fn text(value: &[u8]) -> Result<&str, String> {
    str::from_utf8(value).map_err(|error| error.to_string())
}

/// The part of a record that gives its key and when it was recorded, parsed without the rest.
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
    /// Parses a stored value. The error says why it is not a record.
    pub fn from_json(value: &'j [u8]) -> Result<Self, String> {
        text(value).and_then(|text| serde_json::from_str(text).map_err(|error| error.to_string()))
    }

    /// The key that the record gives itself. The error says why it gives none.
    pub fn key(&self) -> Result<EventKey, &'static str> {
        let site = self.source.strip_prefix(SOURCE).and_then(Site::parse).ok_or("its source names no site")?;
        let timestamp = Timestamp::from_seconds(self.data.timestamp).ok_or("its timestamp is after the year 9999")?;
        let lsid = self.data.lsid.as_deref().map(Lsid::parse).transpose()?;
        Ok(EventKey { site, timestamp, lsid, event: EventName::of_record(&self.data.event)?, id: self.id.parse()? })
    }

    /// When it was recorded, in Unix microseconds. An appliance delivers its events one by one, so this is their order.
    pub fn delivered(&self) -> Result<u64, &'static str> {
        let time = DateTime::parse_from_rfc3339(&self.recordedtime).map_err(|_| "its recordedtime is not a time")?;
        u64::try_from(time.timestamp_micros()).map_err(|_| "its recordedtime is before 1970")
    }
}

/// A record's `source` is this and the site.
const SOURCE: &str = "/beyondtrust/";

/// The variables of an event as a record holds them. Parsed from a store they are unchecked until [`EventData::event`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventData {
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
    /// The person who joined or left, of `support_conference_member_added` and `…_departed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<Member>,
    /// Every other variable.
    #[serde(default, skip_serializing_if = "Variables::is_empty")]
    pub variables: Variables,
    /// When the report was fetched: RFC 3339 in UTC, in seconds. Only in the record of a report.
    #[serde(default, with = "rfc3339::optional", skip_serializing_if = "Option::is_none")]
    pub fetched: Option<Timestamp>,
    /// The appliance's report of the session. Only in the record of a report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportJson>,
}

impl EventData {
    /// The form that [`parse::parse`] makes this event of: its variables in the order of their names' bytes, the values
    /// of one variable in the order in which they were sent.
    pub fn form(&self) -> Vec<(&str, Cow<'_, str>)> {
        let mut guide = self.variables_of_the_guide().into_iter().peekable();
        let mut form: Vec<(&str, Cow<'_, str>)> = Vec::with_capacity(self.variables.len() + 16);
        // A merge, and not a sort: the values of one variable keep their order.
        for (name, value) in &self.variables {
            while let Some(variable) = guide.next_if(|(guide, _)| *guide < name.as_str()) {
                form.push(variable);
            }
            form.extend(value.values().iter().map(|value| (name.as_str(), value.into())));
        }
        form.extend(guide);
        form
    }

    /// In the order of their names' bytes.
    fn variables_of_the_guide(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        let mut form: Vec<(&'static str, Cow<'_, str>)> = Vec::with_capacity(10);
        let member = self.member.as_ref();
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
        form
    }

    /// The event, checked by today's rules.
    pub fn event(&self) -> Result<OutboundEvent, Problems> {
        if self.event == EventName::REPORT {
            return self.report_event().map_err(Problems::from);
        }
        parse::check(self.form().into_iter().map(|(name, value)| (name.to_owned(), value.into_owned())))
    }
}

impl EventData {
    fn report_event(&self) -> Result<OutboundEvent, Problem> {
        let of = |variable: &'static str| move |reason: &'static str| Problem::of_variable(variable, reason);
        let lsid = self.lsid.as_deref().ok_or("is missing").and_then(Lsid::parse).map_err(of("lsid"))?;
        let timestamp =
            Timestamp::from_seconds(self.timestamp).ok_or("is after the year 9999").map_err(of("timestamp"))?;
        let fetched = self.fetched.ok_or("is missing").map_err(of("fetched"))?;
        let json = self.report.clone().ok_or("is missing").map_err(of("report"))?;
        Ok(OutboundEvent {
            version: Version::parse(&self.version).map_err(of("version"))?,
            timestamp,
            lsid: Some(lsid),
            external_key: self.external_key.clone(),
            kind: EventKind::Report(Box::new(StoredReport { fetched, json })),
            variables: Variables::new(),
        })
    }
}

fn optional<'d>(name: &'static str, value: &'d Option<String>) -> Option<(&'static str, Cow<'d, str>)> {
    value.as_deref().map(|value| (name, value.into()))
}

impl From<OutboundEvent> for EventData {
    fn from(event: OutboundEvent) -> Self {
        let name = event.kind.name();
        let (mut conference, mut member, mut fetched, mut report) = (None, None, None, None);
        match event.kind {
            EventKind::OwnerChanged(owner) => conference = Some(owner),
            EventKind::MemberAdded(who) | EventKind::MemberDeparted(who) => member = Some(who),
            EventKind::Report(of_session) => {
                fetched = Some(of_session.fetched);
                report = Some(of_session.json);
            }
            _ => {}
        }
        Self {
            event: name.as_str().to_owned(),
            version: event.version.into(),
            timestamp: event.timestamp.seconds(),
            lsid: event.lsid.map(String::from),
            external_key: event.external_key,
            conference,
            member,
            variables: event.variables,
            fetched,
            report,
        }
    }
}

/// A value that is too large is a problem of the body, found before the write.
pub(crate) fn to_json(value: &impl Serialize) -> Result<Vec<u8>, Problems> {
    // Most records fit. Grown from nothing, the bytes would be copied four times.
    let mut json = Vec::with_capacity(1024);
    serde_json::to_writer(&mut json, value).map_err(|error| Problem::of_body(error.to_string()))?;
    if json.len() > MAX_RECORD_BYTES {
        let reason = format!("would be stored as {} bytes; the most is {MAX_RECORD_BYTES}", json.len());
        return Err(Problem::of_body(reason).into());
    }
    Ok(json)
}

/// The nearest time that can be parsed again. A clock can read any time; RFC 3339 has the years 0 to 9999, and a record
/// those from 1970 on.
pub(crate) fn stamp(now: DateTime<Utc>) -> DateTime<Utc> {
    const LAST: i64 = 253_402_300_799;
    match now.timestamp() {
        0..=LAST => now,
        ..0 => DateTime::UNIX_EPOCH,
        _ => DateTime::from_timestamp(LAST, 0).unwrap_or(DateTime::UNIX_EPOCH),
    }
}
