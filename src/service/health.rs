//! `/health`: whether an event would be accepted now.

use http::StatusCode;
use serde::Serialize;

use super::answer::{Answer, Service};
use super::json::json_response;
use super::problem::Refusal;
use crate::archive::account::Account;
use crate::clock_faults::{self, ClockFaults};
use crate::platform::Platform;
use crate::settings::Ingest;

impl<P: Platform> Service<'_, P> {
    /// 200 if the settings are valid and the store answers; otherwise the status that an event would get, and the
    /// reason. A full store shows only when something is written. Clock faults and failing checks of appliances are
    /// reported, and do not make the service unready.
    pub(super) async fn health(&self) -> Answer {
        let ingest = self.variables.settings().ok().map(|settings| settings.ingest.as_str());
        let (refusal, detail) = match self.readiness().await {
            Ok((clocks, checks)) => {
                let details: Vec<_> = wrong_clocks(clocks).into_iter().chain(checks).collect();
                (None, (!details.is_empty()).then(|| details.join(". ")))
            }
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

    /// The current clock faults and failing checks, or the reason why the next event cannot be accepted.
    async fn readiness(&self) -> Result<(ClockFaults, Option<String>), Refusal> {
        if self.settings()?.ingest == Ingest::Shut {
            return Err(Refusal::Shut);
        }
        let clocks = clock_faults::current(self.platform.store(), self.platform.now()).await?;
        Ok((clocks, self.failing_checks().await?))
    }

    /// The faults of checks without their sites, for the same reason as those of clocks.
    async fn failing_checks(&self) -> Result<Option<String>, Refusal> {
        let mut states = Vec::new();
        for appliance in &self.settings()?.appliances {
            let account = Account::load(self.platform.store(), &appliance.site).await?;
            let state = account.and_then(|account| account.fault).map(|fault| fault.state);
            states.extend(state.filter(|state| !states.contains(state)));
        }
        Ok((!states.is_empty())
            .then(|| format!("appliance: checks fail ({}); GET /api/appliances says why", states.join(", "))))
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
