//! `/tick`: what is due is done, also where no event comes. A scheduler calls it; the host does so by itself.

use futures_util::future::join;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde::Serialize;

use super::answer::{Answer, Service};
use super::auth;
use super::json::json_response;
use super::problem::Refusal;
use crate::archive::Listing;
use crate::archive::compaction::Report;
use crate::clock_faults::{self, ClockFaults};
use crate::forward::standing::{self, Told};
use crate::platform::Platform;

impl<P: Platform> Service<'_, P> {
    /// A pass, if one is due, and a round to each destination. Asked by GET it tells what is still owed, so that who ticks knows when
    /// to come back; that takes a list.
    pub(super) async fn tick(&self, head: &Parts) -> Result<Answer, Refusal> {
        let settings = self.settings()?;
        auth::scheduler(head, settings.tick_tokens.as_ref())?;
        let (rounds, (due, packing)) =
            join(self.rounds(settings), self.pass_if_due(&settings.packing, &settings.destinations)).await;
        let lines: Vec<_> = rounds.into_iter().chain(packing).collect();
        let log = (!lines.is_empty()).then(|| lines.join("\n"));
        if head.method == Method::POST {
            return Ok(Answer { log, ..Answer::new(Response::new(Vec::new())) });
        }
        let mut destinations = Vec::new();
        if !settings.destinations.is_empty() {
            let listing = Listing::of(self.platform.store()).await?;
            for destination in &settings.destinations {
                destinations.push(standing::told(self.platform.store(), destination, &listing).await?);
            }
        }
        let owed = destinations.iter().map(|told| told.owed + told.replays).sum();
        let clock_faults = clock_faults::current(self.platform.store(), self.platform.now()).await?;
        let ticked = Ticked { owed, pass: due.report, destinations, clock_faults };
        Ok(Answer { log, ..Answer::new(json_response(StatusCode::OK, "application/json", &ticked)) })
    }
}

#[derive(Serialize)]
struct Ticked {
    /// How much there is to send, all destinations together.
    owed: usize,
    pass: Option<Report>,
    destinations: Vec<Told>,
    /// Clocks that were seen to be wrong within a day.
    clock_faults: ClockFaults,
}
