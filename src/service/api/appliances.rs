//! The appliances whose sessions are reconciled: their states, and a check on request.

use http::Response;
use http::request::Parts;
use serde::Serialize;

use super::query::Query;
use super::responses::json;
use crate::appliance_api::status::{self, ApplianceStatus};
use crate::identity::Site;
use crate::platform::Platform;
use crate::service::answer::Service;
use crate::service::problem::Refusal;

impl<P: Platform> Service<'_, P> {
    pub(super) async fn appliances(&self, head: &Parts) -> Result<Response<Vec<u8>>, Refusal> {
        Query::parse(head, &[])?;
        let appliances = status::load_all(self.platform, &self.settings()?.appliances).await?;
        Ok(json(&ApplianceList { appliances }))
    }

    /// Checks a site now, whatever it waits for, and answers with its state.
    pub(super) async fn check_appliance(
        &self,
        head: &Parts,
        site: &Site,
        log: &mut Vec<String>,
    ) -> Result<Response<Vec<u8>>, Refusal> {
        Query::parse(head, &[])?;
        let settings = self.settings()?;
        let checked = self.checks(settings).run_site(site).await.ok_or(Refusal::Absent("appliance"))?;
        log.extend(checked.log);
        let appliance: Vec<_> =
            settings.appliances.iter().filter(|appliance| appliance.site == *site).cloned().collect();
        let mut states = status::load_all(self.platform, &appliance).await?;
        let status = states.pop().ok_or(Refusal::Absent("appliance"))?;
        Ok(json(&CheckedAppliance { stored: checked.stored, status }))
    }
}

#[derive(Serialize)]
struct ApplianceList {
    appliances: Vec<ApplianceStatus>,
}

#[derive(Serialize)]
struct CheckedAppliance {
    /// The number of reports that this check stored.
    stored: usize,
    #[serde(flatten)]
    status: ApplianceStatus,
}
