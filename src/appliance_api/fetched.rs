//! What an answer with reports becomes.

use crate::event::Lsid;
use crate::report::SessionReport;

/// The report of an ended session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedSession {
    /// The session.
    pub lsid: Lsid,
    /// Its external key, if it has one: at most 1,024 characters.
    pub external_key: Option<String>,
    /// The report.
    pub report: SessionReport,
}

/// A session of an answer that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableSession {
    /// The session, if its id is valid.
    pub lsid: Option<Lsid>,
    /// The fault. Completes a sentence that begins with the session.
    pub reason: String,
}

/// The sessions of an answer. A session that was asked for and is in no list is not known to the appliance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchedSessions {
    /// The reports of ended sessions.
    pub sessions: Vec<ReportedSession>,
    /// Sessions that have not ended, by the appliance's report: it lags the events.
    pub not_ready: Vec<Lsid>,
    /// Sessions that cannot be used.
    pub unreadable: Vec<UnreadableSession>,
}
