//! Answers whose body never ends, or that come in an unusual form: the status line decides, and the body costs at most a second.

use std::time::{Duration, Instant};

use appliance::receive::{Framing, Misbehaviour};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::desk::{Desk, start, status_of};
use crate::support::recipient::numbered;
use crate::support::wait_until;

const EVENTS: usize = 4;

/// What the end of a body may cost, and what this machine may add where others build on it.
const EACH: Duration = Duration::from_millis(1_000 + 1_000);

/// Each event arrives once, soon, and the destination works. So do those beside it.
fn arrives_once(misbehaviour: Misbehaviour) {
    let what = format!("{misbehaviour:?}");
    let (odd, plain) = (Desk::open(&[]), Desk::open(&[]));
    odd.receiver.behave(misbehaviour);
    let recipient = start(&json!([odd.destination("odd"), plain.destination("plain")]));
    // The first request of a new host compiles.
    recipient.post("/events/hq", numbered(0));
    wait_until("the first arrives", || odd.ids().len() == 1 && plain.ids().len() == 1);
    let began = Instant::now();
    for number in 1..EVENTS {
        recipient.post("/events/hq", numbered(number));
    }
    wait_until("all arrive", || odd.ids().len() == EVENTS && plain.ids().len() == EVENTS);
    let took = began.elapsed();
    wait_until("they are written down", || status_of(&recipient, "odd")["pending"] == 0);
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
fn what_comes_before_the_answer_is_passed_over() {
    arrives_once(framed(Framing::EarlyHints));
}

#[test]
fn http_1_0_is_an_answer() {
    arrives_once(framed(Framing::Http10));
}

#[test]
fn a_reset_after_the_head_takes_nothing_back() {
    arrives_once(framed(Framing::ResetAfterHead));
}

#[test]
fn of_a_long_body_little_is_read() {
    arrives_once(Misbehaviour { body: Bytes::from(vec![b'x'; 32 << 20]), ..Misbehaviour::default() });
}
