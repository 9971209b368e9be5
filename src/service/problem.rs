//! Everything that is not a 200, as RFC 9457 `application/problem+json`.

use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use super::event_headers::outcome;
use super::json::json_response;
use crate::identity::Id;
use crate::parse::{Problem, Problems};
use crate::settings::SettingsError;
use crate::store::StoreError;

/// Why a request is refused: the service's error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request's line or headers are not HTTP.
    #[error("the request's path or headers cannot be read")]
    Unreadable,
    /// Nothing lives at the path.
    #[error("nothing is here; events are taken by POST /events/{{site}}, /events and /")]
    Path,
    /// The path names no possible site.
    #[error("a site's name is 1 to 32 characters of A-Z, a-z, 0-9 and -")]
    Site,
    /// The path does not take the method.
    #[error("this path takes {allow}")]
    Method {
        /// The methods that it does take.
        allow: &'static str,
    },
    /// A setting cannot be used.
    #[error("{0}; until it is mended this cannot be done")]
    Settings(#[from] SettingsError),
    /// Nobody may send events yet.
    #[error("no events are taken until ingest_tokens is set, or ingest_open=true to take them from anyone")]
    Shut,
    /// The token is missing or wrong.
    #[error("a token is needed: ?outbound_event_token=… in the recipient's URL, or Authorization: Bearer …")]
    Token,
    /// No read token is configured.
    #[error("nothing can be read until read_tokens is set: one token, or several joined by commas")]
    Closed,
    /// The read token is missing or wrong.
    #[error("a read token is needed: Authorization: Bearer …")]
    ReadToken,
    /// No admin token is configured.
    #[error(
        "nothing can be removed, tried again or packed until admin_tokens is set: one token, or several joined by commas"
    )]
    AdminClosed,
    /// The admin token is missing or wrong.
    #[error("an admin token is needed: Authorization: Bearer …")]
    AdminToken,
    /// A read token is no admin token.
    #[error("a read token reads and no more; this needs one of admin_tokens{}", if *set { "" } else { ", which is not set" })]
    ReadOnly {
        /// Whether there are admin tokens.
        set: bool,
    },
    /// No tick token is configured.
    #[error("nothing is done on a tick until tick_token is set")]
    NoTicks,
    /// The tick token is missing or wrong.
    #[error("a tick token is needed: ?tick_token=… or Authorization: Bearer …")]
    TickToken,
    /// The destination's secret is missing or wrong.
    #[error("one of the destination's secrets is needed: Authorization: Bearer whsec_…")]
    Secret,
    /// A parameter of the query is at fault.
    #[error("the query is at fault")]
    Query(Problem),
    /// The body is not what the path takes.
    #[error("the body is at fault: {0}")]
    Body(String),
    /// A time that ends before it begins.
    #[error("the time that is to be sent again ends before it begins: to is not after from")]
    NoTime,
    /// What the path names is not there.
    #[error("there is no such {0}")]
    Absent(&'static str),
    /// What is stored is not what its key says.
    #[error("what is stored there cannot be read: {0}")]
    Damaged(String),
    /// What was set aside still does not validate.
    #[error("the body is still no valid event")]
    StillInvalid(Problems),
    /// A stranger's body is of another type than an event's.
    #[error("an event is application/x-www-form-urlencoded")]
    Type,
    /// The body is too large.
    #[error("the body is more than {max} bytes")]
    Length {
        /// `max_body_bytes`
        max: usize,
    },
    /// There is no body.
    #[error("the body is empty")]
    Empty,
    /// The body ended before its end, or went on after it.
    #[error("the body broke off, or is not as long as was announced; nothing was stored")]
    BrokenOff,
    /// The body is no valid event.
    #[error("the body is not a valid event")]
    Invalid {
        /// All that is wrong with it.
        problems: Problems,
        /// Its id if it was kept all the same.
        set_aside: Option<Id>,
    },
    /// The store did not take it.
    #[error("the store did not do as asked; try again")]
    Store(#[from] StoreError),
}

/// How long a sender should wait before it tries again after a 503, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

/// The members of RFC 9457. Without a `type` it is `about:blank`: the status says what kind of problem it is.
#[derive(Serialize)]
struct ProblemDetails<'a> {
    title: &'a str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    problems: &'a [Problem],
}

impl Refusal {
    /// The status that says what the sender should do: again later (503), or not like this (4xx).
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

    /// What the operator should know, and the sender need not.
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
