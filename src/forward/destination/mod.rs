//! The setting `destinations`: the systems to which events are forwarded, which events, and in which form. It is a
//! JSON array of objects.
//!
//! All faults are reported at once, each with its place. Secret values (`secret`, `headers`, and the path and query
//! of `url`, which for a chat are all that a sender needs) are never shown, not even by `Debug`.
//!
//! | what | file |
//! |---|---|
//! | the types: a destination, its format, its filter | `mod.rs` |
//! | parsing the setting, and its faults | `read/` |
//! | the condition `when` | [`super::condition`] |
//! | secrets, headers and authentication, whose values are never shown | `hidden.rs` |
//! | the texts that must be hidden in a destination's answers | `secret_texts.rs` |

mod hidden;
mod read;
mod secret_texts;

use std::time::Duration;

use super::condition::EventCondition;
use super::template::RequestTemplate;
use crate::event::{EventName, Timestamp};
use crate::identity::{DestinationName, Site};
use crate::keys::KeyParts;
use crate::record::Record;
use crate::url::Url;

pub use hidden::{Authentication, Headers, Secrets};
pub use read::DestinationFault;
pub(super) use secret_texts::url_texts;

/// A system to which events are forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Its name: on the page, in logs and in keys.
    pub name: DestinationName,
    /// How it gets events.
    pub mode: DeliveryMode,
    /// The secrets that sign requests, in this order. For [`DeliveryMode::Pull`]: the tokens of its client.
    pub secrets: Secrets,
    /// The events that it gets.
    pub filter: Filter,
    /// Whether its host name can resolve to an address that is not public.
    pub private: bool,
}

/// How a destination gets events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryMode {
    /// A request an event, or a request for several.
    Push(Box<Push>),
    /// It requests its pending events, and acknowledges them.
    Pull,
}

/// The requests to a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// The URL of requests.
    pub url: Url,
    /// The content of requests.
    pub format: DestinationFormat,
    /// How many events a request has. `None`: one.
    pub batch: Option<BatchLimits>,
    /// How a request shows who sends it.
    pub authentication: Authentication,
    /// The headers of every request.
    pub headers: Headers,
}

/// The content of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DestinationFormat {
    /// CloudEvents 1.0: structured mode, or batched mode for a destination with batches.
    CloudEvents,
    /// The form as an appliance would send it.
    Form,
    /// A record a line.
    Ndjson,
    /// Logs of OpenTelemetry: OTLP/HTTP in JSON.
    Otlp,
    /// Splunk's HTTP Event Collector.
    SplunkHec(SplunkFields),
    /// Rendered by a template.
    Template(RequestTemplate),
}

/// The limits of a request with several events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// The most events of a request.
    pub max_events: usize,
    /// The most bytes of its body. An event that exceeds it is sent alone.
    pub max_bytes: usize,
    /// How long a delivery run waits for more events if there are fewer.
    pub max_wait: Duration,
}

/// The fields of events for Splunk that the administrator sets. `None`: the default of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SplunkFields {
    /// The index. By default, that of the token.
    pub index: Option<String>,
    /// The source type. By default `beyondtrust:remote_support`.
    pub sourcetype: Option<String>,
    /// The host. By default the site.
    pub host: Option<String>,
}

impl DestinationFormat {
    /// The format's name in the setting.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::CloudEvents => "cloudevents",
            Self::Form => "form",
            Self::Ndjson => "ndjson",
            Self::Otlp => "otlp",
            Self::SplunkHec(_) => "splunk-hec",
            Self::Template(_) => "template",
        }
    }

    /// Whether one request can have several events.
    pub fn takes_several(&self) -> bool {
        match self {
            Self::Form => false,
            Self::Template(template) => template.takes_events,
            Self::CloudEvents | Self::Ndjson | Self::Otlp | Self::SplunkHec(_) => true,
        }
    }
}

/// The events that a destination gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The names of events.
    pub events: EventFilter,
    /// The sites. `None`: all.
    pub sites: Option<Vec<Site>>,
    /// The earliest time. `None`: all times.
    pub from: Option<Timestamp>,
    /// The external key.
    pub external_key: ExternalKeyFilter,
    /// A condition on everything that an event and its session have.
    pub when: Option<EventCondition>,
}

/// A condition on the name of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventFilter {
    /// Every event, and no report: a destination that was not set up for reports cannot use them.
    AllEvents,
    /// Every event and every report. No setting says this: it stands for a setting that is not known.
    AllRecords,
    /// Events of these names, and reports if they are among them.
    Named(Vec<EventName>),
}

/// A condition on the external key of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternalKeyFilter {
    /// With or without a key.
    Any,
    /// With a key.
    Present,
    /// Without a key.
    Absent,
    /// With a key that begins like this.
    Prefix(String),
}

impl Filter {
    /// Every record.
    const ALL: Self = Self {
        events: EventFilter::AllRecords,
        sites: None,
        from: None,
        external_key: ExternalKeyFilter::Any,
        when: None,
    };

    /// Whether the filter accepts an event, as far as its key shows.
    pub fn wants(&self, key: &KeyParts<'_>) -> bool {
        let is_wanted = match &self.events {
            EventFilter::AllEvents => !key.is_named(&EventName::Report),
            EventFilter::AllRecords => true,
            EventFilter::Named(names) => names.iter().any(|name| key.is_named(name)),
        };
        is_wanted
            && self.sites.as_ref().is_none_or(|sites| sites.iter().any(|site| site.as_str() == key.site))
            && self.from.is_none_or(|from| key.time().is_some_and(|time| from <= time))
    }

    /// Whether the filter accepts the external key of a record; `when` is another question
    /// ([`super::wanted::is_wanted`]). An unreadable record is accepted: the delivery run
    /// reports it.
    pub fn wants_record(&self, value: &[u8]) -> bool {
        if self.external_key == ExternalKeyFilter::Any {
            return true;
        }
        Record::from_json(value).map_or(true, |(record, _)| self.wants_with(record.data.external_key.as_deref()))
    }

    /// Whether the filter accepts an external key.
    pub fn wants_with(&self, external_key: Option<&str>) -> bool {
        match &self.external_key {
            ExternalKeyFilter::Any => true,
            ExternalKeyFilter::Present => external_key.is_some(),
            ExternalKeyFilter::Absent => external_key.is_none(),
            ExternalKeyFilter::Prefix(prefix) => external_key.is_some_and(|key| key.starts_with(prefix)),
        }
    }
}

impl Destination {
    /// A destination of which only the name is known, because the setting is not: every record is pending for it, and
    /// nothing is sent.
    pub fn unknown(name: DestinationName) -> Self {
        Self { name, mode: DeliveryMode::Pull, secrets: Secrets(Vec::new()), filter: Filter::ALL, private: false }
    }

    /// The part of its URL that is not secret: scheme, host and port.
    pub fn origin(&self) -> Option<&str> {
        match &self.mode {
            DeliveryMode::Push(push) => Some(push.url.origin()),
            DeliveryMode::Pull => None,
        }
    }

    /// Where it gets its access tokens, if it needs some.
    pub fn token_url(&self) -> Option<&Url> {
        let DeliveryMode::Push(push) = &self.mode else { return None };
        match &push.authentication {
            Authentication::OAuth2(credentials) => Some(&credentials.token_url),
            Authentication::None | Authentication::Basic(_) | Authentication::Bearer(_) => None,
        }
    }

    /// The origins that it is sent to: its own, and that of its tokens.
    pub fn origins(&self) -> impl Iterator<Item = &str> {
        self.origin().into_iter().chain(self.token_url().map(Url::origin))
    }
}
