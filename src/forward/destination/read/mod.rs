//! Parses the setting `destinations`, and reports all its faults at once, each with its place.
//!
//! | what | file |
//! |---|---|
//! | a destination: its name, mode, format, filter, secrets | this file |
//! | `auth` | `authentication.rs` |
//! | `batch`, and the fields of one format | `format.rs` |
//! | `headers` | `headers.rs` |

mod authentication;
mod format;
mod headers;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::hidden::Secrets;
use super::{DeliveryMode, Destination, DestinationFormat, EventFilter, ExternalKeyFilter, Filter, Push};
use crate::event::EventName;
use crate::forward::condition::EventCondition;
use crate::forward::template;
use crate::identity::{DestinationName, Site};
use crate::json_setting::{parse_array, parse_time};
use crate::url::{self, Url};

impl Destination {
    /// Parses the setting. The error has all faults.
    pub fn read_all(text: &str) -> Result<Vec<Self>, Vec<DestinationFault>> {
        if text.trim().is_empty() {
            return Ok(Vec::new());
        }
        let all = parse_array(text, "destinations")
            .map_err(|reason| vec![DestinationFault { place: String::new(), reason }])?;
        let mut faults = Vec::new();
        let mut read: Vec<Self> = Vec::new();
        for (number, value) in all.iter().enumerate() {
            let place = format!("[{number}]");
            let Value::Object(object) = value else {
                faults.push(DestinationFault { place, reason: "is not an object".to_owned() });
                continue;
            };
            let Some(destination) = (Fields { place: &place, object, faults: &mut faults }).destination() else {
                continue;
            };
            if read.iter().any(|other| other.name == destination.name) {
                faults.push(DestinationFault { place: format!("{place}.name"), reason: "is used twice".to_owned() });
            }
            read.push(destination);
        }
        if all.len() > MOST {
            faults
                .push(DestinationFault { place: String::new(), reason: format!("has more than {MOST} destinations") });
        }
        if faults.is_empty() { Ok(read) } else { Err(faults) }
    }
}

/// The largest number of destinations: each has a request under way, and keys of its own.
const MOST: usize = 32;

/// A fault of the setting, and its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("destinations{place} {reason}")]
pub struct DestinationFault {
    /// The place, such as `[1].url`. Empty for the setting as a whole.
    pub place: String,
    /// The fault. Repeats no secret.
    pub reason: String,
}

/// An object of the setting, and the faults found so far.
struct Fields<'f> {
    place: &'f str,
    object: &'f Map<String, Value>,
    faults: &'f mut Vec<DestinationFault>,
}

const FIELDS: [&str; 15] = [
    "name",
    "url",
    "format",
    "template",
    "splunk_hec",
    "batch",
    "auth",
    "secret",
    "headers",
    "events",
    "sites",
    "external_key",
    "from",
    "when",
    "private",
];

