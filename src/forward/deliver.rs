//! Delivers one event: builds the request, waits for the answer, and reads the beginning of its body.

use std::pin::pin;

use futures_util::future::{Either, select};
use http::Request;

use super::budget::OutOf;
use super::lease::RENEWAL;
use super::outcome::{DeliveryOutcome, DestinationAnswer, TIMEOUT};
use super::request;
use super::run::{DeliveryRun, RunResult, Stop};
use crate::archive::pack::RecordEntry;
use crate::archive::{self, View, events};
use crate::http_client::{HttpClient as _, NotSent};
use crate::platform::Platform;
use crate::session::Timeline;
use crate::store::StoreError;

/// The largest number of a session's events that a template can see, and of their bytes.
const MAX_OF_SESSION: (usize, usize) = (2_000, 4 << 20);

impl<P: Platform> DeliveryRun<'_, P> {
    /// Sends an event and returns the outcome, which the caller must record.
    pub(super) async fn deliver(&mut self, entry: &RecordEntry) -> RunResult<DeliveryOutcome> {
        self.check_budget().await?;
        if !self.budget.has_requests(1, &self.lease.state) {
            return Err(Stop::OutOf(OutOf::Requests));
        }
        let session = self.session(entry).await?;
        let request =
            request::request(self.push, &self.destination.secrets, entry, session.as_ref(), self.platform.now());
        match request {
            Ok(request) => {
                self.lease.state.requests += 1;
                self.exchange(request).await
            }
            Err(reason) => Ok(DeliveryOutcome::Refused(reason)),
        }
    }

    async fn exchange(&mut self, request: Request<Vec<u8>>) -> RunResult<DeliveryOutcome> {
        let answer = self.answer(request).await?;
        let (client, secrets) = (self.platform.http_client(), &self.destination.secrets);
        Ok(DeliveryOutcome::from_answer(client, answer, self.push, secrets, self.platform.now()).await)
    }

    /// Waits for the head of the response, and renews the lease meanwhile.
    async fn answer(&mut self, request: Request<Vec<u8>>) -> RunResult<DestinationAnswer<P::HttpClient>> {
        let client = self.platform.http_client();
        let began = self.platform.monotonic();
        let mut sending = pin!(client.send(request));
        loop {
            match select(sending.as_mut(), pin!(client.wait(RENEWAL))).await {
                Either::Left((response, _)) => return Ok(response),
                Either::Right(_) if self.platform.elapsed(began) >= TIMEOUT => {
                    return Ok(Err(NotSent(format!("it did not answer within {} s", TIMEOUT.as_secs()))));
                }
                // If the lease is lost, the answer still counts: the destination may have accepted the event.
                Either::Right(_) => _ = self.lease.renew_if_due(self.platform, &self.destination.name).await?,
            }
        }
    }

    /// The session, for a template. `None` if it exceeds the limits.
    async fn session(&self, entry: &RecordEntry) -> Result<Option<Timeline>, StoreError> {
        let Some(lsid) = entry.key.lsid.as_ref().filter(|_| request::needs_session(self.push)) else { return Ok(None) };
        let (most, bytes) = MAX_OF_SESSION;
        let entries = archive::read_view(self.platform, async |view: &mut View<'_, P::Store>| {
            events::records_of_session(view, &entry.key.site, lsid, most, bytes).await
        });
        let Some(mut entries) = entries.await? else { return Ok(None) };
        RecordEntry::sort(&mut entries);
        let events: Vec<_> = entries.iter().filter_map(|entry| Some((entry.event().ok()?, entry.delivered))).collect();
        Ok(Some(Timeline::new(events.iter().map(|(event, delivered)| (event, *delivered)))))
    }
}
