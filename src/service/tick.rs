//! `/tick`: does what is due, also while no events arrive. A scheduler calls it. Our host does so by itself, and calls
//! `/tick/deliveries` and `/tick/checks` apart: an appliance that answers slowly must not delay deliveries.

use futures_util::future::join;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde::Serialize;

use super::answer::{Answer, Service};
use super::auth;
use super::json::json_response;
use super::problem::Refusal;
use crate::appliance_api::status::ApplianceStatus;
use crate::appliance_api::{self, CheckOutcome, Checks};
use crate::archive::compaction::CompactionReport;
use crate::archive::now::{SiteNow, open_now};
use crate::archive::statistics::Zone;
use crate::archive::{self, View};
use crate::clock_faults::{self, ClockFaults};
use crate::event::Timestamp;
use crate::forward::state::DestinationState;
use crate::forward::status::{self, DestinationStatus};
use crate::platform::Platform;
use crate::settings::Settings;
use crate::store::StoreError;

/// The work of a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TickWork {
    /// All of it.
    All,
    /// Deliveries and compaction.
    Deliveries,
    /// Checks of appliances, and the delivery of the reports that they store.
    Checks,
}

impl<P: Platform> Service<'_, P> {
    /// Does what is due. The answer to a GET says what is left and when it is due, so the scheduler knows when to call
    /// again; this takes a list of keys.
    pub(super) async fn tick(&self, head: &Parts, work: TickWork) -> Result<Answer, Refusal> {
        let settings = self.settings()?;
        auth::scheduler(head, settings.tick_tokens.as_ref())?;
        let is_for_answer = head.method != Method::POST;
        let (deliveries, checks) = join(
            async {
                if work == TickWork::Checks {
                    Ok(None)
                } else {
                    self.tick_deliveries(settings, is_for_answer).await.map(Some)
                }
            },
            async {
                if work == TickWork::Deliveries {
                    Ok(None)
                } else {
                    self.tick_checks(settings, is_for_answer).await.map(Some)
                }
            },
        )
        .await;
        let (deliveries, checks) = (deliveries?, checks?);
        let mut lines = Vec::new();
        let deliveries = deliveries.map(|(log, ticked)| {
            lines.extend(log);
            ticked
        });
        let checks = checks.map(|(log, ticked)| {
            lines.extend(log);
            ticked
        });
        let response = if is_for_answer {
            let ticked = Ticked { deliveries: deliveries.flatten(), checks: checks.flatten() };
            json_response(StatusCode::OK, "application/json", &ticked)
        } else {
            Response::new(Vec::new())
        };
        Ok(Answer::new(response).with_log(lines))
    }

    /// Compacts if it is due, and runs deliveries to each destination.
    async fn tick_deliveries(
        &self,
        settings: &Settings,
        is_for_answer: bool,
    ) -> Result<(Vec<String>, Option<TickedDeliveries>), Refusal> {
        let (delivered, (due, packing)) =
            join(self.deliver(settings), self.compact_if_due(&settings.packing, &settings.destinations)).await;
        let lines = delivered.into_iter().chain(packing).collect();
        if !is_for_answer {
            return Ok((lines, None));
        }
        let mut destinations = Vec::new();
        if !settings.destinations.is_empty() {
            let listing = archive::list_visible(self.platform.store(), self.platform.now()).await?;
            for destination in &settings.destinations {
                destinations.push(status::load(self.platform.store(), destination, &listing).await?);
            }
        }
        let pending = destinations.iter().map(to_send).sum();
        let resting_seconds = self.resting_seconds(settings, &destinations).await?;
        let clock_faults = clock_faults::current(self.platform.store(), self.platform.now()).await?;
        let sites = self.open_by_site().await?;
        let ticked = TickedDeliveries { pending, resting_seconds, pass: due.report, destinations, clock_faults, sites };
        Ok((lines, Some(ticked)))
    }

    /// What is open at each site. Today begins at midnight in UTC.
    async fn open_by_site(&self) -> Result<Vec<SiteNow>, Refusal> {
        let now = self.platform.now();
        let today = u64::try_from(now.timestamp()).ok().and_then(Timestamp::from_seconds).unwrap_or_default();
        let midnight = Zone::utc().midnight(today);
        let read = async |view: &mut View<'_, P::Store>| open_now(view, None, now, midnight).await;
        Ok(archive::read_view(self.platform, read).await?.sites)
    }

    /// Runs the checks that are due, and delivers the reports that they stored.
    async fn tick_checks(
        &self,
        settings: &Settings,
        is_for_answer: bool,
    ) -> Result<(Vec<String>, Option<TickedChecks>), Refusal> {
        let checks = self.checks(settings);
        let CheckOutcome { stored, log: mut lines } = checks.run_due().await?;
        if stored > 0 {
            lines.extend(self.deliver(settings).await);
        }
        if !is_for_answer {
            return Ok((lines, None));
        }
        let check_seconds = checks.next().await?.map(|wait| wait.as_millis().div_ceil(1_000) as u64);
        let appliances = appliance_api::status::load_all(self.platform, &settings.appliances).await?;
        Ok((lines, Some(TickedChecks { check_seconds, appliances })))
    }

    /// The checks of the configured appliances.
    pub(super) fn checks<'s>(&'s self, settings: &'s Settings) -> Checks<'s, P> {
        Checks {
            platform: self.platform,
            appliances: &settings.appliances,
            retention_days: settings.packing.retention_days,
        }
    }

    /// The shortest wait among the destinations that have something to send, in seconds; 0 if one need not wait.
    async fn resting_seconds(&self, settings: &Settings, all: &[DestinationStatus]) -> Result<u64, StoreError> {
        let now = self.platform.now();
        let mut shortest: Option<u64> = None;
        for (destination, status) in settings.destinations.iter().zip(all) {
            if to_send(status) > 0 {
                let state = DestinationState::load(self.platform.store(), &destination.name).await?;
                let rest =
                    state.rest.filter(|rest| rest.holds(now)).map_or(0, |rest| rest.end() - now.timestamp_millis());
                let rest = u64::try_from(rest).unwrap_or(0).div_ceil(1_000);
                shortest = Some(shortest.map_or(rest, |shortest| shortest.min(rest)));
            }
        }
        Ok(shortest.unwrap_or(0))
    }
}

/// The number of events and replays to send to a destination: 0 if it pulls or is paused.
fn to_send(status: &DestinationStatus) -> usize {
    let is_sent_to = status.origin.is_some() && status.paused.is_none();
    if is_sent_to { status.pending + status.replays } else { 0 }
}

#[derive(Serialize)]
struct Ticked {
    #[serde(flatten)]
    deliveries: Option<TickedDeliveries>,
    #[serde(flatten)]
    checks: Option<TickedChecks>,
}

#[derive(Serialize)]
struct TickedChecks {
    /// The seconds until the next check of an appliance is due, by what is known now. `null` without appliances.
    check_seconds: Option<u64>,
    appliances: Vec<ApplianceStatus>,
}

#[derive(Serialize)]
struct TickedDeliveries {
    /// The number of events and replays to send, for all destinations together.
    pending: usize,
    /// The seconds until something can be sent: each destination with something to send waits.
    resting_seconds: u64,
    pass: Option<CompactionReport>,
    destinations: Vec<DestinationStatus>,
    /// The clock faults of the last day.
    clock_faults: ClockFaults,
    /// What is open at each site.
    sites: Vec<SiteNow>,
}
