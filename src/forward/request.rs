//! Builds the request for an event, or for several.

use chrono::{DateTime, Utc};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Request, Uri, header};
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook};

use super::content::Content;
use super::destination::{Push, Secrets};
use crate::identity::Id;
use crate::oauth::USER_AGENT;

pub use super::event_to_send::EventToSend;

/// Builds the request for these events: one, or as many as the destination's batches have. `token` is the access token
/// of OAuth 2.0, if the destination needs one. The error says why it cannot be built, for example because the template
/// fails on an event.
pub fn request(
    push: &Push,
    secrets: &Secrets,
    events: &[EventToSend<'_>],
    token: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Request<Vec<u8>>, String> {
    let content = Content::new(push, events)?;
    let path: PathAndQuery =
        content.path.parse().map_err(|_| "the event's values do not make a valid URL".to_owned())?;
    let uri: Uri = format!("{}{path}", push.url.origin()).parse().map_err(|_| "its URL is not valid".to_owned())?;
    let mut request = Request::builder()
        .method(content.method)
        .uri(uri)
        .header(header::CONTENT_TYPE, content.content_type)
        .header(header::CONTENT_LENGTH, content.body.len());
    if !push.headers.contain(&header::USER_AGENT) {
        request = request.header(header::USER_AGENT, USER_AGENT);
    }
    for (name, value) in signature(secrets, &message_id(events, &content.body), now, &content.body)? {
        request = request.header(name, value);
    }
    if let Some(authorization) = authorization(push, token)? {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    for (name, value) in &push.headers.0 {
        request = request.header(name, value);
    }
    request.body(content.body).map_err(|error| error.to_string())
}

fn authorization(push: &Push, token: Option<&str>) -> Result<Option<HeaderValue>, String> {
    let Some(token) = token else { return Ok(push.authentication.header().cloned()) };
    let value = HeaderValue::try_from(["Bearer ", token].concat());
    let mut value = value.map_err(|_| "its access token fits no header".to_owned())?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// The message's id: that of its event. That of several events is made of the body, so that a receiver recognises a
/// repeat of the same events.
fn message_id(events: &[EventToSend<'_>], body: &[u8]) -> String {
    match events {
        [event] => event.entry.key.id.to_string(),
        _ => Id::of_value(body).to_string(),
    }
}

/// The headers of Standard Webhooks. There is a signature for each secret, so that a receiver can move from the old
/// secret to the new one.
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
