//! The answers that the host gives instead of its guest.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, Version, header};
use http_body_util::{BodyExt as _, Full};
use wasmtime_wasi_http::WasiBody;

use crate::guest::GuestError;
use crate::http::body::Unread;
use crate::http::unauthenticated::TooManyRequests;

/// Why the host answers instead of its guest.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Head(#[from] Odd),
    #[error(transparent)]
    Body(#[from] Unread),
    #[error(transparent)]
    Guest(#[from] GuestError),
    #[error(transparent)]
    TooManyRequests(#[from] TooManyRequests),
}

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::Head(Odd::NoHost | Odd::Hosts) => StatusCode::BAD_REQUEST,
            Self::Head(Odd::Coding) => StatusCode::NOT_IMPLEMENTED,
            Self::Body(Unread::Stalled | Unread::Slow) => StatusCode::REQUEST_TIMEOUT,
            Self::Body(Unread::BrokenOff(_)) | Self::Guest(GuestError::Request(_)) => StatusCode::BAD_REQUEST,
            Self::Body(Unread::NoRoom) | Self::Guest(GuestError::Busy | GuestError::Readers | GuestError::Slow) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Guest(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::TooManyRequests(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// What the sender is told: what it can mend, or that it should try again. The rest is for the log.
    fn detail(&self) -> String {
        match self.status() {
            _ if matches!(self, Self::Body(_)) => self.to_string(),
            StatusCode::SERVICE_UNAVAILABLE => "the recipient is busy; send it again".to_owned(),
            StatusCode::INTERNAL_SERVER_ERROR => "the component failed; the recipient's log says how".to_owned(),
            _ => self.to_string(),
        }
    }

    /// RFC 9457, as the guest's own.
    pub(super) fn response(&self) -> Response<WasiBody> {
        let status = self.status();
        if matches!(self, Self::Guest(_)) && status.is_server_error() {
            tracing::error!("{self}");
        }
        let problem = serde_json::json!({
            "title": status.canonical_reason().unwrap_or_default(),
            "status": status.as_u16(),
            "detail": self.detail(),
        });
        let body = Full::new(Bytes::from(problem.to_string())).map_err(|never| match never {}).boxed_unsync();
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let retry_after = match status {
            StatusCode::SERVICE_UNAVAILABLE => Some("5"),
            StatusCode::TOO_MANY_REQUESTS => Some("1"),
            _ => None,
        };
        headers.extend(retry_after.map(|seconds| (header::RETRY_AFTER, HeaderValue::from_static(seconds))));
        if matches!(self, Self::Head(_) | Self::Body(_)) {
            // What the sender still owes cannot be told from a next request.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// A head by which it is not clear whom a request is for, or what its body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Odd {
    #[error("a request of HTTP/1.1 has one Host, and this one has none")]
    NoHost,
    #[error("a request has one Host, and this one has several")]
    Hosts,
    #[error("a body may be sent in chunks, and in no other transfer coding")]
    Coding,
}

/// What hyper leaves to who is called (RFC 9112, 3.2 and 6.1).
pub(super) fn as_it_should_be(head: &Parts) -> Result<(), Odd> {
    match head.headers.get_all(header::HOST).iter().count() {
        0 if head.version == Version::HTTP_11 => return Err(Odd::NoHost),
        0 | 1 => {}
        _ => return Err(Odd::Hosts),
    }
    let mut codings = head.headers.get_all(header::TRANSFER_ENCODING).iter();
    let chunked = codings.all(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"));
    if chunked { Ok(()) } else { Err(Odd::Coding) }
}
