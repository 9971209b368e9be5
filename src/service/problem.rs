//! All refusals, as RFC 9457 `application/problem+json`.

use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use super::event_headers::outcome;
use super::json::json_response;
use crate::identity::Id;
use crate::parse::{Problem, Problems};
use crate::settings::SettingsError;
use crate::store::StoreError;

/// The reason why a request is refused: the error type of the service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request line or the headers are not valid HTTP.
    #[error("the request's path or headers cannot be read")]
    Unreadable,
    /// The path is unknown.
    #[error("there is nothing at this path; send events to POST /events/{{site}}, /events or /")]
    Path,
    /// The site in the path is not valid.
    #[error("a site's name is 1 to 32 characters of A-Z, a-z, 0-9 and -")]
    Site,
    /// The path does not accept the method.
    #[error("this path accepts {allow}")]
    Method {
        /// The methods that it accepts.
        allow: &'static str,
    },
    /// A setting cannot be used.
    #[error("{0}; fix this setting first")]
    Settings(#[from] SettingsError),
    /// Neither `ingest_tokens` nor `ingest_open` is configured.
    #[error("no events are accepted; set ingest_tokens, or set ingest_open=true to accept events without a token")]
    Shut,
    /// The sender's token is missing or wrong.
    #[error("a valid token is required: ?outbound_event_token=… in the recipient's URL, or Authorization: Bearer …")]
    Token,
    /// No read token is configured.
    #[error("the API is closed; set read_tokens to one token, or to several separated by commas")]
    Closed,
    /// The read token is missing or wrong.
    #[error("a valid read token is required: Authorization: Bearer …")]
    ReadToken,
    /// No admin token is configured.
    #[error(
        "deleting, retrying and packing are disabled; set admin_tokens to one token, or to several separated by commas"
    )]
    AdminClosed,
    /// The admin token is missing or wrong.
    #[error("a valid admin token is required: Authorization: Bearer …")]
    AdminToken,
    /// A read token was shown where an admin token is required.
    #[error(
        "a read token grants read access only; this request requires one of admin_tokens{}",
        if *set { "" } else { ", which is not set" }
    )]
    ReadOnly {
        /// Whether `admin_tokens` is configured.
        set: bool,
    },
    /// No tick token is configured.
    #[error("/tick is disabled; set tick_token")]
    NoTicks,
    /// The tick token is missing or wrong.
    #[error("a valid tick token is required: ?tick_token=… or Authorization: Bearer …")]
    TickToken,
    /// The destination's secret is missing or wrong.
    #[error("a secret of the destination is required: Authorization: Bearer whsec_…")]
    Secret,
    /// A parameter of the query is not valid.
    #[error("the query is not valid")]
    Query(Problem),
    /// The body is not valid for this path.
    #[error("the body is not valid: {0}")]
    Body(String),
    /// A time range that is empty.
    #[error("the time range is empty; to must be later than from")]
    NoTime,
    /// The resource does not exist.
    #[error("there is no such {0}")]
    Absent(&'static str),
    /// The stored value cannot be read.
    #[error("the stored value cannot be read: {0}")]
    Damaged(String),
    /// A retried body is still not a valid event.
    #[error("the body is still not a valid event")]
    StillInvalid(Problems),
    /// An unauthenticated client sent a body of another content type.
    #[error("the content type of an event must be application/x-www-form-urlencoded")]
    Type,
    /// The body is too large.
    #[error("the body is larger than {max} bytes")]
    Length {
        /// `max_body_bytes`
        max: usize,
    },
    /// There is no body.
    #[error("the body is empty")]
    Empty,
    /// The body was cut off, or does not match `Content-Length`.
    #[error("the body was cut off or does not match Content-Length; nothing was stored")]
    BrokenOff,
    /// The body is not a valid event.
    #[error("the body is not a valid event")]
    Invalid {
        /// All problems of the body.
        problems: Problems,
        /// The id of the body, if it was set aside.
        set_aside: Option<Id>,
    },
    /// The store failed.
    #[error("the store failed; try again")]
    Store(#[from] StoreError),
}

/// The seconds after which a client can retry after a 503.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// The members of RFC 9457. Without a `type` it is `about:blank`: the status defines the kind of problem.
#[derive(Serialize)]
struct ProblemDetails<'a> {
    title: &'a str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    problems: &'a [Problem],
}

impl Refusal {
    /// The status tells the sender what to do: retry later (503), or change the request (4xx).
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Unreadable
            | Self::Empty
            | Self::BrokenOff
            | Self::Invalid { .. }
            | Self::Query(_)
            | Self::Body(_) => StatusCode::BAD_REQUEST,
            Self::Path | Self::Site | Self::Absent(_) => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Token | Self::ReadToken | Self::AdminToken | Self::TickToken | Self::Secret => {
                StatusCode::UNAUTHORIZED
            }
            Self::ReadOnly { .. } => StatusCode::FORBIDDEN,
            Self::StillInvalid(_) | Self::NoTime => StatusCode::CONFLICT,
            Self::Damaged(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Type => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Length { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Settings(_) | Self::Shut | Self::Closed | Self::AdminClosed | Self::NoTicks | Self::Store(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    /// The log line, if the operator must act.
    pub(super) fn log(&self) -> Option<String> {
        match self {
            Self::Settings(error) => Some(error.to_string()),
            Self::Store(error) => Some(error.to_string()),
            _ => None,
        }
    }

    pub(super) fn response(&self) -> Response<Vec<u8>> {
        let status = self.status();
        let details = ProblemDetails {
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: self.to_string(),
            problems: match self {
                Self::Invalid { problems, .. } | Self::StillInvalid(problems) => problems.list(),
                Self::Query(problem) => std::slice::from_ref(problem),
                _ => &[],
            },
        };
        let mut response = json_response(status, "application/problem+json", &details);
        response.headers_mut().extend(self.headers());
        response
    }

    pub(super) fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        match self {
            Self::Method { allow } => vec![(header::ALLOW, HeaderValue::from_static(allow))],
            Self::Token | Self::ReadToken | Self::AdminToken | Self::TickToken | Self::Secret => {
                vec![(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))]
            }
            Self::Settings(_) | Self::Shut | Self::Closed | Self::AdminClosed | Self::NoTicks | Self::Store(_) => {
                vec![(header::RETRY_AFTER, RETRY_AFTER)]
            }
            Self::Invalid { set_aside: Some(id), .. } => outcome(id, "set-aside").to_vec(),
            _ => Vec::new(),
        }
    }
}
