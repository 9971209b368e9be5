//! Connections that the receiver closes: an event is sent again at once, and nothing fails.

use std::time::{Duration, Instant};

use appliance::receive::Misbehaviour;
use serde_json::{Value, json};

use crate::desk::{Desk, start, status_of};
use crate::support::recipient::{Recipient, numbered};
use crate::support::wait_until;

fn none_failed(recipient: &Recipient, desk: &Desk, events: usize) {
    wait_until("they are written down", || status_of(recipient, "desk")["pending"] == 0);
    let status = status_of(recipient, "desk");
    assert_eq!((&status["state"], &status["last_error"]), (&json!("working"), &Value::Null), "{status}");
    assert_eq!((desk.ids().len(), desk.received().len()), (events, events), "each came once");
}

/// What Node does after five seconds, here after one: the next event comes just as the connection is closed.
#[test]
fn a_receiver_that_closes_idle_connections_gets_each_event_once() {
    const IDLE: Duration = Duration::from_secs(1);
    let desk = Desk::open(&[]);
    desk.receiver.behave(Misbehaviour { close_idle_after: Some(IDLE), ..Misbehaviour::default() });
    let recipient = start(&json!([desk.destination("desk")]));
    for number in 0..14 {
        let began = Instant::now();
        recipient.post("/events/hq", numbered(number));
        wait_until("it arrives", || desk.ids().len() == number + 1);
        // No two come at the same distance from the end of the connection.
        let time = IDLE + Duration::from_millis(number as u64) - Duration::from_millis(7);
        std::thread::sleep(time.saturating_sub(began.elapsed()));
    }
    none_failed(&recipient, &desk, 14);
}

#[test]
fn a_receiver_that_closes_a_connection_as_the_next_request_comes_gets_each_event_once() {
    let desk = Desk::open(&[]);
    desk.receiver.behave(Misbehaviour { close_when_asked: true, ..Misbehaviour::default() });
    let recipient = start(&json!([desk.destination("desk")]));
    for number in 0..10 {
        recipient.post("/events/hq", numbered(number));
        wait_until("it arrives", || desk.ids().len() == number + 1);
    }
    none_failed(&recipient, &desk, 10);
}
