//! Builds the request for an event.

use chrono::{DateTime, Utc};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook};

use super::destination::{DestinationFormat, Push, Secrets};
use super::template::{self, RequestTemplate, TemplateContext};
use crate::archive::pack::RecordEntry;
use crate::record::Record;
use crate::session::Timeline;

/// The content type of a CloudEvents event in structured mode.
const CLOUDEVENTS: HeaderValue = HeaderValue::from_static("application/cloudevents+json; charset=utf-8");

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// The default `User-Agent`.
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("outbound-events/", env!("CARGO_PKG_VERSION")));

/// Whether building the request needs the session's timeline.
pub fn needs_session(push: &Push) -> bool {
    matches!(push.format, DestinationFormat::Template(_))
}

/// Builds the request for an event. The error says why it cannot be built, for example because the template fails on
/// this event.
pub fn request(
    push: &Push,
    secrets: &Secrets,
    entry: &RecordEntry,
    session: Option<&Timeline>,
    now: DateTime<Utc>,
) -> Result<Request<Vec<u8>>, String> {
    let content = match &push.format {
        // A stored record already is a CloudEvents event.
        DestinationFormat::CloudEvents => {
            Content { method: Method::POST, path: push.url.path.clone(), kind: CLOUDEVENTS, body: entry.value.clone() }
        }
        DestinationFormat::Form => Content {
            method: Method::POST,
            path: push.url.path.clone(),
            kind: FORM,
            body: form(&Record::from_json(&entry.value)?.0)?.into_bytes(),
        },
        DestinationFormat::Template(template) => templated(push, template, entry, session)?,
    };
    let path: PathAndQuery =
        content.path.parse().map_err(|_| "the event's values do not make a valid URL".to_owned())?;
    let uri: Uri = format!("{}{path}", push.url.origin()).parse().map_err(|_| "its URL is not valid".to_owned())?;
    let mut request = Request::builder()
        .method(content.method)
        .uri(uri)
        .header(header::CONTENT_TYPE, content.kind)
        .header(header::CONTENT_LENGTH, content.body.len());
    if !push.headers.contain(&header::USER_AGENT) {
        request = request.header(header::USER_AGENT, USER_AGENT);
    }
    for (name, value) in signature(secrets, &entry.key.id.to_string(), now, &content.body)? {
        request = request.header(name, value);
    }
    for (name, value) in &push.headers.0 {
        request = request.header(name, value);
    }
    request.body(content.body).map_err(|error| error.to_string())
}

struct Content {
    method: Method,
    path: String,
    kind: HeaderValue,
    body: Vec<u8>,
}

/// The form as an appliance would send it (guide, "HTTP recipients").
fn form(record: &Record) -> Result<String, String> {
    serde_urlencoded::to_string(record.data.form()).map_err(|error| error.to_string())
}

fn templated(
    push: &Push,
    template: &RequestTemplate,
    entry: &RecordEntry,
    session: Option<&Timeline>,
) -> Result<Content, String> {
    let seen = TemplateContext::new(entry, session)?;
    Ok(Content {
        method: template.method.clone(),
        path: template::path(&push.url.path, &seen)?.into_owned(),
        kind: template.content_type.clone(),
        body: template.render(&seen)?,
    })
}

/// The headers of Standard Webhooks. The event's id is the message's id, so a receiver recognises a repeat. There is
/// a signature for each secret, so that a receiver can move from the old secret to the new one.
fn signature(
    secrets: &Secrets,
    id: &str,
    now: DateTime<Utc>,
    body: &[u8],
) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let mut signatures = Vec::new();
    for secret in &secrets.0 {
        let signed = Webhook::new(secret).and_then(|webhook| webhook.sign(id, now.timestamp(), body));
        signatures.push(signed.map_err(|_| "it cannot be signed".to_owned())?);
    }
    let value = |text: &str| HeaderValue::from_str(text).map_err(|error| error.to_string());
    let mut headers = vec![
        (HeaderName::from_static(HEADER_WEBHOOK_ID), value(id)?),
        (HeaderName::from_static(HEADER_WEBHOOK_TIMESTAMP), HeaderValue::from(now.timestamp())),
    ];
    if !signatures.is_empty() {
        headers.push((HeaderName::from_static(HEADER_WEBHOOK_SIGNATURE), value(&signatures.join(" "))?));
    }
    Ok(headers)
}
