//! The content of a request: one event or several, in the format of the destination.
//!
//! | format | file |
//! |---|---|
//! | CloudEvents, the appliance's form, a record a line, templates | this file |
//! | logs of OpenTelemetry | `otlp.rs` |
//! | Splunk's HTTP Event Collector | `splunk_hec.rs` |

mod otlp;
mod splunk_hec;

use http::{HeaderValue, Method};

pub(super) use otlp::rejected_of_answer;

use super::destination::{DestinationFormat, Push};
use super::event_to_send::EventToSend;
use super::template::{self, RequestTemplate, TemplateContext};
use crate::archive::pack::RecordEntry;
use crate::record::Record;

/// Content types. CloudEvents 1.0, HTTP protocol binding, 3.2 and 3.3.
const CLOUDEVENTS: HeaderValue = HeaderValue::from_static("application/cloudevents+json; charset=utf-8");
const CLOUDEVENTS_BATCH: HeaderValue = HeaderValue::from_static("application/cloudevents-batch+json; charset=utf-8");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson");

/// What a request is, but for its headers.
pub(super) struct Content {
    pub(super) method: Method,
    /// Path and query.
    pub(super) path: String,
    pub(super) content_type: HeaderValue,
    pub(super) body: Vec<u8>,
}

impl Content {
    /// The content for these events, of which there is at least one; only one if the destination has no batches. The
    /// error says why it cannot be made, for example because the template fails on an event.
    pub(super) fn new(push: &Push, events: &[EventToSend<'_>]) -> Result<Self, String> {
        let first = events.first().ok_or("there is no event")?;
        let (content_type, body) = match &push.format {
            DestinationFormat::Template(template) => return Self::rendered(push, template, first, events),
            // A stored record already is a CloudEvents event, on one line.
            DestinationFormat::CloudEvents if push.batch.is_none() => (CLOUDEVENTS, first.entry.value.clone()),
            DestinationFormat::CloudEvents => (CLOUDEVENTS_BATCH, joined(events, b"[", b",", b"]")),
            DestinationFormat::Ndjson => (NDJSON, joined(events, b"", b"\n", b"\n")),
            DestinationFormat::Form => (FORM, form(first.entry)?.into_bytes()),
            DestinationFormat::Otlp => (JSON, otlp::logs(events)?),
            DestinationFormat::SplunkHec(fields) => (JSON, splunk_hec::events(fields, events)?),
        };
        Ok(Self { method: Method::POST, path: push.url.path.clone(), content_type, body })
    }

    fn rendered(
        push: &Push,
        template: &RequestTemplate,
        first: &EventToSend<'_>,
        events: &[EventToSend<'_>],
    ) -> Result<Self, String> {
        let context = |event: &EventToSend<'_>| TemplateContext::new(event.entry, event.session);
        let seen = if template.takes_events {
            TemplateContext::of_several(events.iter().map(context).collect::<Result<_, _>>()?)
        } else {
            context(first)?
        };
        Ok(Self {
            method: template.method.clone(),
            path: template::path(&push.url.path, &seen)?.into_owned(),
            content_type: template.content_type.clone(),
            body: template.render(&seen)?,
        })
    }
}

/// Whether the content of requests needs the events' sessions.
pub(super) fn needs_session(push: &Push) -> bool {
    match &push.format {
        DestinationFormat::Template(template) => template.needs_session() || push.url.path.contains("session"),
        _ => false,
    }
}

/// The stored records with these texts before, between and after them.
fn joined(events: &[EventToSend<'_>], before: &[u8], between: &[u8], after: &[u8]) -> Vec<u8> {
    let records: Vec<&[u8]> = events.iter().map(|event| event.entry.value.as_slice()).collect();
    [before, &records.join(between), after].concat()
}

/// The form as an appliance would send it (guide, "HTTP recipients").
fn form(entry: &RecordEntry) -> Result<String, String> {
    let (record, _) = Record::from_json(&entry.value)?;
    serde_urlencoded::to_string(record.data.form()).map_err(|error| error.to_string())
}
