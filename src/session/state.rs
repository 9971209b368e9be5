//! The state of a session.

use serde::Serialize;

/// The state of a session, according to its events. A session of which the appliance has a report has ended, whatever
/// events are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionState {
    /// It has begun and not ended.
    Open,
    /// It has begun and ended.
    Ended,
    /// Its `begin` event is missing: it was sent before the recipient was set up, was deleted, or is yet to arrive.
    Incomplete,
}

impl SessionState {
    /// Parses `open`, `ended` or `incomplete`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "open" => Ok(Self::Open),
            "ended" => Ok(Self::Ended),
            "incomplete" => Ok(Self::Incomplete),
            _ => Err("must be open, ended or incomplete"),
        }
    }

    pub(crate) fn from_begin_and_end(begun: bool, ended: bool) -> Self {
        match (begun, ended) {
            (true, false) => Self::Open,
            (true, true) => Self::Ended,
            (false, _) => Self::Incomplete,
        }
    }
}
