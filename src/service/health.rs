//! `/health`: whether an event would be taken now.

use http::StatusCode;
use serde::Serialize;

use super::answer::{Answer, Service};
use super::json::json_response;
use super::problem::Refusal;
use crate::clock_faults::{self, ClockFaults};
use crate::platform::Platform;
use crate::settings::Ingest;

impl<P: Platform> Service<'_, P> {
    /// 200 if the settings are in order and the store answers. Otherwise the status that an event would get, and why. Whether
    /// the store has room left is not known before it is asked to write. Clocks that are wrong are told of, and keep nothing from being
    /// taken.
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

    /// What was seen of clocks; an error if it is known that the next event cannot be taken.
    async fn readiness(&self) -> Result<ClockFaults, Refusal> {
        if self.settings()?.ingest == Ingest::Shut {
            return Err(Refusal::Shut);
        }
        Ok(clock_faults::current(self.platform.store(), self.platform.now()).await?)
    }
}

/// What was seen of clocks, without sites: whoever asks for `/health` has no token.
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
    /// `open`, `guarded` or `shut`; unknown where a setting does not parse.
    ingest: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}
