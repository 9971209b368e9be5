//! How the receiver answers, other than by a plain 200.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

/// What the receiver does other than to answer 200 with no body. By default: nothing.
#[derive(Clone, Debug, Default)]
pub struct Misbehaviour {
    /// The status. Without it, 200.
    pub status: Option<StatusCode>,
    /// Only requests whose body contains this text are answered so. All others get a plain 200.
    pub only_containing: Option<String>,
    /// `Location`.
    pub location: Option<HeaderValue>,
    /// `Retry-After`: seconds or a date, or what a receiver takes for either.
    pub retry_after: Option<HeaderValue>,
    /// The body of the answer.
    pub body: Bytes,
    /// How the answer is put on the connection.
    pub framing: Framing,
    /// How long an answer takes.
    pub delay: Duration,
    /// Closes a connection after it was idle for so long. Read when the connection is opened.
    pub close_idle_after: Option<Duration>,
    /// Closes a connection without an answer as its second request comes.
    pub close_when_asked: bool,
    /// For how long from the beginning. Without it, for ever.
    pub time: Option<Duration>,
}

/// How an answer is put on the connection. All but the first are forms that public bug reports tell of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// As HTTP/1.1 has it.
    #[default]
    Whole,
    /// `Content-Length: 10`, two bytes, and nothing more.
    HangingBody,
    /// One chunk after the other, without an end.
    EndlessChunks,
    /// An event stream (`text/event-stream`), which never ends.
    EventStream,
    /// `100 Continue` and `103 Early Hints` before the answer.
    EarlyHints,
    /// HTTP/1.0: the body ends with the connection.
    Http10,
    /// The connection is reset after the head of the answer.
    ResetAfterHead,
}

impl Misbehaviour {
    /// What a request with this body meets.
    pub(super) fn for_body(self, body: &[u8]) -> Self {
        let text = self.only_containing.as_deref().unwrap_or_default();
        if text.is_empty() || body.windows(text.len()).any(|part| part == text.as_bytes()) {
            self
        } else {
            Self::default()
        }
    }

    /// The status that it answers with.
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
