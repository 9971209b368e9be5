//! Connections that the receiver closes: the event is sent again at once, and the destination does not fail.

use std::time::{Duration, Instant};

use appliance::receive::Misbehaviour;
use serde_json::{Value, json};

use crate::desk::{TestDestination, start, status_of};
use crate::support::recipient::{Recipient, numbered};
use crate::support::wait_until;

fn none_failed(recipient: &Recipient, desk: &TestDestination, events: usize) {
    wait_until("their receipts are stored", || status_of(recipient, "desk")["pending"] == 0);
    let status = status_of(recipient, "desk");
    assert_eq!((&status["state"], &status["last_error"]), (&json!("working"), &Value::Null), "{status}");
    assert_eq!((desk.ids().len(), desk.received().len()), (events, events), "an event arrived twice");
}

/// Node closes idle connections after five seconds, here after one. The next event is sent around that moment.
#[test]
fn a_receiver_that_closes_idle_connections_gets_each_event_once() {
    const IDLE: Duration = Duration::from_secs(1);
    let desk = TestDestination::open(&[]);
    desk.receiver.behave(Misbehaviour { close_idle_after: Some(IDLE), ..Misbehaviour::default() });
    let recipient = start(&json!([desk.destination("desk")]));
    for number in 0..14 {
        let began = Instant::now();
        recipient.post("/events/hq", numbered(number));
        wait_until("it arrives", || desk.ids().len() == number + 1);
        // Each event has another distance from the close.
        let time = IDLE + Duration::from_millis(number as u64) - Duration::from_millis(7);
        std::thread::sleep(time.saturating_sub(began.elapsed()));
    }
    none_failed(&recipient, &desk, 14);
}

#[test]
fn a_receiver_that_closes_a_connection_at_the_next_request_gets_each_event_once() {
    let desk = TestDestination::open(&[]);
    desk.receiver.behave(Misbehaviour { close_when_asked: true, ..Misbehaviour::default() });
    let recipient = start(&json!([desk.destination("desk")]));
    for number in 0..10 {
        recipient.post("/events/hq", numbered(number));
        wait_until("it arrives", || desk.ids().len() == number + 1);
    }
    none_failed(&recipient, &desk, 10);
}
