//! Requests with several events: their limits, what happens to a batch that is refused or fails, and the wait for more.

use std::time::Duration;

use super::recipient::{ForwardingRecipient, event};
use crate::support::{Says, ScriptedAnswer};
use serde_json::{Value, json};

/// With one destination that gets batches.
fn with_batches(batch: Value) -> ForwardingRecipient {
    ForwardingRecipient::new(json!([{ "name": "desk", "url": "https://desk.example/in", "batch": batch }]))
}

/// A recipient with this many pending events, and their ids.
fn pending(batch: Value, events: u64) -> (ForwardingRecipient, Vec<String>) {
    let recipient = with_batches(batch);
    let ids = (0..events).map(|number| recipient.take_and_die(&event(number))).collect();
    (recipient, ids)
}

/// The numbers of the events of each request since the last call.
fn take_requests(recipient: &ForwardingRecipient, ids: &[String]) -> Vec<Vec<usize>> {
    let requests = std::mem::take(&mut *recipient.ways.got.borrow_mut());
    let numbers = |body: &[u8]| {
        let events: Vec<Value> = serde_json::from_slice(body).unwrap();
        events.iter().map(|event| ids.iter().position(|id| *id == event["id"]).unwrap()).collect()
    };
    requests.iter().map(|request| numbers(request.body())).collect()
}

#[test]
fn a_request_has_as_many_events_as_the_limits_allow() {
    let size = |number: u64| {
        let (recipient, _) = pending(json!({}), number);
        recipient.tick();
        recipient.ways.got.borrow()[0].body().len()
    };
    let (one, two) = (size(1), size(2));
    for (batch, expected) in [
        (json!({ "max_events": 3 }), vec![vec![0, 1, 2], vec![3, 4, 5], vec![6]]),
        (json!({ "max_bytes": 3 * one + 10 }), vec![vec![0, 1, 2], vec![3, 4, 5], vec![6]]),
        (json!({ "max_bytes": 1_000 }), vec![vec![0, 1], vec![2, 3], vec![4, 5], vec![6]]),
        (json!({}), vec![vec![0, 1, 2, 3, 4, 5, 6]]),
    ] {
        assert!(two <= 1_000 && 3 * one > 1_000, "{one} {two}");
        let (recipient, ids) = pending(batch.clone(), 7);
        recipient.tick();
        let first = recipient.ways.got.borrow()[0].headers()["content-type"].clone();
        assert_eq!(first, "application/cloudevents-batch+json; charset=utf-8");
        assert_eq!(take_requests(&recipient, &ids), expected, "{batch}");
        assert_eq!(recipient.status("desk")["pending"], 0);
        recipient.tick();
        assert!(take_requests(&recipient, &ids).is_empty(), "each once");
    }
}

/// One byte less than what the bodies need: the estimate by stored bytes allows seven, the body has brackets and commas.
#[test]
fn a_body_that_is_too_long_is_never_sent() {
    let (recipient, ids) = pending(json!({}), 7);
    recipient.tick();
    let whole = recipient.ways.got.borrow()[0].body().len();
    let (recipient, _) = pending(json!({ "max_bytes": whole - 1 }), 7);
    recipient.tick();
    assert!(recipient.ways.got.borrow().iter().all(|request| request.body().len() < whole));
    assert_eq!(take_requests(&recipient, &ids), [vec![0, 1, 2, 3], vec![4, 5, 6]]);
    // An event that is too long by itself is sent alone.
    let (recipient, ids) = pending(json!({ "max_bytes": 1_000 }), 2);
    let long = recipient.take_and_die(&format!("{}&{}=x", event(2), "v".repeat(2_000)));
    recipient.tick();
    assert_eq!(take_requests(&recipient, &[&ids[..], &[long]].concat()), [vec![0, 1], vec![2]]);
}

/// A batch counts as one request: two events an hour are allowed, and six are delivered.
#[test]
fn a_batch_is_one_request_of_the_hour() {
    let (mut recipient, ids) = pending(json!({ "max_events": 3 }), 9);
    recipient.more = vec![("max_requests_per_hour", "2")];
    recipient.tick();
    assert_eq!(take_requests(&recipient, &ids), [vec![0, 1, 2], vec![3, 4, 5]]);
    recipient.ways.pass_time(Duration::from_secs(3_700));
    recipient.tick();
    assert_eq!(take_requests(&recipient, &ids), [vec![6, 7, 8]]);
}

