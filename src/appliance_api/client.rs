//! A client of one appliance.

use super::error::ApiError;
use super::setting::Appliance;
use crate::event::{Lsid, Timestamp};
use crate::platform::Platform;
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

/// The sessions of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchedSessions {
    /// The reports of ended sessions.
    pub sessions: Vec<ReportedSession>,
    /// Sessions that have not ended, by the appliance's report: it lags the events.
    pub not_ready: Vec<Lsid>,
    /// Sessions that cannot be used.
    pub unreadable: Vec<UnreadableSession>,
}

/// A client of one appliance, with a token that lives as long as it.
#[derive(Debug)]
pub struct ApplianceClient<'a, P> {
    platform: &'a P,
    appliance: &'a Appliance,
}

impl<'a, P: Platform> ApplianceClient<'a, P> {
    /// Gets a token.
    pub async fn connect(platform: &'a P, appliance: &'a Appliance) -> Result<Self, ApiError> {
        Ok(Self { platform, appliance })
    }

    /// The appliance's clock at its last answer. It can be wrong by any amount, like any clock.
    pub fn appliance_now(&self) -> Result<Timestamp, ApiError> {
        Err(ApiError::NoDate)
    }

    /// The sessions that ended within `seconds` from `from`. `ApiError::TooLarge`: ask for a shorter time.
    pub async fn list_ended(&mut self, from: Timestamp, seconds: u64) -> Result<Vec<Lsid>, ApiError> {
        let _ = (self.platform.now(), &self.appliance.site, from, seconds);
        Err(ApiError::Unreachable("not yet".to_owned()))
    }

    /// The reports of these sessions. One that the appliance does not know is in no list.
    pub async fn reports(&mut self, lsids: &[Lsid]) -> Result<FetchedSessions, ApiError> {
        let _ = lsids;
        Err(ApiError::Unreachable("not yet".to_owned()))
    }
}
