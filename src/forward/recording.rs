//! Records what became of the events of a request: receipts, refused events, the pause, and failures with their waits.

use std::time::Duration;

use super::commands;
use super::outcome::{DeliveryOutcome, wait};
use super::refused::{MAX_REFUSED, Refused};
use super::run::{DeliveryRun, FailedRequest, RunResult, Stop};
use super::state::{DestinationState, FailureStreak, key};
use crate::archive::pack::RecordEntry;
use crate::deadline::Deadline;
use crate::identity::Id;
use crate::keys::Forwards;
use crate::platform::Platform;
use crate::store::{Store as _, StoreError};

/// A destination is paused after this much waiting for it.
const MAX_FAILING: Duration = Duration::from_secs(3 * 24 * 60 * 60);

impl<P: Platform> DeliveryRun<'_, P> {
    /// Records the outcome of the events of one request.
    pub(super) async fn record(&mut self, entries: &[RecordEntry], outcome: DeliveryOutcome) -> RunResult {
        let Some(first) = entries.first() else { return Ok(()) };
        if !matches!(outcome, DeliveryOutcome::Failed(_) | DeliveryOutcome::Gone) {
            self.lease.state.settle(entries.len());
        }
        match outcome {
            DeliveryOutcome::Delivered { answer } => {
                self.lease.state.answer = answer.or_else(|| self.lease.state.answer.take());
                self.accepted(entries).await
            }
            DeliveryOutcome::PartlyRejected { rejected, reason } => {
                if usize::try_from(rejected).is_ok_and(|rejected| rejected < entries.len()) {
                    // Nobody says which. All of them count as delivered: sent again, the others would be doubled.
                    self.log_line(&reason);
                    (self.lease.state.error, self.lease.state.error_event) = (Some(reason), Some(first.key.id.text()));
                    return self.accepted(entries).await;
                }
                for entry in entries {
                    self.refuse(entry, reason.clone()).await?;
                }
                Ok(())
            }
            DeliveryOutcome::Refused(reason) => {
                for entry in entries {
                    self.refuse(entry, reason.clone()).await?;
                }
                Ok(())
            }
            DeliveryOutcome::Gone => self.pause("it answered 410 Gone: it accepts no more events").await,
            DeliveryOutcome::Failed(failure) => {
                Err(Stop::Failing(FailedRequest { first: first.key.id, events: entries.len(), failure }))
            }
        }
    }

    /// Records that the destination accepted these events.
    async fn accepted(&mut self, entries: &[RecordEntry]) -> RunResult {
        self.lease.state.failing = None;
        self.lease.state.succeeded = Some(self.platform.now().timestamp_millis());
        for entry in entries {
            self.lease.state.forget_failures_of(entry.key.id);
            self.receipt.add(entry.key.id);
        }
        for entry in entries {
            self.unlist(entry.key.id).await?;
        }
        Ok(())
    }

    pub(super) async fn refuse(&mut self, entry: &RecordEntry, reason: String) -> RunResult {
        let id = entry.key.id;
        let refused = Refused::new(entry, &reason, self.platform.now());
        let line = refused.write(self.platform.store(), &self.destination.name).await?;
        self.log.push(line);
        self.lease.state.forget_failures_of(id);
        self.refused.insert(id);
        let pauses = self.refused.len() >= MAX_REFUSED;
        let why = format!("it refused {MAX_REFUSED} events, the last because {reason}");
        (self.lease.state.error, self.lease.state.error_event) = (Some(reason), Some(id.text()));
        if pauses { self.pause(&why).await } else { Ok(()) }
    }

    async fn pause(&mut self, reason: &str) -> RunResult {
        let line = commands::pause(self.platform.store(), &self.destination.name, reason, self.platform.now()).await?;
        self.log.push(line);
        Err(Stop::Paused)
    }

    /// Takes a refused event that is now delivered off the list. The receipt is written first.
    async fn unlist(&mut self, id: Id) -> RunResult {
        if self.refused.remove(&id) {
            self.write_receipt().await?;
            let store = self.platform.store();
            store.delete(&key(&self.destination.name, Forwards::Refused(id))).await?;
        }
        Ok(())
    }

    /// Records a failure: the destination waits, longer each time, and is paused in the end.
    pub(super) async fn fail(&mut self, failed: FailedRequest) -> Result<(), StoreError> {
        let now = self.platform.now();
        let state: &mut DestinationState = &mut self.lease.state;
        let mut failing = state.failing.take().unwrap_or_else(|| FailureStreak::new(now));
        let wait = wait(failing.failures.saturating_add(1), failed.failure.retry_after);
        failing.add(now, wait);
        state.rest = Some(Deadline::new(now, wait));
        let FailedRequest { first, events, failure } = failed;
        // Without an access token nothing was sent: no event is to blame.
        let event = (!failure.is_of_token).then_some(first);
        if let Some(first) = event {
            state.add_failure_of(first, events);
        }
        let reason = failure.reason;
        let line = format!("{reason}; failure {}, next attempt in {} s", failing.failures, wait.as_secs());
        let gives_up = failing.waited.has_reached(MAX_FAILING);
        state.failing = Some(failing);
        (state.error, state.error_event) = (Some(reason.clone()), event.map(Id::text));
        self.log_line(&line);
        if gives_up {
            let why = format!("it has failed for three days: {reason}");
            let line = commands::pause(self.platform.store(), &self.destination.name, &why, now).await?;
            self.log.push(line);
        }
        Ok(())
    }
}
