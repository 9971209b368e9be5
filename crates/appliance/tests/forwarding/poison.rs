//! One event that the receiver cannot accept does not jam the destination: a probe finds it, or an administrator skips
//! it.

use appliance::receive::Misbehaviour;
use http::StatusCode;
use serde_json::json;

use crate::desk::{TestDestination, api, expire_rests, start, status_of, stored_state};
use crate::support::recipient::{Recipient, numbered};
use crate::support::wait_until;

/// A customer whose name has a NUL, which ends a string in C.
const POISON: &str = "event=support_conference_member_added&version=1&timestamp=1600000000\
    &lsid=c69a8e10bea9428f816cfababe9815fe&type=customer&name=Jane%00Doe";

const BEHIND: usize = 10;

/// A destination that answers 500 to one event, the recipient with ten events behind it, and that event's id.
fn jammed() -> (TestDestination, Recipient, String) {
    let desk = TestDestination::open(&[]);
    desk.receiver.behave(Misbehaviour {
        status: Some(StatusCode::INTERNAL_SERVER_ERROR),
        only_containing: Some(r"Jane\u0000Doe".to_owned()),
        ..Misbehaviour::default()
    });
    let recipient = start(&json!([desk.destination("desk")]));
    let poison = recipient.post("/events/hq", POISON).header("event-id").to_owned();
    (0..BEHIND).for_each(|number| _ = recipient.post("/events/hq", numbered(number)));
    wait_until("it fails", || status_of(&recipient, "desk")["state"] == "failing");
    (desk, recipient, poison)
}

fn is_refused_alone(recipient: &Recipient, poison: &str) {
    wait_until("it works again", || status_of(recipient, "desk")["state"] == "working");
    let refused = api(recipient, "GET", "/api/destinations/desk/refused").1;
    let ids: Vec<_> = refused["refused"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, [poison], "{refused}");
    assert_eq!(status_of(recipient, "desk")["pending"], 0);
}

/// The waits between six failures take about forty minutes. The test skips them.
#[test]
fn an_event_that_fails_six_times_is_refused() {
    let (desk, recipient, poison) = jammed();
    let failures = || stored_state(&recipient.store_path(), "desk")["failing"]["failures"].as_u64().unwrap_or(0);
    let sent = |id: &str| desk.received().iter().filter(|received| received.id() == Some(id)).count();
    wait_until("all that is behind it arrives", || {
        expire_rests(&recipient.store_path());
        // Any event wakes the scheduler, also a duplicate.
        assert_eq!(recipient.post("/events/hq", POISON).result(), "duplicate");
        assert!(failures() < 6 || sent(&poison) >= 6);
        assert!(sent(&poison) >= 6 || desk.taken().is_empty(), "something overtook it after {} times", sent(&poison));
        desk.ids().len() == BEHIND
    });
    is_refused_alone(&recipient, &poison);
    assert_eq!(desk.taken().len(), BEHIND, "an event arrived twice");
    assert_eq!(sent(&poison), 7, "six failures, and once more after the probe");
}

#[test]
fn an_administrator_skips_it() {
    let (desk, recipient, poison) = jammed();
    let (code, answer) = api(&recipient, "POST", "/api/destinations/desk/skip");
    assert!(matches!(code, 200 | 202), "{code} {answer}");
    wait_until("all that is behind it arrives", || desk.ids().len() == BEHIND);
    is_refused_alone(&recipient, &poison);
}
