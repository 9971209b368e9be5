//! Requests with several events, for destinations that ask for them. A request is delivered or not as a whole.
//!
//! - A batch that is *refused* is sent again in two halves, the first one first, until the event at fault stands alone
//!   and is refused. A batch whose body exceeds `max_bytes` is halved the same way, unsent.
//! - A batch that *fails* is tried again as a whole, like an event. From the sixth failure on its events are sent one
//!   by one, so the probe finds the event at fault.

use std::collections::VecDeque;

use super::destination::BatchLimits;
use super::lease::RENEWAL;
use super::outcome::DeliveryOutcome;
use super::pending::Queue;
use super::probe::FAILURES;
use super::run::{DeliveryRun, RunResult};
use crate::archive::pack::RecordEntry;
use crate::http_client::HttpClient as _;
use crate::platform::Platform;

impl<P: Platform> DeliveryRun<'_, P> {
    /// Waits for more events, unless there are enough for a request.
    pub(super) async fn wait_for_more(&mut self, queue: &Queue, limits: BatchLimits) -> RunResult {
        let began = self.platform.monotonic();
        while queue.len() < limits.max_events {
            self.check_budget().await?;
            let left = limits.max_wait.saturating_sub(self.platform.elapsed(began));
            if left.is_zero() {
                break;
            }
            self.platform.http_client().wait(left.min(RENEWAL)).await;
        }
        Ok(())
    }

    /// Sends the events of the queue, as many in a request as the limits allow.
    pub(super) async fn send_batches(&mut self, queue: &mut Queue, limits: BatchLimits) -> RunResult {
        let mut next = None;
        loop {
            let batch = self.next_batch(queue, limits, &mut next).await?;
            if batch.is_empty() {
                return Ok(());
            }
            self.send_batch(batch, queue).await?;
        }
    }

    /// The next events for one request. `next` is the one that did not fit the last.
    pub(super) async fn next_batch(
        &mut self,
        queue: &mut Queue,
        limits: BatchLimits,
        next: &mut Option<RecordEntry>,
    ) -> RunResult<Vec<RecordEntry>> {
        let mut batch: Vec<_> = next.take().into_iter().collect();
        let mut bytes: usize = batch.iter().map(|entry| entry.value.len()).sum();
        while batch.len() < limits.max_events {
            let Some(entry) = self.next(queue).await? else { break };
            bytes = bytes.saturating_add(entry.value.len());
            if bytes > limits.max_bytes && !batch.is_empty() {
                *next = Some(entry);
                break;
            }
            batch.push(entry);
        }
        Ok(batch)
    }

    /// Sends a batch, in as many parts as it takes. `queue` has the events after it.
    pub(super) async fn send_batch(&mut self, batch: Vec<RecordEntry>, queue: &mut Queue) -> RunResult {
        // The last part is the next one.
        let mut parts = vec![VecDeque::from(batch)];
        while let Some(mut part) = parts.pop() {
            if part.len() == 1 {
                let Some(entry) = part.pop_front() else { continue };
                let mut after = parts.pop().unwrap_or_default();
                self.send_alone(entry, &mut after, queue, 0).await?;
                parts.extend(Some(after).filter(|after| !after.is_empty()));
                continue;
            }
            let outcome = self.deliver(part.make_contiguous()).await?;
            if matches!(outcome, DeliveryOutcome::Refused(_)) {
                let second = part.split_off(part.len().div_ceil(2));
                parts.extend([second, part]);
            } else if let Some(failures) = self.failures_of_batch(&part, &outcome) {
                self.send_one_by_one(part, outcome, queue, failures).await?;
            } else {
                self.record(part.make_contiguous(), outcome).await?;
            }
        }
        Ok(())
    }

    /// Sends the events of a batch that has failed this often.
    async fn send_one_by_one(
        &mut self,
        mut batch: VecDeque<RecordEntry>,
        failed: DeliveryOutcome,
        queue: &mut Queue,
        mut failures: u32,
    ) -> RunResult {
        let Some(first) = batch.pop_front() else { return Ok(()) };
        let refused = self.refused.len();
        match self.deliver(std::slice::from_ref(&first)).await {
            Ok(outcome) => self.settle(first, outcome, &mut batch, queue, failures).await?,
            // The failure of the batch counts if none of its events could be sent.
            Err(stop) => {
                let failed = self.after_probe(failed, Err(stop))?;
                return self.record(&[first], failed).await;
            }
        }
        while let Some(entry) = batch.pop_front() {
            if self.refused.len() > refused {
                // One event was at fault. Any other has to fail as often by itself.
                failures = 0;
            }
            self.send_alone(entry, &mut batch, queue, failures).await?;
        }
        Ok(())
    }

    /// The consecutive failures of a batch, which count for its first event, if it is time to send its events one by
    /// one. Also after timeouts: a receiver may be too slow for so many at once.
    fn failures_of_batch(&self, batch: &VecDeque<RecordEntry>, outcome: &DeliveryOutcome) -> Option<u32> {
        let DeliveryOutcome::Failed(failure) = outcome else { return None };
        let failures = self.lease.state.failures_of(batch.front()?.key.id).saturating_add(1);
        (failures >= FAILURES && failure.retry_after.is_none()).then_some(failures)
    }
}
