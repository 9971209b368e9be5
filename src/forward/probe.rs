//! The probe: one event must not jam a destination. A receiver that cannot process an event may answer 500 to it for ever, and nothing
//! overtakes.
//!
//! From the sixth failure of one event in a row on, if the receiver answered, the next pending event is sent once. If the receiver accepts
//! that one, the fault may be the first event's: it is sent again at once, and refused only if it fails again. So no event is refused because
//! the receiver recovered between two attempts. It is the one exception to "in order".

use super::budget::OutOf;
use super::outcome::{Failure, Outcome};
use super::run::{DeliveryRun, Step, Stop};
use crate::archive::pack::RecordEntry;
use crate::platform::Platform;

/// From so many failures of one event in a row on, the next event is tried.
pub(super) const FAILURES: u32 = 6;

/// Whether the next pending event is to be tried, after so many failures of one event with this one.
pub(super) fn is_due(failures: u32, failure: &Failure) -> bool {
    failures >= FAILURES && failure.may_be_of_the_event()
}

/// What becomes of an event that failed again right after the receiver accepted another. Where the receiver did not answer, or asks for
/// time, nothing is known of the event.
fn verdict(again: Outcome) -> Outcome {
    match again {
        Outcome::Failed(failure) if failure.may_be_of_the_event() => {
            Outcome::Refused(format!("{}, while it accepts other events", failure.reason))
        }
        other => other,
    }
}

impl<P: Platform> DeliveryRun<'_, P> {
    /// Whether the next event is to be tried, after this became of an event.
    pub(super) fn is_probe_due(&self, entry: &RecordEntry, outcome: &Outcome) -> bool {
        let Outcome::Failed(failure) = outcome else { return false };
        let failures = self.lease.state.failures_of(entry.key.id).saturating_add(1);
        // It takes two requests: the other event's, and the first one's again.
        let may_send = self.budget.has_time(self.platform) && self.budget.has_requests(2, &self.lease.state);
        may_send && is_due(failures, failure)
    }

    /// Tries another event after one has failed, and that one again if the other is accepted. `None` if it is not.
    pub(super) async fn probe(&mut self, entry: &RecordEntry, other: &RecordEntry) -> Step<Option<Outcome>> {
        let answer = self.deliver(other).await?;
        if !matches!(answer, Outcome::Delivered { .. }) {
            return Ok(None);
        }
        self.record(other, answer).await?;
        Ok(Some(verdict(self.deliver(entry).await?)))
    }

    /// What becomes of an event that failed, after a probe. A probe that is cut short does not undo the failure: else the next run would
    /// send at once. (A run that has lost its lease writes nothing any more.)
    pub(super) fn after_probe(&mut self, failed: Outcome, probed: Step<Option<Outcome>>) -> Step<Outcome> {
        match probed {
            Ok(outcome) => Ok(outcome.unwrap_or(failed)),
            Err(Stop::OutOf(OutOf::Lease)) => Err(Stop::OutOf(OutOf::Lease)),
            Err(Stop::Store(error)) => {
                self.note(&format!("a probe broke off: {error}"));
                Ok(failed)
            }
            Err(Stop::OutOf(OutOf::Time | OutOf::Requests) | Stop::Paused | Stop::Failing(..) | Stop::Idle) => {
                Ok(failed)
            }
        }
    }
}
