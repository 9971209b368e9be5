//! How the receiver's answers differ from a plain 200.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

/// How answers differ from a 200 without a body. By default, not at all.
#[derive(Clone, Debug, Default)]
pub struct Misbehaviour {
    /// The status. `None`: 200.
    pub status: Option<StatusCode>,
    /// Applies only to requests whose body contains this text. All others get a plain 200.
    pub only_containing: Option<String>,
    /// `Location`.
    pub location: Option<HeaderValue>,
    /// `Retry-After`, sent unchanged.
    pub retry_after: Option<HeaderValue>,
    /// The body of the answer.
    pub body: Bytes,
    /// How the answer is framed.
    pub framing: Framing,
    /// The wait before each answer.
    pub delay: Duration,
    /// Closes a connection that is idle for this time. Applies to connections opened later.
    pub close_idle_after: Option<Duration>,
    /// Closes a connection without an answer when its second request arrives.
    pub close_when_asked: bool,
    /// For how long, from when it was set. `None`: without end.
    pub time: Option<Duration>,
}

/// How an answer is framed. All but the first are known from public bug reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// A complete HTTP/1.1 answer.
    #[default]
    Whole,
    /// `Content-Length: 10`, two bytes, and nothing more.
    HangingBody,
    /// Chunks without an end.
    EndlessChunks,
    /// An event stream (`text/event-stream`) without an end.
    EventStream,
    /// `100 Continue` and `103 Early Hints` before the answer.
    EarlyHints,
    /// HTTP/1.0: the body ends with the connection.
    Http10,
    /// The connection is reset after the head of the answer.
    ResetAfterHead,
}

impl Misbehaviour {
    /// The behaviour towards a request with this body.
    pub(super) fn for_body(self, body: &[u8]) -> Self {
        let text = self.only_containing.as_deref().unwrap_or_default();
        if text.is_empty() || body.windows(text.len()).any(|part| part == text.as_bytes()) {
            self
        } else {
            Self::default()
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.status.unwrap_or(StatusCode::OK)
    }

    /// The answer, without its framing.
    pub(super) fn response(&self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body.clone()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.extend(self.location.clone().map(|location| (header::LOCATION, location)));
        headers.extend(self.retry_after.clone().map(|time| (header::RETRY_AFTER, time)));
        response
    }
}
