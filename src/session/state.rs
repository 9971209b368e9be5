//! How a session stands.

use serde::Serialize;

/// How a session stands, as far as its events tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionState {
    /// It has begun and not ended.
    Open,
    /// It has begun and ended.
    Ended,
    /// Its begin is not there: it was before our time, was deleted, or is yet to come.
    Incomplete,
}

impl SessionState {
    /// Reads `open`, `ended` or `incomplete`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "open" => Ok(Self::Open),
            "ended" => Ok(Self::Ended),
            "incomplete" => Ok(Self::Incomplete),
            _ => Err("is none of open, ended and incomplete"),
        }
    }

    /// The state of a session whose begin and end are known, or not.
    pub(crate) fn from_begin_and_end(begun: bool, ended: bool) -> Self {
        match (begun, ended) {
            (true, false) => Self::Open,
            (true, true) => Self::Ended,
            (false, _) => Self::Incomplete,
        }
    }
}
