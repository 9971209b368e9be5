//! Parses the setting `destinations`, and reports all its faults at once, each with its place.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, Method, header};
use serde_json::{Map, Value};

use super::hidden::{Headers, Secrets};
use super::{DeliveryMode, Destination, DestinationFormat, EventFilter, ExternalKeyFilter, Filter, Push};
use crate::event::EventName;
use crate::forward::template::{self, RequestTemplate};
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

const FIELDS: [&str; 11] =
    ["name", "url", "format", "template", "secret", "headers", "events", "sites", "external_key", "from", "private"];

impl Fields<'_> {
    fn destination(&mut self) -> Option<Destination> {
        let unknown: Vec<_> = self.object.keys().filter(|name| !FIELDS.contains(&name.as_str())).cloned().collect();
        for name in unknown {
            self.fault(&name, format!("is not a field; the fields are {}", FIELDS.join(", ")));
        }
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
        let is_form = matches!(mode, Some(DeliveryMode::Push(Push { format: DestinationFormat::Form, .. })));
        if is_form && names.contains(&EventName::Report) {
            self.fault("events", "names report, which the format form cannot hold: an appliance sends no such form");
        }
        EventFilter::Named(names)
    }

    fn mode(&mut self, secrets: &Secrets) -> Option<DeliveryMode> {
        let format = self.parse_field("format", |text| match text {
            "cloudevents" | "form" | "template" | "pull" => Ok(text.to_owned()),
            _ => Err("is not one of cloudevents, form, template and pull"),
        });
        let named = self.object.contains_key("format");
        if named && format.is_none() {
            return None;
        }
        let format = format.unwrap_or_else(|| "cloudevents".to_owned());
        if format != "template" && self.object.contains_key("template") {
            self.fault("template", "is only for the format template");
        }
        if format == "pull" {
            for field in ["url", "headers"].into_iter().filter(|field| self.object.contains_key(*field)) {
                self.fault(field, "is not for the format pull, which sends nothing");
            }
            if secrets.0.is_empty() && !self.object.contains_key("secret") {
                self.fault("secret", "is missing: the client that pulls must show it");
            }
            return Some(DeliveryMode::Pull);
        }
        let url = self.url(format == "template");
        let headers = self.headers();
        let format = match format.as_str() {
            "form" => DestinationFormat::Form,
            "template" => DestinationFormat::Template(self.template()?),
            _ => DestinationFormat::CloudEvents,
        };
        Some(DeliveryMode::Push(Push { url: url?, format, headers }))
    }

    fn url(&mut self, templated: bool) -> Option<Url> {
        if !self.object.contains_key("url") {
            self.fault("url", "is missing");
        }
        self.parse_field("url", |text| Url::parse(text, |path| check_path(path, templated)))
    }

    fn headers(&mut self) -> Headers {
        let mut headers = Vec::new();
        match self.object.get("headers") {
            None => {}
            Some(Value::Object(object)) => {
                for (name, value) in object {
                    match parse_header(name, value) {
                        Ok((known, _)) if headers.iter().any(|(other, _)| *other == known) => {
                            self.fault(&format!("headers.{name}"), "is given twice, in different spellings");
                        }
                        Ok(header) => headers.push(header),
                        Err(reason) => self.fault(&format!("headers.{name}"), reason),
                    }
                }
            }
            Some(_) => self.fault("headers", "is not an object of names and values"),
        }
        Headers(headers)
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
        for name in object.keys().filter(|name| !["method", "content_type", "body"].contains(&name.as_str())) {
            self.fault(&format!("template.{name}"), "is not a field; the fields are method, content_type and body");
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
        let content_type = HeaderValue::from_str(text("content_type").unwrap_or("application/json"));
        if content_type.is_err() {
            self.fault("template.content_type", "is not a valid content type");
        }
        let Some(body) = text("body") else {
            self.fault("template.body", "is missing or not a string");
            return None;
        };
        let template =
            RequestTemplate { method: method?, content_type: content_type.ok()?, body: body.to_owned().into() };
        match template.check() {
            Ok(()) => Some(template),
            Err(reason) => {
                self.fault("template.body", reason);
                None
            }
        }
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

    fn parse_field<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, &'static str>) -> Option<T> {
        match self.object.get(name)?.as_str().ok_or("is not a string").and_then(parse) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.fault(name, reason);
                None
            }
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

/// Headers that the request sets by itself.
const OWN_HEADERS: [HeaderName; 5] =
    [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::TE, header::TRAILER, header::EXPECT];

/// Headers that hosts of `wasi:http` accept from no component: `DEFAULT_FORBIDDEN_HEADERS` of wasmtime-wasi-http 48
/// (`src/lib.rs`), which Spin and our host use unchanged. A request with one of them can never be sent.
const FORBIDDEN_HEADERS: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::HOST,
    HeaderName::from_static("http2-settings"),
];

fn parse_header(name: &str, value: &Value) -> Result<(HeaderName, HeaderValue), &'static str> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "is not a valid header name")?;
    if OWN_HEADERS.contains(&name) || FORBIDDEN_HEADERS.contains(&name) || name.as_str().starts_with("webhook-") {
        return Err("is set by the request itself or by the platform that sends it; remove it");
    }
    // White space around a value is not part of it (RFC 9110, 5.5).
    let value = value.as_str().and_then(|value| HeaderValue::from_str(value.trim_matches([' ', '\t'])).ok());
    let mut value = value.ok_or("is not a valid header value")?;
    value.set_sensitive(true);
    Ok((name, value))
}
