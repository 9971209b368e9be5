//! `/health`: whether an event would be accepted now.

use http::StatusCode;
use serde::Serialize;

use super::answer::{Answer, Service};
use super::json::json_response;
use super::problem::Refusal;
use crate::clock_faults::{self, ClockFaults};
use crate::platform::Platform;
use crate::settings::Ingest;

impl<P: Platform> Service<'_, P> {
    /// 200 if the settings are valid and the store answers; otherwise the status that an event would get, and the
    /// reason. A full store shows only when something is written. Clock faults are reported, and do not make the
    /// service unready.
    pub(super) async fn health(&self) -> Answer {
        let ingest = self.variables.settings().ok().map(|settings| settings.ingest.as_str());
        let (refusal, detail) = match self.readiness().await {
            Ok(faults) => (None, wrong_clocks(faults)),
            Err(refusal) => {
                let detail = refusal.to_string();
                (Some(refusal), Some(detail))
            }
        };
        let status = refusal.as_ref().map_or(StatusCode::OK, Refusal::status);
        let health = HealthResponse { ready: refusal.is_none(), ingest, detail };
        let mut response = json_response(status, "application/json", &health);
        response.headers_mut().extend(refusal.iter().flat_map(Refusal::headers));
        Answer { log: refusal.and_then(|refusal| refusal.log()), ..Answer::new(response) }
    }

    /// The current clock faults, or the reason why the next event cannot be accepted.
    async fn readiness(&self) -> Result<ClockFaults, Refusal> {
        if self.settings()?.ingest == Ingest::Shut {
            return Err(Refusal::Shut);
        }
        Ok(clock_faults::current(self.platform.store(), self.platform.now()).await?)
    }
}

/// The clock faults without their sites: clients of `/health` are not authenticated.
fn wrong_clocks(faults: ClockFaults) -> Option<String> {
    let mut texts = Vec::new();
    for text in faults.iter().map(|fault| fault.detail) {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    (!texts.is_empty()).then(|| format!("clock: {}", texts.join(". ")))
}

/// The body of `GET /health`.
#[derive(Serialize)]
struct HealthResponse {
    ready: bool,
    /// `open`, `guarded` or `shut`; `null` if a setting is invalid.
    ingest: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}
