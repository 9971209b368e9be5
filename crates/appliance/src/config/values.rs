//! Texts that are checked while they are parsed: periods, URLs, addresses, secrets and names of events.

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
        period.map(Self).ok_or_else(|| format!("{text:?} is not a time from 10ms to 366days, such as 30s, 10m or 1day"))
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
        http::parse_url(&text).map(Self).map_err(|error| format!("the url {error}"))
    }
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Address(pub(super) Mailbox);

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| format!("{text:?} is not an email address, such as desk@example.com"))
    }
}

/// A text that no message repeats, not even the message about a wrong type.
pub(super) struct SecretText(pub(super) String);

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self).map_err(|_| serde::de::Error::custom("expected text in quotes"))
    }
}

/// One of the guide's seven events, by its name in the form or its title on the settings page.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct GuideEventName(pub(super) EventName);

impl TryFrom<String> for GuideEventName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let known = EventName::GUIDE.into_iter().find(|event| event.as_str() == text || event.title() == text);
        let titles = EventName::GUIDE.map(|event| format!("{:?}", event.title())).join(", ");
        known.map(Self).ok_or_else(|| format!("{text:?} is not an event; use one of {titles}"))
    }
}

/// One of the three events that send email, by its name in the form or its title on the settings page.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct EmailEventName(pub EmailEvent);

pub(super) fn email_events() -> String {
    let titles = EmailEvent::ALL.map(|event| format!("\"{event}\"")).join(", ");
    format!("use one of {titles}")
}

impl std::str::FromStr for EmailEventName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let has_name = |event: &EmailEvent| event.event_name().as_str() == text || event.event_name().title() == text;
        let event = EmailEvent::ALL.into_iter().find(has_name);
        event.map(Self).ok_or_else(|| format!("{text:?} does not send emails; {}", email_events()))
    }
}

impl TryFrom<String> for EmailEventName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}
