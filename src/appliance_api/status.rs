//! The state of each site's checks, as the API, the page, `/health` and metrics show it.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat};
use serde::Serialize;

use super::setting::Appliance;
use crate::archive::account::Account;
use crate::archive::unannounced::count_unannounced;
use crate::archive::{self, View};
use crate::event::Timestamp;
use crate::platform::Platform;
use crate::store::StoreError;

/// The state of a site's checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ApplianceStatus {
    /// The site.
    pub site: String,
    /// Scheme, host and port of the appliance.
    pub url: String,
    /// `working`, `not-checked` before the first answer, or the name of the fault.
    pub state: String,
    /// What is wrong and what to change, if anything is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Since when it is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<String>,
    /// Every session that ended before this time is here, by the appliance's clock.
    pub complete_through: Option<String>,
    /// The seconds between that time and the appliance's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behind_seconds: Option<u64>,
    /// Whether the site sends no events, so that nothing can be missed.
    pub polled: bool,
    /// The number of sessions that ended more than an hour before `complete_through` and were never announced.
    pub missed: usize,
    /// When the next check is due at the latest.
    pub next_check: Option<String>,
    /// Sessions whose reports could not be read, each with the reason.
    pub unreadable: BTreeMap<String, String>,
}

/// The states of all configured appliances.
pub async fn load_all<P: Platform>(platform: &P, appliances: &[Appliance]) -> Result<Vec<ApplianceStatus>, StoreError> {
    let mut all = Vec::new();
    for appliance in appliances {
        let account = Account::load(platform.store(), &appliance.site).await?.unwrap_or_else(Account::unknown);
        let missed = match account.missed_before() {
            Some(before) => count_missed(platform, appliance, before).await?,
            None => 0,
        };
        all.push(status(platform, appliance, account, missed));
    }
    Ok(all)
}

async fn count_missed<P: Platform>(
    platform: &P,
    appliance: &Appliance,
    before: Timestamp,
) -> Result<usize, StoreError> {
    let count = async |view: &mut View<'_, P::Store>| count_unannounced(view, &appliance.site, before).await;
    archive::read_view(platform, count).await
}

fn status<P: Platform>(platform: &P, appliance: &Appliance, account: Account, missed: usize) -> ApplianceStatus {
    let now = platform.now();
    let behind = account.complete_through().map(|through| {
        let appliance_now = u64::try_from(account.appliance_seconds(now.timestamp_millis())).unwrap_or(0);
        appliance_now.saturating_sub(through.seconds())
    });
    let state = match &account.fault {
        Some(fault) => fault.state.clone(),
        None if account.begun => "working".to_owned(),
        None => "not-checked".to_owned(),
    };
    ApplianceStatus {
        site: appliance.site.as_str().to_owned(),
        url: appliance.url.origin().to_owned(),
        state,
        detail: account.fault.as_ref().map(|fault| fault.detail.clone()),
        failing_since: account.fault.as_ref().and_then(|fault| rfc3339(fault.since)),
        complete_through: account.complete_through().map(Timestamp::rfc3339),
        behind_seconds: behind,
        polled: account.begun && !account.announces,
        missed,
        next_check: account.next.filter(|next| next.holds(now)).and_then(|next| rfc3339(next.end())),
        unreadable: account.unreadable,
    }
}

/// Formats a time in Unix milliseconds.
fn rfc3339(millis: i64) -> Option<String> {
    DateTime::from_timestamp_millis(millis).map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
}
