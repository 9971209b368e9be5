//! Texts that are checked as they are read: periods, URLs, addresses, secrets and names of events.

use std::time::Duration;

use crate::http;
use crate::macros::EmailEvent;
use lettre::message::Mailbox;
use outbound_events::event::EventName;
use reqwest::Url;
use serde::Deserialize;

/// A time such as `30s`, `10m` or `1day`: 10 milliseconds to 366 days.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Period(pub Duration);

impl std::str::FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let range = Duration::from_millis(10)..=Duration::from_secs(366 * 86_400);
        let period = humantime::parse_duration(text).ok().filter(|period| range.contains(period));
        period.map(Self).ok_or_else(|| format!("{text:?} is no time from 10ms to 366days, such as 30s, 10m or 1day"))
    }
}

impl TryFrom<String> for Period {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct RecipientUrl(pub(super) Url);

impl TryFrom<String> for RecipientUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        http::url(&text).map(Self).map_err(|error| format!("the url {error}"))
    }
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Address(pub(super) Mailbox);

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| format!("{text:?} is no email address, such as desk@example.com"))
    }
}

/// Text that no message repeats, not even the one that says that it is no text.
pub(super) struct SecretText(pub(super) String);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self).map_err(|_| serde::de::Error::custom("expected text in quotes"))
    }
}

/// One of the guide's seven, by the name in the form or the title on the settings page.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct GuideEventName(pub(super) EventName);

impl TryFrom<String> for GuideEventName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let known = EventName::GUIDE.into_iter().find(|event| event.as_str() == text || event.title() == text);
        let titles = EventName::GUIDE.map(|event| format!("{:?}", event.title())).join(", ");
        known.map(Self).ok_or_else(|| format!("there is no event {text:?}; there are {titles}"))
    }
}

/// One of the three events that send email, by the name in the form or the title on the settings page.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct EmailEventName(pub EmailEvent);

pub(super) fn email_events() -> String {
    let titles = EmailEvent::ALL.map(|event| format!("\"{event}\"")).join(", ");
    format!("emails are sent for {titles}")
}

impl std::str::FromStr for EmailEventName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = |event: &EmailEvent| event.event().as_str() == text || event.event().title() == text;
        let event = EmailEvent::ALL.into_iter().find(named);
        event.map(Self).ok_or_else(|| format!("no email is sent for {text:?}; {}", email_events()))
    }
}

impl TryFrom<String> for EmailEventName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}
