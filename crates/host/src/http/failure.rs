//! The answers that the host gives instead of the guest.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, Version, header};
use http_body_util::{BodyExt as _, Full};
use wasmtime_wasi_http::WasiBody;

use crate::guest::GuestError;
use crate::http::body::BodyError;
use crate::http::unauthenticated::TooManyRequests;

/// Why the host answers instead of the guest.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestFailure {
    #[error(transparent)]
    Head(#[from] HeadError),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Guest(#[from] GuestError),
    #[error(transparent)]
    TooManyRequests(#[from] TooManyRequests),
}

impl RequestFailure {
    fn status(&self) -> StatusCode {
        match self {
            Self::Head(HeadError::NoHost | HeadError::Hosts) => StatusCode::BAD_REQUEST,
            Self::Head(HeadError::Coding) => StatusCode::NOT_IMPLEMENTED,
            Self::Body(BodyError::Stalled | BodyError::Slow) => StatusCode::REQUEST_TIMEOUT,
            Self::Body(BodyError::BrokenOff(_)) | Self::Guest(GuestError::Request(_)) => StatusCode::BAD_REQUEST,
            Self::Body(BodyError::NoRoom) | Self::Guest(GuestError::Busy | GuestError::Readers | GuestError::Slow) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Guest(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::TooManyRequests(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// The reason for the client: the fault in its request, or the advice to repeat it. Other details go to the log
    /// only.
    fn detail(&self) -> String {
        match self.status() {
            _ if matches!(self, Self::Body(_)) => self.to_string(),
            StatusCode::SERVICE_UNAVAILABLE => "the recipient is busy; send it again".to_owned(),
            StatusCode::INTERNAL_SERVER_ERROR => "the component failed; see the recipient's log".to_owned(),
            _ => self.to_string(),
        }
    }

    /// A problem document (RFC 9457), like the guest's own.
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
            // The rest of the body would be read as the next request.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Why the head of a request is refused: its host or the form of its body is ambiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeadError {
    #[error("the request has no Host header, which HTTP/1.1 requires")]
    NoHost,
    #[error("the request has several Host headers; send one")]
    Hosts,
    #[error("the request has a transfer coding other than chunked")]
    Coding,
}

/// The checks that hyper leaves to the service (RFC 9112, 3.2 and 6.1).
pub(super) fn check_head(head: &Parts) -> Result<(), HeadError> {
    match head.headers.get_all(header::HOST).iter().count() {
        0 if head.version == Version::HTTP_11 => return Err(HeadError::NoHost),
        0 | 1 => {}
        _ => return Err(HeadError::Hosts),
    }
    let mut codings = head.headers.get_all(header::TRANSFER_ENCODING).iter();
    let chunked = codings.all(|coding| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"));
    if chunked { Ok(()) } else { Err(HeadError::Coding) }
}
