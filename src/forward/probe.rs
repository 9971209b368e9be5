//! The probe: one event must not jam a destination. A receiver that cannot process an event may answer 500 to it for
//! ever, and no later event is sent before it.
//!
//! From the sixth consecutive failure of one event on, if the receiver answered, the next pending event is sent once.
//! If the receiver accepts it, the first event may be at fault. It is sent again at once, and refused only if it
//! fails again. So no event is refused because the receiver recovered between two attempts. The probe is the one
//! exception to "in order".

use super::budget::OutOf;
use super::outcome::{DeliveryFailure, DeliveryOutcome};
use super::run::{DeliveryRun, RunResult, Stop};
use crate::archive::pack::RecordEntry;
use crate::platform::Platform;

/// The number of consecutive failures of one event from which the next event is tried.
pub(super) const FAILURES: u32 = 6;

/// Whether the next pending event must be tried, after this many failures of one event.
pub(super) fn is_due(failures: u32, failure: &DeliveryFailure) -> bool {
    failures >= FAILURES && failure.may_be_of_the_event()
}

/// The outcome of an event that failed again right after the receiver accepted another. If the receiver did not
/// answer, or asked to wait, the failure says nothing about the event.
fn verdict(again: DeliveryOutcome) -> DeliveryOutcome {
    match again {
        DeliveryOutcome::Failed(failure) if failure.may_be_of_the_event() => {
            DeliveryOutcome::Refused(format!("{}, while it accepts other events", failure.reason))
        }
        other => other,
    }
}

impl<P: Platform> DeliveryRun<'_, P> {
    /// Whether the next event must be tried after this outcome.
    pub(super) fn is_probe_due(&self, entry: &RecordEntry, outcome: &DeliveryOutcome) -> bool {
        let DeliveryOutcome::Failed(failure) = outcome else { return false };
        let failures = self.lease.state.failures_of(entry.key.id).saturating_add(1);
        // A probe takes two requests: the other event, and the first one again.
        let may_send = self.budget.has_time(self.platform) && self.has_requests(2);
        may_send && is_due(failures, failure)
    }

    /// Tries another event after one has failed, and the first again if the other is accepted. `None` if it is not.
    pub(super) async fn probe(
        &mut self,
        entry: &RecordEntry,
        other: &RecordEntry,
    ) -> RunResult<Option<DeliveryOutcome>> {
        let other = std::slice::from_ref(other);
        let answer = self.deliver(other).await?;
        if !matches!(answer, DeliveryOutcome::Delivered { .. }) {
            return Ok(None);
        }
        self.record(other, answer).await?;
        Ok(Some(verdict(self.deliver(std::slice::from_ref(entry)).await?)))
    }

    /// The outcome of an event that failed, after a probe. A probe that is cut short must not undo the failure, or
    /// the next run would send at once. (A run that has lost its lease writes nothing.)
    pub(super) fn after_probe(
        &mut self,
        failed: DeliveryOutcome,
        probed: RunResult<Option<DeliveryOutcome>>,
    ) -> RunResult<DeliveryOutcome> {
        match probed {
            Ok(outcome) => Ok(outcome.unwrap_or(failed)),
            Err(Stop::OutOf(OutOf::Lease)) => Err(Stop::OutOf(OutOf::Lease)),
            Err(Stop::Store(error)) => {
                self.log_line(&format!("a probe was interrupted: {error}"));
                Ok(failed)
            }
            Err(Stop::OutOf(OutOf::Time | OutOf::Requests) | Stop::Paused | Stop::Failing(_) | Stop::Idle) => {
                Ok(failed)
            }
        }
    }
}
