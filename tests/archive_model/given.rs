//! The events, destinations, policy and damaged values of every schedule.

use std::time::Duration;

use crate::support::now;
use outbound_events::archive::compaction::{Bound, Policy};
use outbound_events::forward::destination::Destination;
use outbound_events::identity::Site;
use outbound_events::keys::EventKey;

/// Milliseconds of a day.
pub(super) const DAY: i64 = 86_400_000;

pub(super) const DESTINATIONS: [&str; 2] = ["calm", "moody"];

/// Whether a destination refuses an event: the second one refuses some.
pub(super) fn is_refused(destination: usize, id: &str) -> bool {
    destination == 1 && id.ends_with('0')
}

pub(super) fn destinations() -> Vec<Destination> {
    let all = DESTINATIONS.map(|name| serde_json::json!({ "name": name, "url": format!("https://{name}") }));
    Destination::read_all(&serde_json::json!(all).to_string()).unwrap()
}

pub(super) fn policy() -> Policy {
    Policy { retention_days: Some(30), ..Policy::packs(3) }
}

pub(super) const BOUND: Bound = Bound { events: 6, loose: 8, time: Duration::from_secs(60) };

/// A bound that ends passes early: a call takes a millisecond.
pub(super) const SHORT: Bound = Bound { time: Duration::from_millis(40), ..BOUND };

pub(super) fn site() -> Site {
    Site::parse("hq").unwrap()
}

pub(super) fn session(number: u64) -> String {
    format!("s{number}")
}

/// The form of one of a few events, so that repeats are frequent. One is from an appliance without a clock, and one
/// from the future.
pub(super) fn form(number: u64) -> String {
    let event = ["begin", "end", "customer_exit_survey_completed"][(number % 3) as usize];
    let now = now().timestamp().unsigned_abs();
    let time = match number {
        NO_CLOCK => 1_000_000_000 + number,
        FROM_THE_FUTURE => now + 500 * 86_400,
        EVENTS.. => now - 40 * 86_400 + number * 10,
        _ => now - 10_000 + number * 10,
    };
    format!("event=support_conference_{event}&version=1&timestamp={time}&lsid={}", session(number % 4))
}

/// The number of events of the day. The [`OLD_EVENTS`] after them are sent forty days earlier.
pub(super) const EVENTS: u64 = 24;

pub(super) const OLD_EVENTS: u64 = 6;

const NO_CLOCK: u64 = 7;
const FROM_THE_FUTURE: u64 = 11;

/// Whether an event was sent forty days ago.
pub(super) fn is_old(key: &EventKey) -> bool {
    let day = key.timestamp.seconds() / 86_400;
    day == (now().timestamp().unsigned_abs() - 40 * 86_400) / 86_400
}

/// Keys whose values are damaged from the start.
pub(super) const DAMAGED: [&str; 4] = [
    "event.hq.001767000000.s1.begin.00000000000000000000000000000001",
    "pack.hq.001766000000.001767000000.00000000000000000000000000000002",
    "erased.hq.s2.001767000000000",
    "setaside.hq.00000000000000000000000000000003",
];

pub(super) fn is_damaged(key: &str) -> bool {
    DAMAGED.contains(&key)
}
