//! The order of the events of a session.

use crate::event::{EventName, Timestamp};
use crate::identity::Id;
use crate::keys::EventKey;

/// The order of kinds among events of the same second and delivery.
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
        EventName::Report => 8,
    }
}

/// The sort key of a session's events: time, delivery, kind, id. Delivery (in Unix microseconds) counts, since an
/// appliance sends one event at a time.
pub fn event_order(key: &EventKey, delivered: u64) -> (Timestamp, u64, u8, Id) {
    (key.timestamp, delivered, name_rank(&key.event), key.id)
}