#[test]
fn a_refused_batch_is_halved_until_the_event_at_fault_stands_alone() {
    let (yes, no) = (200, 413);
    /// Answers, the numbers of the events of each request, and how many events are refused.
    type Case<'c> = (&'c [u16], &'c [&'c [usize]], usize);
    let cases: [Case<'_>; 4] = [
        (&[no, yes, no, no, yes], &[&[0, 1, 2, 3, 4], &[0, 1, 2], &[3, 4], &[3], &[4]], 1),
        (&[no, no, no, no, yes, yes], &[&[0, 1, 2, 3, 4], &[0, 1, 2], &[0, 1], &[0], &[1], &[2, 3, 4]], 1),
        // Nobody is at fault alone: the batch was too long for the receiver.
        (&[no, yes, yes], &[&[0, 1, 2, 3, 4], &[0, 1, 2], &[3, 4]], 0),
        (&[no; 10], &[&[0, 1, 2, 3, 4], &[0, 1, 2], &[0, 1], &[0], &[1], &[2, 3, 4], &[2, 3], &[2], &[3], &[4]], 5),
    ];
    for (says, sent, refused) in cases {
        let (recipient, ids) = pending(json!({}), 5);
        recipient.ways.say(says.iter().map(|status| Says::Status(*status)));
        recipient.tick();
        assert_eq!(take_requests(&recipient, &ids), sent, "{says:?}");
        let status = recipient.status("desk");
        assert_eq!((&status["refused"], &status["pending"]), (&json!(refused), &json!(0)), "{says:?}");
        assert_eq!(status["state"], "working");
    }
}

/// Each run sent the whole batch first, so where two requests were allowed, none ever found the event at fault.
#[test]
fn a_run_continues_where_the_last_one_stopped_to_look_for_the_event_at_fault() {
    let (mut recipient, ids) = pending(json!({}), 5);
    recipient.more = vec![("max_requests_per_hour", "2")];
    let mut got = Vec::new();
    for says in [[400, 400], [400, 400], [200, 200]] {
        recipient.ways.say(says.map(Says::Status));
        recipient.tick();
        got.push(take_requests(&recipient, &ids));
        recipient.ways.pass_time(Duration::from_secs(3_700));
    }
    let expected: [[&[usize]; 2]; 3] = [[&[0, 1, 2, 3, 4], &[0, 1, 2]], [&[0, 1], &[0]], [&[1], &[2, 3, 4]]];
    assert_eq!(got, expected);
    assert_eq!((&recipient.status("desk")["pending"], &recipient.status("desk")["refused"]), (&json!(0), &json!(1)));
    // The same in a replay: what was accepted is not sent again.
    recipient.pack(0);
    let mut got = Vec::new();
    for says in [[400, 200], [400, 400], [200, 200]] {
        recipient.ways.pass_time(Duration::from_secs(3_700));
        recipient.ways.say(says.map(Says::Status));
        if got.is_empty() {
            recipient.api("POST", "/api/destinations/desk/replay?from=2025-01-01&to=2027-01-01");
        } else {
            recipient.tick();
        }
        got.push(take_requests(&recipient, &ids));
    }
    assert_eq!(got, [vec![vec![0, 1, 2, 3, 4], vec![0, 1, 2]], vec![vec![3, 4], vec![3]], vec![vec![4]]]);
    assert_eq!(recipient.status("desk")["replays"], 0);
}

