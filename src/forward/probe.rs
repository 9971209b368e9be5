//! The probe: one event must not jam a destination. A receiver that cannot process an event may answer 500 to it for ever, and nothing
//! overtakes.
//!
//! From the sixth failure of one event in a row on, if the receiver answered, the next pending event is sent once. If the receiver accepts
//! that one, the fault may be the first event's: it is sent again at once, and refused only if it fails again. So no event is refused because
//! the receiver recovered between two attempts. It is the one exception to "in order".

use super::outcome::{Failure, Outcome};

/// From so many failures of one event in a row on, the next event is tried.
pub(super) const FAILURES: u32 = 6;

/// Whether the next pending event is to be tried, after so many failures of one event with this one.
pub(super) fn is_due(failures: u32, failure: &Failure) -> bool {
    failures >= FAILURES && failure.may_be_of_the_event()
}

/// What becomes of an event that failed again right after the receiver accepted another. Where the receiver did not answer, or asks for
/// time, nothing is known of the event.
pub(super) fn verdict(again: Outcome) -> Outcome {
    match again {
        Outcome::Failed(failure) if failure.may_be_of_the_event() => {
            Outcome::Refused(format!("{}, while it accepts other events", failure.reason))
        }
        other => other,
    }
}
