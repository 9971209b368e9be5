//! From a request for a report to its XML.

use super::options::{ApiFaults, MissingPermission, ReportNamespace};
use super::query::{ReportFault, ReportQuery};
use super::report::{ListedSession, session_list, session_summary_list};
use super::sessions::{ReportMoment, ReportWindow, SessionRegister};

/// What a report is written from.
pub struct ReportingContext<'a> {
    /// The sessions.
    pub sessions: &'a SessionRegister,
    /// The faults at this moment.
    pub faults: &'a ApiFaults,
    /// The namespace.
    pub namespace: ReportNamespace,
    /// The machine's time and the lag.
    pub moment: ReportMoment,
    /// The appliance's time in Unix seconds.
    pub now: i64,
}

impl ReportingContext<'_> {
    /// The XML of a report.
    pub fn report(&self, parameters: &[(String, String)]) -> Result<String, ReportFault> {
        if self.faults.missing_permission == Some(MissingPermission::Error) {
            return Err(ReportFault::Permission);
        }
        let sessions = match ReportQuery::parse(parameters, self.now)? {
            ReportQuery::Sessions(lsids) => self.sessions.find(lsids.iter().map(String::as_str), self.moment),
            ReportQuery::Window(window) => self.sessions.within(window, self.moment),
            ReportQuery::Listing(window) => return self.listing(window),
        };
        if sessions.is_empty() {
            return Err(ReportFault::Nothing);
        }
        Ok(session_list(&sessions, self.namespace, self.now.unsigned_abs()))
    }

    fn listing(&self, window: ReportWindow) -> Result<String, ReportFault> {
        let sessions = self.sessions.within(window, self.moment).into_iter();
        let listed = sessions.filter(|session| !self.faults.unlisted.contains(&session.lsid)).map(|session| {
            let has_recording = session.recording.is_some();
            ListedSession { lsid: session.lsid, external_key: session.external_key, has_recording }
        });
        let invented = self.faults.invented.iter().map(|lsid| ListedSession {
            lsid: lsid.clone(),
            external_key: None,
            has_recording: false,
        });
        let listed: Vec<_> = listed.chain(invented).collect();
        if listed.is_empty() {
            return Err(ReportFault::Nothing);
        }
        Ok(session_summary_list(&listed, self.namespace))
    }
}
