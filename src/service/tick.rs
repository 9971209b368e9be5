//! `/tick`: does what is due, also while no events arrive. A scheduler calls it; our host does so by itself.

use futures_util::future::join;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde::Serialize;

use super::answer::{Answer, Service};
use super::auth;
use super::json::json_response;
use super::problem::Refusal;
use crate::archive;
use crate::archive::compaction::CompactionReport;
use crate::clock_faults::{self, ClockFaults};
use crate::forward::state::DestinationState;
use crate::forward::status::{self, DestinationStatus};
use crate::platform::Platform;
use crate::settings::Settings;
use crate::store::StoreError;

impl<P: Platform> Service<'_, P> {
    /// Compacts if it is due, and runs deliveries to each destination. The answer to a GET says what is pending and
    /// when it can be sent, so the scheduler knows when to call again; this takes a list of keys.
    pub(super) async fn tick(&self, head: &Parts) -> Result<Answer, Refusal> {
        let settings = self.settings()?;
        auth::scheduler(head, settings.tick_tokens.as_ref())?;
        let (delivered, (due, packing)) =
            join(self.deliver(settings), self.compact_if_due(&settings.packing, &settings.destinations)).await;
        let lines: Vec<_> = delivered.into_iter().chain(packing).collect();
        let log = (!lines.is_empty()).then(|| lines.join("\n"));
        if head.method == Method::POST {
            return Ok(Answer { log, ..Answer::new(Response::new(Vec::new())) });
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
        let ticked = Ticked { pending, resting_seconds, pass: due.report, destinations, clock_faults };
        Ok(Answer { log, ..Answer::new(json_response(StatusCode::OK, "application/json", &ticked)) })
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
    /// The number of events and replays to send, for all destinations together.
    pending: usize,
    /// The seconds until something can be sent: each destination with something to send waits.
    resting_seconds: u64,
    pass: Option<CompactionReport>,
    destinations: Vec<DestinationStatus>,
    /// The clock faults of the last day.
    clock_faults: ClockFaults,
}