/// A batch that fails is tried again as a whole. After five failures its events are sent one by one, so one that the
/// receiver cannot process is found wherever it is in the batch, by six failures of its own; no other event is refused.
#[test]
fn an_event_that_jams_a_batch_is_found_and_refused() {
    for poison in 0..5 {
        let (recipient, mut ids) = pending(json!({}), 5);
        let tick = |says: &[u16]| {
            recipient.ways.say(says.iter().map(|status| Says::Status(*status)));
            recipient.tick();
            recipient.ways.pass_time(Duration::from_secs(4_000));
        };
        (0..5).for_each(|_| tick(&[500]));
        assert_eq!(take_requests(&recipient, &ids), vec![vec![0, 1, 2, 3, 4]; 5], "as a whole");
        // The probe needs another event.
        ids.push(recipient.take_and_die(&event(5)));
        // The failures of the batch are those of its first event.
        let mut before: Vec<_> = (0..poison).collect();
        if poison > 0 {
            tick(&[&vec![200; poison][..], &[500]].concat());
            (0..4).for_each(|_| tick(&[500]));
            before.extend([poison; 5]);
        }
        tick(&[500, 200, 500]);
        let got = take_requests(&recipient, &ids);
        let alone: Vec<_> = before.into_iter().chain([poison, poison + 1, poison]).map(|number| vec![number]).collect();
        assert_eq!(got[..alone.len()], alone, "{poison}");
        let listed: Value = serde_json::from_str(&recipient.api("GET", "/api/destinations/desk/refused").body).unwrap();
        let refused: Vec<_> = listed["refused"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
        assert_eq!(refused, [json!(ids[poison])], "{poison}: {got:?}");
        let status = recipient.status("desk");
        assert_eq!((&status["pending"], &status["state"]), (&json!(0), &json!("working")), "{poison}");
    }
}

/// A receiver that is too slow for a batch, or down, is no proof against any event: they are sent one by one in the end,
/// and none is refused. (A run whose batch had timed out had no time left to send them.)
#[test]
fn a_batch_that_gets_no_answer_is_sent_one_by_one_in_the_end() {
    for says in [Says::Hangs, Says::NoConnection, Says::Status(503), Says::Later(503, "30"), Says::Status(429)] {
        let (recipient, ids) = pending(json!({}), 3);
        for _ in 0..5 {
            recipient.ways.say([says.clone()]);
            recipient.tick();
            recipient.ways.pass_time(Duration::from_secs(4_000));
        }
        assert_eq!(take_requests(&recipient, &ids), vec![vec![0, 1, 2]; 5], "{says:?}");
        let late = recipient.take_and_die(&event(3));
        let ids = [&ids[..], &[late, recipient.take_and_die(&event(4))]].concat();
        recipient.tick();
        let got = take_requests(&recipient, &ids);
        assert_eq!(got, [vec![0], vec![1], vec![2], vec![3, 4]], "{says:?}: whole again after that batch");
        let status = recipient.status("desk");
        assert_eq!((&status["pending"], &status["refused"]), (&json!(0), &json!(0)), "{says:?}");
    }
}

#[test]
fn a_run_waits_for_more_events_and_no_longer() {
    for (batch, events, waits) in [
        (json!({ "max_events": 3, "max_wait_seconds": 4 }), 2, 4),
        (json!({ "max_events": 3, "max_wait_seconds": 4 }), 3, 0),
        (json!({ "max_wait_seconds": 0 }), 2, 0),
        (json!({}), 1, 2),
    ] {
        let (recipient, _) = pending(batch.clone(), events);
        let began = recipient.ways.now();
        recipient.tick();
        let took = (recipient.ways.now() - began).num_seconds();
        assert_eq!(took, waits, "{batch}, {events} events");
        assert_eq!(recipient.status("desk")["pending"], 0);
    }
}

#[test]
fn replays_go_in_batches_and_a_retry_goes_alone() {
    let (recipient, ids) = pending(json!({ "max_events": 4 }), 10);
    recipient.ways.say([Says::Status(200), Says::Status(400), Says::Status(400), Says::Status(400)]);
    recipient.tick();
    recipient.pack(0);
    take_requests(&recipient, &ids);
    recipient.api("POST", "/api/destinations/desk/replay?from=2025-01-01&to=2027-01-01");
    let got = take_requests(&recipient, &ids);
    assert_eq!(got, [vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8, 9]]);
    assert_eq!(recipient.status("desk")["refused"], 0, "the replay has delivered it");
    // A replay that breaks off continues with the batch that failed.
    recipient.ways.say([Says::Status(200), Says::Status(503)]);
    recipient.api("POST", "/api/destinations/desk/replay?from=2025-01-01&to=2027-01-01");
    take_requests(&recipient, &ids);
    recipient.ways.pass_time(Duration::from_secs(10));
    recipient.tick();
    assert_eq!(take_requests(&recipient, &ids), [vec![4, 5, 6, 7], vec![8, 9]]);
    // A retry.
    recipient.ways.say([Says::Status(400)]);
    let late = recipient.take(&event(50));
    let ids = [&ids[..], &[late]].concat();
    assert_eq!(recipient.status("desk")["refused"], 1);
    take_requests(&recipient, &ids);
    recipient.api("POST", "/api/destinations/desk/refused/retry");
    assert_eq!(take_requests(&recipient, &ids), [[10]]);
}

/// OTLP answers 200 and says that it dropped some: they must not be sent again, and it must not go unnoticed.
#[test]
fn what_a_receiver_of_logs_drops_is_reported() {
    let answer = |rejected: &str| {
        let body = format!(r#"{{"partialSuccess":{{"rejectedLogRecords":{rejected},"errorMessage":"too old"}}}}"#);
        Says::Answer(ScriptedAnswer::new(200).body(body))
    };
    let cases = [
        ("\"2\"", 3, 0, Some("dropped 2 of 3: too old")),
        ("2", 3, 0, Some("dropped 2 of 3: too old")),
        ("\"3\"", 3, 3, Some("dropped 3 of 3: too old")),
        ("1", 1, 1, Some("dropped 1 of 1: too old")),
        // A warning without a rejection is none of ours.
        ("\"0\"", 3, 0, None),
        ("null", 3, 0, None),
    ];
    for (rejected, events, refused, error) in cases {
        let recipient = ForwardingRecipient::new(
            json!([{ "name": "logs", "url": "https://logs.example/v1/logs", "format": "otlp", "batch": {} }]),
        );
        (0..events).for_each(|number| _ = recipient.take_and_die(&event(number)));
        recipient.ways.say([answer(rejected)]);
        recipient.tick();
        assert_eq!(recipient.ways.got.borrow().len(), 1, "{rejected}: never again");
        let status = recipient.status("logs");
        assert_eq!((&status["refused"], &status["pending"]), (&json!(refused), &json!(0)), "{rejected}");
        let said = status["last_error"].as_str().unwrap_or_default();
        assert_eq!(error.is_some(), !said.is_empty(), "{rejected}: {said}");
        assert!(said.contains(error.unwrap_or_default()), "{said}");
    }
}
