//! A body that did not validate, and the bytes that are stored of it.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::identity::{Id, Site};
use crate::keys::SetAsideKey;
use crate::parse::{Problem, Problems};
use crate::record::{stamp, to_json};

/// The most problems that a [`SetAside`] lists, so that it stays within [`crate::record::MAX_RECORD_BYTES`].
const MAX_KEPT_PROBLEMS: usize = 64;

/// A body from an authenticated sender that is not a valid event, kept as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAside {
    /// The body's [`Id`].
    pub id: String,
    /// The site from the request's path.
    pub site: String,
    /// When it was first accepted: RFC 3339 in UTC, in milliseconds.
    pub firstseen: String,
    /// The request's `Content-Type`, cut to 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Its problems, by the rules of that time.
    pub problems: Vec<Problem>,
    /// The body, in one of two ways.
    #[serde(flatten)]
    pub body: StoredBody,
}

/// A body as JSON can hold it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredBody {
    /// As text, where it is UTF-8 and does not grow much by being escaped.
    #[serde(rename = "body")]
    Text(String),
    /// In base64 otherwise.
    #[serde(rename = "body_base64")]
    Base64(String),
}

impl SetAside {
    /// What is kept of `body`, and its key. `body` has at most 262,144 bytes.
    pub fn new(
        site: Site,
        body: &[u8],
        content_type: Option<&[u8]>,
        problems: &Problems,
        now: DateTime<Utc>,
    ) -> (SetAsideKey, Self) {
        let id = Id::of_body(&site, body);
        let set_aside = Self {
            id: id.to_string(),
            site: site.as_str().to_owned(),
            firstseen: milliseconds(now),
            content_type: content_type.map(|value| String::from_utf8_lossy(value).chars().take(256).collect()),
            problems: first_problems(problems),
            body: StoredBody::new(body),
        };
        (SetAsideKey { site, id }, set_aside)
    }

    /// The bytes to store, within [`crate::record::MAX_RECORD_BYTES`] since [`SetAside::new`] limits the problems.
    pub fn to_json(&self) -> Result<Vec<u8>, Problems> {
        to_json(self)
    }
}

impl StoredBody {
    fn new(body: &[u8]) -> Self {
        // A control character takes six bytes in JSON; base64 takes four for any three.
        let grows = body.iter().filter(|byte| byte.is_ascii_control() || matches!(byte, b'"' | b'\\')).count()
            > body.len() / 16;
        match std::str::from_utf8(body) {
            Ok(text) if !grows => Self::Text(text.to_owned()),
            _ => Self::Base64(STANDARD.encode(body)),
        }
    }

    /// The body as it came. An error if the stored text is not base64.
    pub fn bytes(&self) -> Result<Cow<'_, [u8]>, base64::DecodeError> {
        match self {
            Self::Text(text) => Ok(text.as_bytes().into()),
            Self::Base64(text) => STANDARD.decode(text).map(Cow::Owned),
        }
    }
}

fn first_problems(problems: &Problems) -> Vec<Problem> {
    let all = problems.list();
    let mut kept: Vec<_> = all.iter().take(MAX_KEPT_PROBLEMS).cloned().collect();
    if let Some(more) = all.len().checked_sub(MAX_KEPT_PROBLEMS).filter(|more| *more > 0) {
        kept.push(Problem::of_body(format!("has {more} more problems")));
    }
    kept
}

fn milliseconds(time: DateTime<Utc>) -> String {
    stamp(time).to_rfc3339_opts(SecondsFormat::Millis, true)
}
