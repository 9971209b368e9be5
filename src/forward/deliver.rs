//! Delivers one event, or several in one request: builds the request, waits for the answer, and reads the beginning of
//! its body.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use http::{Request, StatusCode};

use super::budget::OutOf;
use super::destination::Authentication;
use super::lease::{RENEWAL, Renewal};
use super::outcome::{DeliveryOutcome, DestinationAnswer, SentRequest, TIMEOUT, status_text};
use super::request::{self, EventToSend};
use super::run::{DeliveryRun, RunResult, Stop};
use super::state::DeliveryAttempt;
use super::{content, timeline};
use crate::archive::pack::RecordEntry;
use crate::http_client::{HttpClient as _, NotSent};
use crate::platform::Platform;
use crate::session::Timeline;

/// The outcome of a request, and the status of the answer if there was one.
struct Exchange {
    outcome: DeliveryOutcome,
    status: Option<StatusCode>,
}

impl<P: Platform> DeliveryRun<'_, P> {
    /// Sends events in one request and returns the outcome, which the caller must record.
    pub(super) async fn deliver(&mut self, entries: &[RecordEntry]) -> RunResult<DeliveryOutcome> {
        self.check_budget().await?;
        let sessions = self.sessions(entries).await?;
        let events = entries.iter().zip(&sessions);
        let events: Vec<_> = events.map(|(entry, session)| EventToSend { entry, session: session.as_ref() }).collect();
        let exchange = self.exchange(&events).await?;
        // A server may forget tokens before they expire.
        let is_rejected = exchange.status == Some(StatusCode::UNAUTHORIZED) && self.token.take().is_some();
        if is_rejected && self.budget.has_time(self.platform) && self.has_requests(2) {
            self.needs_fresh_token = true;
            // The failure counts if the request could not be sent again.
            return match self.exchange(&events).await {
                Ok(second) => Ok(second.outcome),
                Err(stop) => self.after_probe(exchange.outcome, Err(stop)),
            };
        }
        Ok(exchange.outcome)
    }

    /// Sends a request, after one for an access token if it needs one.
    async fn exchange(&mut self, events: &[EventToSend<'_>]) -> RunResult<Exchange> {
        let push = self.push;
        if let Authentication::OAuth2(credentials) = &push.authentication
            && self.token.is_none()
        {
            let began = self.platform.monotonic();
            if let Err(failure) = self.get_token(credentials).await? {
                self.note_attempt(events, began, "no access token".to_owned());
                return Ok(Exchange { outcome: DeliveryOutcome::Failed(failure), status: None });
            }
            // Whatever time that took: a run that ends here would deliver nothing, and the next one no more.
            if self.lease.renew_if_due(self.platform, &self.destination.name).await? == Renewal::Lost {
                return Err(Stop::OutOf(OutOf::Lease));
            }
        }
        let (secrets, now) = (&self.destination.secrets, self.platform.now());
        let refused = |reason| Ok(Exchange { outcome: DeliveryOutcome::Refused(reason), status: None });
        let request = match request::request(push, secrets, events, self.token.as_deref(), now) {
            Ok(request) => request,
            Err(reason) => return refused(reason),
        };
        let fits = push.batch.is_none_or(|limits| request.body().len() <= limits.max_bytes);
        if !fits && events.len() > 1 {
            return refused("they exceed max_bytes".to_owned());
        }
        if !self.has_requests(1) {
            return Err(Stop::OutOf(OutOf::Requests));
        }
        self.lease.state.requests += 1;
        let began = self.platform.monotonic();
        let answer = self.answer(request, TIMEOUT).await?;
        let status = answer.as_ref().ok().map(|answer| answer.status());
        let sent = SentRequest { push, secrets, token: self.token.as_deref(), events: events.len() };
        let outcome = sent.outcome(self.platform.http_client(), answer, self.platform.now()).await;
        self.note_attempt(
            events,
            began,
            match (&outcome, status) {
                (DeliveryOutcome::Failed(failure), None) => failure.reason.clone(),
                (_, status) => status.map(status_text).unwrap_or_default(),
            },
        );
        Ok(Exchange { outcome, status })
    }

    pub(super) fn has_requests(&self, more: u32) -> bool {
        self.budget.has_requests(more, &self.lease.state)
    }

    /// Notes an attempt in the state: `began` is a reading of the monotonic clock.
    fn note_attempt(&mut self, events: &[EventToSend<'_>], began: Duration, answer: String) {
        let Some(first) = events.first() else { return };
        let took = self.platform.elapsed(began);
        let at = self.platform.now() - took;
        self.lease.state.note_attempt(DeliveryAttempt {
            at: at.timestamp_millis(),
            event: first.entry.key.id.text(),
            events: events.len(),
            answer,
            milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        });
    }

    /// Waits for the head of the response, and renews the lease meanwhile.
    pub(super) async fn answer(
        &mut self,
        request: Request<Vec<u8>>,
        timeout: Duration,
    ) -> RunResult<DestinationAnswer<P::HttpClient>> {
        let client = self.platform.http_client();
        let began = self.platform.monotonic();
        let mut sending = pin!(client.send(request));
        loop {
            match select(sending.as_mut(), pin!(client.wait(RENEWAL))).await {
                Either::Left((response, _)) => return Ok(response),
                Either::Right(_) if self.platform.elapsed(began) >= timeout => {
                    return Ok(Err(NotSent(format!("it did not answer within {} s", timeout.as_secs()))));
                }
                // If the lease is lost, the answer still counts: the destination may have accepted the event.
                Either::Right(_) => _ = self.lease.renew_if_due(self.platform, &self.destination.name).await?,
            }
        }
    }

    /// The session of each event, for a template that asks for it.
    async fn sessions(&mut self, entries: &[RecordEntry]) -> RunResult<Vec<Option<Timeline>>> {
        let mut sessions = Vec::with_capacity(entries.len());
        for entry in entries {
            if !content::needs_session(self.push) {
                sessions.push(None);
                continue;
            }
            self.check_budget().await?;
            sessions.push(timeline::of_event(self.platform, entry).await?);
        }
        Ok(sessions)
    }
}
