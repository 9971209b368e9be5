//! Which of two events of a session came first.

use crate::event::{EventName, Timestamp};
use crate::identity::Id;
use crate::keys::EventKey;

/// What must come first of what happened in the same second and was delivered at once.
pub(crate) fn name_rank(event: &EventName) -> u8 {
    match event {
        EventName::Begin => 0,
        EventName::OwnerChanged => 1,
        EventName::MemberAdded => 2,
        EventName::MemberDeparted => 3,
        EventName::Unrecognised(_) => 4,
        EventName::End => 5,
        EventName::CustomerExitSurveyCompleted => 6,
        EventName::RepExitSurveyCompleted => 7,
    }
}

/// What puts the events of a session in the order in which they must have happened: their time, when they were delivered (in Unix
/// microseconds), since an appliance sends one after the other, their kind, and their id.
pub fn event_order(key: &EventKey, delivered: u64) -> (Timestamp, u64, u8, Id) {
    (key.timestamp, delivered, name_rank(&key.event), key.id)
}
