//! The fields that belong to the format: `template`, `splunk_hec` and `batch`.

use std::time::Duration;

use http::{HeaderValue, Method};
use serde_json::{Map, Value};

use super::Fields;
use crate::forward::destination::{BatchLimits, DestinationFormat, SplunkFields};
use crate::forward::template::{self, RequestTemplate};

/// The limits of `batch`. A host passes on no larger body than a MiB.
const MAX_EVENTS: u64 = 1_000;
const MAX_BYTES: u64 = 1_000_000;

/// A delivery run takes ten seconds.
const MAX_WAIT_SECONDS: u64 = 5;

impl Fields<'_> {
    /// The format of this name.
    pub(super) fn format(&mut self, named: &str) -> Option<DestinationFormat> {
        Some(match named {
            "form" => DestinationFormat::Form,
            "ndjson" => DestinationFormat::Ndjson,
            "otlp" => DestinationFormat::Otlp,
            "splunk-hec" => DestinationFormat::SplunkHec(self.splunk_fields()),
            "template" => DestinationFormat::Template(self.template()?),
            _ => DestinationFormat::CloudEvents,
        })
    }

    pub(super) fn batch(&mut self, format: Option<&DestinationFormat>) -> Option<BatchLimits> {
        let object = match self.object.get("batch")? {
            Value::Object(object) => object,
            _ => {
                self.fault("batch", "is not an object");
                return None;
            }
        };
        if let Some(format) = format.filter(|format| !format.takes_several()) {
            let reason = match format {
                DestinationFormat::Template(_) => "is only for a template that has \"takes\": \"events\"",
                _ => "is not for the format form, which has one event",
            };
            self.fault("batch", reason);
        }
        let place = format!("{}.batch", self.place);
        let mut fields = Fields { place: &place, object, faults: self.faults };
        fields.report_unknown(&["max_events", "max_bytes", "max_wait_seconds"]);
        let max_events = fields.number("max_events", 100, 1, MAX_EVENTS);
        let max_bytes = fields.number("max_bytes", 500_000, 1_000, MAX_BYTES);
        let max_wait = fields.number("max_wait_seconds", 2, 0, MAX_WAIT_SECONDS);
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        Some(BatchLimits {
            max_events: size(max_events),
            max_bytes: size(max_bytes),
            max_wait: Duration::from_secs(max_wait),
        })
    }

    fn number(&mut self, name: &str, default: u64, least: u64, most: u64) -> u64 {
        let Some(value) = self.object.get(name) else { return default };
        value.as_u64().filter(|number| (least..=most).contains(number)).unwrap_or_else(|| {
            self.fault(name, format!("is not a number from {least} to {most}"));
            default
        })
    }

    fn splunk_fields(&mut self) -> SplunkFields {
        let object = match self.object.get("splunk_hec") {
            None => return SplunkFields::default(),
            Some(Value::Object(object)) => object,
            Some(_) => {
                self.fault("splunk_hec", "is not an object");
                return SplunkFields::default();
            }
        };
        let place = format!("{}.splunk_hec", self.place);
        let mut fields = Fields { place: &place, object, faults: self.faults };
        fields.report_unknown(&["index", "sourcetype", "host"]);
        SplunkFields {
            index: fields.parse_field("index", parse_name),
            sourcetype: fields.parse_field("sourcetype", parse_name),
            host: fields.parse_field("host", parse_name),
        }
    }

    fn template(&mut self) -> Option<RequestTemplate> {
        let read = match self.object.get("template") {
            None => Err(format!("is missing; the ready templates are {}", template::names())),
            Some(Value::String(name)) => RequestTemplate::ready(name)
                .ok_or_else(|| format!("is not a ready template; the ready templates are {}", template::names())),
            Some(Value::Object(object)) => return self.own_template(&object.clone()),
            Some(_) => Err("is not the name of a ready template or an object".to_owned()),
        };
        read.map_err(|reason| self.fault("template", reason)).ok()
    }

    fn own_template(&mut self, object: &Map<String, Value>) -> Option<RequestTemplate> {
        let fields = ["method", "content_type", "body", "takes"];
        for name in object.keys().filter(|name| !fields.contains(&name.as_str())) {
            self.fault(&format!("template.{name}"), format!("is not a field; the fields are {}", fields.join(", ")));
        }
        let text = |name: &str| object.get(name).and_then(Value::as_str);
        let method = match text("method").unwrap_or("POST") {
            "POST" => Some(Method::POST),
            "PUT" => Some(Method::PUT),
            "PATCH" => Some(Method::PATCH),
            _ => {
                self.fault("template.method", "is not one of POST, PUT and PATCH");
                None
            }
        };
        let takes_events = match object.get("takes").map(Value::as_str) {
            None | Some(Some("event")) => false,
            Some(Some("events")) => true,
            Some(_) => {
                self.fault("template.takes", "is not event or events");
                false
            }
        };
        let content_type = HeaderValue::from_str(text("content_type").unwrap_or("application/json"));
        if content_type.is_err() {
            self.fault("template.content_type", "is not a valid content type");
        }
        let Some(body) = text("body") else {
            self.fault("template.body", "is missing or not a string");
            return None;
        };
        let (content_type, body) = (content_type.ok()?, body.to_owned().into());
        let template = RequestTemplate { method: method?, content_type, body, takes_events };
        match template.check() {
            Ok(()) => Some(template),
            Err(reason) => {
                self.fault("template.body", reason);
                None
            }
        }
    }
}

/// A name that Splunk shows: an index, a source type, a host.
fn parse_name(text: &str) -> Result<String, &'static str> {
    let is_name = (1..=256).contains(&text.len()) && !text.chars().any(char::is_control);
    if is_name { Ok(text.to_owned()) } else { Err("is not 1 to 256 bytes without control characters") }
}
