//! The setting `destinations`: whom events are pushed on to, what of them, and how. JSON, an array of objects.
//!
//! All that is wrong with it is told at once, each fault with its place. What is secret in it (`secret`, `headers`, and the path and
//! query of `url`, which for a chat is all that one needs to write there) is never shown, not even by `Debug`.
//!
//! | what | file |
//! |---|---|
//! | the types: a destination, its format, its filter | `mod.rs` |
//! | reading the setting, and its faults | `read.rs` |
//! | the URL that requests go to, and where a redirect leads | `url.rs` |
//! | secrets and headers, whose values are never shown | `hidden.rs` |
//! | what must not be shown of a destination's answers | `secret_texts.rs` |

mod hidden;
mod read;
pub(in crate::forward) mod secret_texts;
mod url;

use super::template::RequestTemplate;
use crate::event::{EventName, Timestamp};
use crate::identity::{DestinationName, Site};
use crate::keys::KeyParts;
use crate::record::Record;

pub use hidden::{Headers, Secrets};
pub use read::DestinationFault;
pub use url::Url;

/// Where events are forwarded to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// What it is called: on the page, in logs and in keys.
    pub name: DestinationName,
    /// How, and where to.
    pub mode: DeliveryMode,
    /// What signs requests; for [`DeliveryMode::Pull`], who may ask. The first signs first.
    pub secrets: Secrets,
    /// Which events.
    pub filter: Filter,
    /// Whether its name may lead to an address that is not public.
    pub private: bool,
}

/// How events get there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryMode {
    /// A request an event.
    Push(Push),
    /// It asks for what is pending, and acknowledges what it has.
    Pull,
}

/// A request an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// Where to.
    pub url: Url,
    /// What is in it.
    pub format: DestinationFormat,
    /// What goes with every request.
    pub headers: Headers,
}

/// What a request holds of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DestinationFormat {
    /// CloudEvents 1.0, structured mode.
    CloudEvents,
    /// The form that an appliance would send.
    Form,
    /// What a template makes of it.
    Template(RequestTemplate),
}

impl DestinationFormat {
    /// As the setting has it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::CloudEvents => "cloudevents",
            Self::Form => "form",
            Self::Template(_) => "template",
        }
    }
}

/// Which events a destination wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Of these names. `None`: all.
    pub events: Option<Vec<EventName>>,
    /// Of these sites. `None`: all.
    pub sites: Option<Vec<Site>>,
    /// Of that time or later. `None`: all.
    pub from: Option<Timestamp>,
    /// With such an external key.
    pub external_key: ExternalKeyFilter,
}

/// Which external key an event must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExternalKeyFilter {
    /// One or none.
    Any,
    /// One.
    Present,
    /// None.
    Absent,
    /// One that begins so.
    Prefix(String),
}

impl Filter {
    /// Every event.
    pub const ALL: Self = Self { events: None, sites: None, from: None, external_key: ExternalKeyFilter::Any };

    /// Whether an event may be wanted, as far as its key tells.
    pub fn wants(&self, key: &KeyParts<'_>) -> bool {
        self.events.as_ref().is_none_or(|events| events.iter().any(|event| key.is(event)))
            && self.sites.as_ref().is_none_or(|sites| sites.iter().any(|site| site.as_str() == key.site))
            && self.from.is_none_or(|from| key.time().is_some_and(|time| from <= time))
    }

    /// Whether a record is wanted, as far as its external key tells. One that cannot be read is: who sends it says what is wrong.
    pub fn wants_record(&self, value: &[u8]) -> bool {
        if self.external_key == ExternalKeyFilter::Any {
            return true;
        }
        Record::read(value).map_or(true, |(record, _)| self.wants_with(record.data.external_key.as_deref()))
    }

    /// Whether an event with that external key is wanted.
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
    /// One of that name that wants every event and has none sent: what is known of a destination where the setting is not.
    pub fn unknown(name: DestinationName) -> Self {
        Self { name, mode: DeliveryMode::Pull, secrets: Secrets(Vec::new()), filter: Filter::ALL, private: false }
    }

    /// Where to, as far as it may be shown: scheme, host and port.
    pub fn origin(&self) -> Option<&str> {
        match &self.mode {
            DeliveryMode::Push(push) => Some(push.url.origin()),
            DeliveryMode::Pull => None,
        }
    }
}
