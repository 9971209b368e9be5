//! Answers with endless bodies or unusual framing: the status line decides, and reading the body takes at most a
//! second.

use std::time::{Duration, Instant};

use appliance::receive::{Framing, Misbehaviour};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::desk::{TestDestination, start, status_of};
use crate::support::recipient::numbered;
use crate::support::wait_until;

const EVENTS: usize = 4;

/// The second for a body, and as much again for a busy machine.
const EACH: Duration = Duration::from_millis(1_000 + 1_000);

/// Each event arrives once and soon, at this destination and at another one beside it.
fn arrives_once(misbehaviour: Misbehaviour) {
    let what = format!("{misbehaviour:?}");
    let (odd, plain) = (TestDestination::open(&[]), TestDestination::open(&[]));
    odd.receiver.behave(misbehaviour);
    let recipient = start(&json!([odd.destination("odd"), plain.destination("plain")]));
    // The first request of a new host takes longer: it compiles.
    recipient.post("/events/hq", numbered(0));
    wait_until("the first arrives", || odd.ids().len() == 1 && plain.ids().len() == 1);
    let began = Instant::now();
    for number in 1..EVENTS {
        recipient.post("/events/hq", numbered(number));
    }
    wait_until("all arrive", || odd.ids().len() == EVENTS && plain.ids().len() == EVENTS);
    let took = began.elapsed();
    wait_until("their receipts are stored", || status_of(&recipient, "odd")["pending"] == 0);
    let status = status_of(&recipient, "odd");
    assert_eq!((&status["state"], &status["last_error"]), (&json!("working"), &Value::Null), "{what}: {status}");
    assert_eq!(odd.received().len(), EVENTS, "{what}: some came again: {}", recipient.log());
    assert!(took < EACH * EVENTS as u32, "{what}: {took:?}");
}

fn framed(framing: Framing) -> Misbehaviour {
    Misbehaviour { framing, body: Bytes::from_static(b"accepted"), ..Misbehaviour::default() }
}

#[test]
fn a_body_that_hangs_is_dropped() {
    arrives_once(framed(Framing::HangingBody));
}

#[test]
fn chunks_without_an_end_are_dropped() {
    arrives_once(framed(Framing::EndlessChunks));
}

#[test]
fn an_event_stream_is_dropped() {
    arrives_once(framed(Framing::EventStream));
}

#[test]
fn interim_answers_are_ignored() {
    arrives_once(framed(Framing::EarlyHints));
}

#[test]
fn http_1_0_is_accepted() {
    arrives_once(framed(Framing::Http10));
}

#[test]
fn a_reset_after_the_head_still_counts_as_delivered() {
    arrives_once(framed(Framing::ResetAfterHead));
}

#[test]
fn a_long_body_is_not_read_to_its_end() {
    arrives_once(Misbehaviour { body: Bytes::from(vec![b'x'; 32 << 20]), ..Misbehaviour::default() });
}
