//! The path of a POST: authenticate the sender, read and check the body, store it, answer 200.

use http::request::Parts;
use http::{HeaderValue, Response, header};

use super::answer::{Answer, BrokenOff, FollowUp, Service};
use super::auth::{self, Sender};
use super::event_headers::outcome;
use super::problem::Refusal;
use crate::clock_faults::ClockFault;
use crate::identity::{Id, Site};
use crate::parse::{Problem, Problems};
use crate::platform::Platform;
use crate::record::Record;
use crate::set_aside::SetAside;
use crate::settings::InvalidEvents;
use crate::store::Kept;

impl<P: Platform> Service<'_, P> {
    pub(super) async fn ingest(
        &self,
        site: Site,
        head: &Parts,
        chunk: impl AsyncFnMut() -> Result<Option<Vec<u8>>, BrokenOff>,
    ) -> Result<Answer, Refusal> {
        let sender = auth::sender(head, &self.variables.ingest()?)?;
        let form = is_form(head);
        if sender == Sender::Unauthenticated && !form {
            return Err(Refusal::Type);
        }
        // Before the body is read: the sender need not send an event that cannot be stored.
        let (max, _) = (self.variables.max_body_bytes()?, self.variables.bucket()?);
        let body = read_body(head, max, chunk).await?;
        let now = self.platform.now();
        let problems = match Record::from_form(&body, &site, now) {
            Ok((key, record)) => {
                let mut log = Vec::new();
                let kept = self.keep(&key.text(), &record, &mut log).await?;
                let response = accepted(&key.id, if kept == Kept::New { "stored" } else { "duplicate" });
                let fault = ClockFault::of_event(&key.site, key.timestamp, now);
                return Ok(Answer { follow_up: FollowUp::event(key.id, fault), ..Answer::new(response).with_log(log) });
            }
            Err(problems) => explained(problems, head, form),
        };
        match sender {
            Sender::Unauthenticated => Err(Refusal::Invalid { problems, set_aside: None }),
            Sender::Authenticated => Box::pin(self.set_aside(site, head, &body, problems)).await,
        }
    }

    /// Stores an authenticated sender's body as it came. `invalid_events` decides the answer, not whether it is kept.
    async fn set_aside(&self, site: Site, head: &Parts, body: &[u8], problems: Problems) -> Result<Answer, Refusal> {
        let answer = self.variables.invalid_events()?;
        let content_type = head.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
        let (key, set_aside) = SetAside::new(site, body, content_type, &problems, self.platform.now());
        let value = set_aside.to_json().map_err(|problems| Refusal::Invalid { problems, set_aside: None })?;
        let mut log = Vec::new();
        self.keep(&key.to_string(), &value, &mut log).await?;
        match answer {
            InvalidEvents::SetAside => Ok(Answer::new(accepted(&key.id, "set-aside")).with_log(log)),
            InvalidEvents::Reject => Err(Refusal::Invalid { problems, set_aside: Some(key.id) }),
        }
    }
}

const FORM: &str = "application/x-www-form-urlencoded";

/// Whether the request says that it is a form, or does not say. The guide does not define `Content-Type`.
fn is_form(head: &Parts) -> bool {
    let Some(value) = head.headers.get(header::CONTENT_TYPE) else { return true };
    let media_type = value.as_bytes().split(|&b| b == b';').next().unwrap_or_default();
    // The common spelling first, which is fast to compare.
    value == FORM || media_type.trim_ascii().eq_ignore_ascii_case(FORM.as_bytes())
}

/// The problems of a body, behind those of its head, which are likely to explain them.
fn explained(problems: Problems, head: &Parts, form: bool) -> Problems {
    let problems = if form {
        problems
    } else {
        problems.behind(Problem::of_body("was not sent as application/x-www-form-urlencoded"))
    };
    match content_encoding(head) {
        None => problems,
        Some(encoding) => problems.behind(Problem::of_body(format!(
            "was sent with Content-Encoding: {encoding}, which is not decoded: send the form without it"
        ))),
    }
}

/// The content codings other than `identity`, cut to 64 characters.
fn content_encoding(head: &Parts) -> Option<String> {
    let values = head.headers.get_all(header::CONTENT_ENCODING).iter().map(|value| value.as_bytes().trim_ascii());
    let is_coding = |value: &&[u8]| !value.is_empty() && !value.eq_ignore_ascii_case(b"identity");
    let named: Vec<_> = values.filter(is_coding).map(String::from_utf8_lossy).collect();
    Some(named.join(", ").chars().take(64).collect()).filter(|named: &String| !named.is_empty())
}

/// Reads the body, and stops once it exceeds `max` bytes.
pub(super) async fn read_body(
    head: &Parts,
    max: usize,
    mut chunk: impl AsyncFnMut() -> Result<Option<Vec<u8>>, BrokenOff>,
) -> Result<Vec<u8>, Refusal> {
    let announced = announced(head);
    // 64 bits: a component's usize has 32.
    if announced.is_some_and(|length| length > max as u64) {
        return Err(Refusal::Length { max });
    }
    let mut body = Vec::new();
    // A body of the announced length is complete. To ask for more would be one call too many.
    while announced.is_none_or(|length| (body.len() as u64) < length) {
        let Some(more) = chunk().await.map_err(|BrokenOff| Refusal::BrokenOff)? else { break };
        if more.len() > max.saturating_sub(body.len()) {
            return Err(Refusal::Length { max });
        }
        if body.is_empty() {
            body = more;
        } else {
            body.extend_from_slice(&more);
        }
    }
    // Some platforms report a broken connection as the end of the body. Half an event must not be stored.
    if announced.is_some_and(|length| body.len() as u64 != length) {
        return Err(Refusal::BrokenOff);
    }
    if body.is_empty() { Err(Refusal::Empty) } else { Ok(body) }
}

/// The body's length, if the head gives it. A chunked body ends with its last chunk, whatever `Content-Length` says
/// (RFC 9112, 6.3).
fn announced(head: &Parts) -> Option<u64> {
    let length =
        head.headers.get(header::CONTENT_LENGTH).filter(|_| !head.headers.contains_key(header::TRANSFER_ENCODING));
    length?.to_str().ok()?.parse().ok()
}

/// Exactly 200 without a body: under Spin a body leaves as a second packet and costs a serial sender 40 ms.
fn accepted(id: &Id, result: &'static str) -> Response<Vec<u8>> {
    let mut response = Response::new(Vec::new());
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    response.headers_mut().extend(outcome(id, result));
    response
}