impl Fields<'_> {
    fn destination(&mut self) -> Option<Destination> {
        self.report_unknown(&FIELDS);
        let faults = self.faults.len();
        let name = self.parse_field("name", |text| {
            DestinationName::parse(text).ok_or("is not 1 to 32 characters of a-z, 0-9 and -")
        });
        if name.is_none() && self.faults.len() == faults {
            self.fault("name", "is missing");
        }
        let secrets = self.secrets();
        let mode = self.mode(&secrets);
        let filter = Filter {
            events: self.events(mode.as_ref()),
            sites: self.parse_list("sites", |text| {
                Site::parse(text).ok_or("is not 1 to 32 characters of A-Z, a-z, 0-9 and -")
            }),
            from: self.parse_field("from", parse_time),
            external_key: self.parse_field("external_key", parse_external_key).unwrap_or(ExternalKeyFilter::Any),
            when: self.parse_field("when", EventCondition::parse),
        };
        let private = match self.object.get("private") {
            None | Some(Value::Bool(false)) => false,
            Some(Value::Bool(true)) => true,
            Some(_) => {
                self.fault("private", "is not true or false");
                false
            }
        };
        Some(Destination { name: name?, mode: mode?, secrets, filter, private })
    }

    fn events(&mut self, mode: Option<&DeliveryMode>) -> EventFilter {
        let Some(names) = self.parse_list("events", EventName::of_setting) else { return EventFilter::AllEvents };
        let is_form = matches!(mode, Some(DeliveryMode::Push(push)) if push.format == DestinationFormat::Form);
        if is_form && names.contains(&EventName::Report) {
            self.fault("events", "names report, which the format form cannot hold: an appliance sends no such form");
        }
        EventFilter::Named(names)
    }

    fn mode(&mut self, secrets: &Secrets) -> Option<DeliveryMode> {
        let named = self.parse_field("format", |text| match text {
            "cloudevents" | "form" | "ndjson" | "otlp" | "pull" | "splunk-hec" | "template" => Ok(text.to_owned()),
            _ => Err("is not one of cloudevents, form, ndjson, otlp, pull, splunk-hec and template"),
        });
        if self.object.contains_key("format") && named.is_none() {
            return None;
        }
        let named = named.unwrap_or_else(|| "cloudevents".to_owned());
        for (field, format) in [("template", "template"), ("splunk_hec", "splunk-hec")] {
            if named != format && self.object.contains_key(field) {
                self.fault(field, format!("is only for the format {format}"));
            }
        }
        if named == "pull" {
            for field in
                ["url", "headers", "auth", "batch"].into_iter().filter(|field| self.object.contains_key(*field))
            {
                self.fault(field, "is not for the format pull, which sends nothing");
            }
            if secrets.0.is_empty() && !self.object.contains_key("secret") {
                self.fault("secret", "is missing: the client that pulls must show it");
            }
            return Some(DeliveryMode::Pull);
        }
        let url = self.url(named == "template");
        let headers = self.headers();
        let authentication = self.authentication(&headers);
        let format = self.format(&named);
        let batch = self.batch(format.as_ref());
        let push = Push { url: url?, format: format?, batch, authentication: authentication?, headers };
        Some(DeliveryMode::Push(Box::new(push)))
    }

    fn url(&mut self, templated: bool) -> Option<Url> {
        self.required("url", |text| Url::parse(text, |path| check_path(path, templated)))
    }

    fn secrets(&mut self) -> Secrets {
        let texts: Vec<&Value> = match self.object.get("secret") {
            None => Vec::new(),
            Some(Value::Array(all)) => all.iter().collect(),
            Some(one) => vec![one],
        };
        let mut secrets = Vec::new();
        for (number, text) in texts.iter().enumerate() {
            match text.as_str().filter(|text| is_secret(text)) {
                Some(text) => secrets.push(text.to_owned()),
                None => self.fault(
                    &format!("secret[{number}]"),
                    "is not whsec_ and 24 to 64 bytes in base64; make one with `openssl rand -base64 32`",
                ),
            }
        }
        Secrets(secrets)
    }

    fn parse_list<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, &'static str>) -> Option<Vec<T>> {
        let all = match self.object.get(name)? {
            Value::Array(all) if !all.is_empty() => all,
            _ => {
                self.fault(name, "is not a list, or is empty");
                return None;
            }
        };
        let mut list = Vec::new();
        for (number, value) in all.iter().enumerate() {
            match value.as_str().ok_or("is not a string").and_then(&parse) {
                Ok(one) => list.push(one),
                Err(reason) => self.fault(&format!("{name}[{number}]"), reason),
            }
        }
        Some(list)
    }

    fn parse_field<T, E: Into<String>>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        let read = match self.object.get(name)?.as_str() {
            Some(text) => parse(text).map_err(Into::into),
            None => Err("is not a string".to_owned()),
        };
        read.map_err(|reason| self.fault(name, reason)).ok()
    }

    fn required<T, E: Into<String>>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        if !self.object.contains_key(name) {
            self.fault(name, "is missing");
        }
        self.parse_field(name, parse)
    }

    fn report_unknown(&mut self, known: &[&str]) {
        let unknown: Vec<_> = self.object.keys().filter(|name| !known.contains(&name.as_str())).cloned().collect();
        for name in unknown {
            self.fault(&name, format!("is not a field; the fields are {}", known.join(", ")));
        }
    }

    fn fault(&mut self, field: &str, reason: impl Into<String>) {
        self.faults.push(DestinationFault { place: format!("{}.{field}", self.place), reason: reason.into() });
    }
}

fn is_secret(text: &str) -> bool {
    let bytes = text.strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok());
    bytes.is_some_and(|bytes| (24..=64).contains(&bytes.len()))
}

fn parse_external_key(text: &str) -> Result<ExternalKeyFilter, &'static str> {
    Ok(match text {
        "any" => ExternalKeyFilter::Any,
        "present" => ExternalKeyFilter::Present,
        "absent" => ExternalKeyFilter::Absent,
        "" => return Err("is empty; use any, present, absent, or the beginning of a key"),
        prefix => ExternalKeyFilter::Prefix(prefix.to_owned()),
    })
}

fn check_path(path: &str, templated: bool) -> Result<(), &'static str> {
    if templated && path.contains("{{") {
        template::check_path(path).map_err(|_| "has a placeholder that is not valid")
    } else {
        url::check_path(path)
    }
}
