//! Requests with several events, for destinations that ask for them. A request is delivered or not as a whole.
//!
//! - A batch that is *refused*, or whose body exceeds `max_bytes`, is *narrowed*: the next one has half as many events,
//!   until the event at fault stands alone and is refused.
//! - A batch that *fails* is tried again as a whole, like an event. After five failures its events are sent one by one.
//!   One that fails alone is treated like any event, so the probe finds it in the end.
//!
//! How far it is narrowed is a part of the stored state ([`super::state::NarrowedBatch`]): a run that ends in between
//! does not begin anew.

use std::collections::VecDeque;
use std::time::Duration;

use super::content;
use super::destination::BatchLimits;
use super::lease::RENEWAL;
use super::outcome::DeliveryOutcome;
use super::pending::Queue;
use super::probe::FAILURES;
use super::run::{DeliveryRun, RunResult};
use crate::archive::pack::RecordEntry;
use crate::http_client::HttpClient as _;
use crate::identity::Id;
use crate::platform::Platform;

/// The part of a run's time that is not spent on waiting for more events.
const MARGIN: Duration = Duration::from_secs(2);

/// The most events of a request whose template asks for their sessions: each is read from the store.
const MAX_WITH_SESSIONS: usize = 10;

impl<P: Platform> DeliveryRun<'_, P> {
    /// Waits for more events, unless there are enough for a request, or the run ends soon.
    pub(super) async fn wait_for_more(&mut self, queue: &Queue, limits: BatchLimits) -> RunResult {
        let began = self.platform.monotonic();
        let most = limits.max_wait.min(self.budget.time_left(self.platform).saturating_sub(MARGIN));
        while queue.len() < limits.max_events {
            self.check_budget().await?;
            let left = most.saturating_sub(self.platform.elapsed(began));
            if left.is_zero() {
                break;
            }
            self.platform.http_client().wait(left.min(RENEWAL)).await;
        }
        Ok(())
    }

    /// Sends the events of the queue, as many in a request as the limits allow.
    pub(super) async fn send_batches(&mut self, queue: &mut Queue, limits: BatchLimits) -> RunResult {
        let mut waiting = VecDeque::new();
        loop {
            let batch = self.next_batch(&mut waiting, queue, limits).await?;
            if batch.is_empty() {
                return Ok(());
            }
            self.send_batch(batch, &mut waiting, queue).await?;
        }
    }

    /// The next events for one request: those that wait, then those of the queue.
    pub(super) async fn next_batch(
        &mut self,
        waiting: &mut VecDeque<RecordEntry>,
        queue: &mut Queue,
        limits: BatchLimits,
    ) -> RunResult<Vec<RecordEntry>> {
        let (mut batch, mut bytes, mut most) = (Vec::new(), 0_usize, limits.max_events);
        while batch.len() < most {
            let entry = match waiting.pop_front() {
                Some(entry) => entry,
                None => match self.next(queue).await? {
                    Some(entry) => entry,
                    None => break,
                },
            };
            bytes = bytes.saturating_add(entry.value.len());
            if bytes > limits.max_bytes && !batch.is_empty() {
                waiting.push_front(entry);
                break;
            }
            if batch.is_empty() {
                most = self.batch_size(entry.key.id, limits);
            }
            batch.push(entry);
        }
        Ok(batch)
    }

    /// The number of events of the request that begins with this one.
    fn batch_size(&mut self, first: Id, limits: BatchLimits) -> usize {
        if self.lease.state.failures_of(first).saturating_add(1) >= FAILURES {
            self.lease.state.narrow_to_one();
        }
        let narrowed = self.lease.state.narrowed.as_ref().map_or(usize::MAX, |narrowed| narrowed.next());
        let readable = if content::needs_session(self.push) { MAX_WITH_SESSIONS } else { usize::MAX };
        limits.max_events.min(narrowed).min(readable)
    }

    /// Sends a batch. Returns whether it is done: a batch that is refused waits again, to be sent in parts.
    pub(super) async fn send_batch(
        &mut self,
        mut batch: Vec<RecordEntry>,
        waiting: &mut VecDeque<RecordEntry>,
        queue: &mut Queue,
    ) -> RunResult<bool> {
        if batch.len() == 1
            && let Some(entry) = batch.pop()
        {
            self.send_alone(entry, waiting, queue).await?;
            return Ok(true);
        }
        let outcome = self.deliver(&batch).await?;
        if matches!(outcome, DeliveryOutcome::Refused(_)) {
            self.lease.state.narrow(batch.len());
            batch.into_iter().rev().for_each(|entry| waiting.push_front(entry));
            return Ok(false);
        }
        self.record(&batch, outcome).await?;
        Ok(true)
    }
}
