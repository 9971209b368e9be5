//! One request and its answer: its limits, and what each status means.

use std::pin::pin;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::{Either, select};
use http::response::Parts;
use http::{Request, Response, StatusCode, header};

use super::error::{AnswerExcerpt, ApiError, MAX_ANSWER_BYTES};
use crate::excerpt;
use crate::http_client::{BodyLimit, HttpClient, ResponseBody as _, read_at_most};
use crate::platform::Platform;
use crate::retry_after;

/// The longest time without data, also before the first.
const SILENCE: Duration = Duration::from_secs(10);

/// The longest time for a whole answer. Platforms end a request after 30 s, and a check begins its last request after
/// 10 s. An answer that takes longer counts as too large, so that the next one asks for less.
const WHOLE_ANSWER: Duration = Duration::from_secs(15);

/// How much of an error's body is read.
const ERROR_BODY: BodyLimit = BodyLimit { bytes: 4 * 1024, time: Duration::from_secs(1) };

/// The longest wait by `Retry-After`.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// An answer whose body has not been read.
pub(super) type Unread<P> = Response<<<P as Platform>::HttpClient as HttpClient>::Body>;

/// Sends a request, and waits for the head of the answer.
pub(super) async fn send<P: Platform>(
    platform: &P,
    request: Request<Vec<u8>>,
    secrets: &[String],
) -> Result<Unread<P>, ApiError> {
    let client = platform.http_client();
    match select(pin!(client.send(request)), pin!(client.wait(SILENCE))).await {
        Either::Left((Ok(response), _)) => Ok(response),
        Either::Left((Err(not_sent), _)) => {
            let reason = excerpt::without_secrets(not_sent.0.as_bytes(), secrets).unwrap_or_default();
            Err(if is_about_its_certificate(&reason) {
                ApiError::UntrustedCertificate(reason)
            } else {
                ApiError::Unreachable(reason)
            })
        }
        Either::Right(_) => Err(ApiError::Unreachable(format!("it did not answer within {} s", SILENCE.as_secs()))),
    }
}

/// By the words of hosts, and the name of the error in `wasi:http`. A server that asks for a client certificate
/// (rustls: `CertificateRequired`) has no fault of its own.
fn is_about_its_certificate(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    let asks_for_one = ["client certificate", "certificaterequired"].iter().any(|words| reason.contains(words));
    reason.contains("certificate") && !asks_for_one
}

/// Reads a body to its end, in parts.
pub(super) async fn read<P: Platform>(
    platform: &P,
    answer: Unread<P>,
    take: &mut dyn FnMut(&[u8]) -> Result<(), ApiError>,
) -> Result<(), ApiError> {
    let client = platform.http_client();
    let mut body = answer.into_body();
    let began = platform.monotonic();
    let mut bytes = 0_usize;
    loop {
        let chunk = match select(pin!(body.chunk()), pin!(client.wait(SILENCE))).await {
            Either::Left((Some(chunk), _)) => chunk,
            Either::Left((None, _)) => return Ok(()),
            Either::Right(_) => {
                return Err(ApiError::Failing(format!("its answer stopped for {} s", SILENCE.as_secs())));
            }
        };
        // An empty chunk counts as a byte: a body of empty chunks might never end.
        bytes = bytes.saturating_add(chunk.len().max(1));
        if bytes > MAX_ANSWER_BYTES {
            return Err(ApiError::TooLarge);
        }
        if platform.elapsed(began) > WHOLE_ANSWER {
            return Err(ApiError::TooLarge);
        }
        take(&chunk)?;
    }
}

/// An answer that is no success: its head, and the beginning of its body.
pub(super) struct Failure {
    head: Parts,
    body: Vec<u8>,
    /// The body in a message.
    said: Option<String>,
}

impl Failure {
    pub(super) async fn read<P: Platform>(platform: &P, answer: Unread<P>, secrets: &[String]) -> Self {
        let (head, body) = answer.into_parts();
        let body = read_at_most(platform.http_client(), body, ERROR_BODY).await;
        // A page for people says nothing in 200 characters, and that of a redirect repeats its target.
        let is_shown = !is_html(&head.headers) && !head.status.is_redirection();
        let said = if is_shown { excerpt::without_secrets(&body, secrets) } else { None };
        Self { head, body, said }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.head.status
    }

    /// The beginning of the body.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    pub(super) fn answer(self) -> AnswerExcerpt {
        AnswerExcerpt(self.said)
    }

    /// What any request with this answer means. `now` is the appliance's time if it is known, or ours: dates of
    /// `Retry-After` are the appliance's.
    pub(super) fn into_error(self, now: DateTime<Utc>) -> ApiError {
        let wait = retry_after::longest(&self.head.headers, now);
        let wait = wait.map(|wait| wait.clamp(Duration::from_secs(1), LONGEST_WAIT));
        let status = self.head.status;
        match status {
            StatusCode::TOO_MANY_REQUESTS => ApiError::RateLimited(wait),
            StatusCode::SERVICE_UNAVAILABLE if wait.is_some() => ApiError::RateLimited(wait),
            StatusCode::FORBIDDEN => ApiError::NoPermission(self.answer()),
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE => {
                ApiError::NotAnAppliance(format!("it answered {status}"))
            }
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => ApiError::Unreachable(
                "a proxy requires credentials: set them where the host's proxy is set (HTTPS_PROXY)".to_owned(),
            ),
            _ if status.is_redirection() => {
                ApiError::NotAnAppliance(format!("it answered {status}, and redirects are not followed"))
            }
            _ => {
                let answer = self.answer();
                ApiError::Failing(format!("it answered {status}{answer}"))
            }
        }
    }
}

/// Whether an answer is a page for people.
pub(super) fn is_html(headers: &http::HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    ["text/html", "application/xhtml+xml"].iter().any(|html| essence.eq_ignore_ascii_case(html))
}
