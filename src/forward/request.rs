//! An event -> the request that carries it.

use chrono::{DateTime, Utc};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook};

use super::destination::{Format, Push, Secrets};
use super::template::{self, Seen, Template};
use crate::archive::pack::RecordEntry;
use crate::record::Record;
use crate::session::Timeline;

/// What says that a body is a CloudEvents event in structured mode.
const CLOUDEVENTS: HeaderValue = HeaderValue::from_static("application/cloudevents+json; charset=utf-8");

/// What says that a body is a form.
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// Who sends, unless the setting says something else.
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("outbound-events/", env!("CARGO_PKG_VERSION")));

/// Whether the request needs to know the session's timeline.
pub fn needs_session(push: &Push) -> bool {
    matches!(push.format, Format::Template(_))
}

/// The request that carries an event. An error says why there can be none: its template fails on this event, say.
pub fn request(
    push: &Push,
    secrets: &Secrets,
    entry: &RecordEntry,
    session: Option<&Timeline>,
    now: DateTime<Utc>,
) -> Result<Request<Vec<u8>>, String> {
    let content = match &push.format {
        // As it is stored: a record is such an event.
        Format::CloudEvents => {
            Content { method: Method::POST, path: push.url.path.clone(), kind: CLOUDEVENTS, body: entry.value.clone() }
        }
        Format::Form => Content {
            method: Method::POST,
            path: push.url.path.clone(),
            kind: FORM,
            body: form(&Record::read(&entry.value)?.0)?.into_bytes(),
        },
        Format::Template(template) => templated(push, template, entry, session)?,
    };
    let path: PathAndQuery = content.path.parse().map_err(|_| "what the event holds makes no URL".to_owned())?;
    let uri: Uri = format!("{}{path}", push.url.origin()).parse().map_err(|_| "its URL is none".to_owned())?;
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

/// The form that an appliance would send (guide, "HTTP recipients").
fn form(record: &Record) -> Result<String, String> {
    serde_urlencoded::to_string(record.data.form()).map_err(|error| error.to_string())
}

fn templated(
    push: &Push,
    template: &Template,
    entry: &RecordEntry,
    session: Option<&Timeline>,
) -> Result<Content, String> {
    let record = Record::read(&entry.value)?.0;
    let seen = Seen { event: &record, title: entry.key.event.title(), site: entry.key.site.as_str(), session };
    Ok(Content {
        method: template.method.clone(),
        path: template::path(&push.url.path, &seen)?.into_owned(),
        kind: template.content_type.clone(),
        body: template.render(&seen)?,
    })
}

/// The headers of Standard Webhooks: the event's id is the message's, so that who gets it twice knows it. A signature for each
/// secret, so that a new one can be told first and the old one be taken away later.
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
