//! Answers: a misconfigured destination refuses nothing, `Retry-After` is obeyed in all its forms, and the body of an
//! answer appears in the error message.

use appliance::receive::Misbehaviour;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use crate::desk::{TestDestination, api, start, status_of, stored_state};
use crate::support::recipient::numbered;
use crate::support::wait_until;

fn answering(status: u16) -> Misbehaviour {
    Misbehaviour { status: Some(StatusCode::from_u16(status).unwrap()), ..Misbehaviour::default() }
}

#[test]
fn a_misconfigured_destination_fails_and_refuses_nothing() {
    let moved = |status| Misbehaviour {
        location: Some(HeaderValue::from_static("https://new.example:8443/XYZZY-path?key=XYZZY")),
        ..answering(status)
    };
    for (misbehaviour, says) in [
        (moved(308), "https://new.example:8443"),
        (moved(301), "https://new.example:8443"),
        (answering(401), "401"),
        (answering(403), "403"),
        (answering(405), "405"),
        (answering(407), "407"),
    ] {
        let desk = TestDestination::open(&[]);
        desk.receiver.behave(misbehaviour);
        let recipient = start(&json!([desk.destination("desk")]));
        (0..3).for_each(|number| _ = recipient.post("/events/hq", numbered(number)));
        wait_until("it is said to fail", || status_of(&recipient, "desk")["state"] == "failing");
        let status = status_of(&recipient, "desk");
        let error = status["last_error"].as_str().unwrap();
        assert!(error.contains(says) && !error.contains("XYZZY"), "{says}: {error}");
        assert_eq!((&status["refused"], &status["pending"]), (&json!(0), &json!(3)), "{says}: {status}");
        // No later event was sent.
        assert_eq!(desk.received().len(), 1, "{says}");
        desk.receiver.behave(Misbehaviour::default());
        assert_eq!(api(&recipient, "POST", "/api/destinations/desk/resume").0, 200);
        wait_until("all arrive", || desk.ids().len() == 3);
    }
}

#[test]
fn retry_after_is_obeyed_in_all_its_forms() {
    let later = Utc::now() + TimeDelta::seconds(600);
    let forms = [
        ("seconds", "600".to_owned()),
        ("fraction", "599.5".to_owned()),
        ("imf", later.format("%a, %d %b %Y %H:%M:%S GMT").to_string()),
        ("rfc850", later.format("%A, %d-%b-%y %H:%M:%S GMT").to_string()),
        ("asctime", later.format("%a %b %e %H:%M:%S %Y").to_string()),
    ];
    let desks = forms.map(|(name, text)| {
        let desk = TestDestination::open(&[]);
        let retry_after = Some(HeaderValue::from_str(&text).unwrap());
        desk.receiver.behave(Misbehaviour { retry_after, ..answering(503) });
        (name, desk)
    });
    let destinations: Vec<_> = desks.iter().map(|(name, desk)| desk.destination(name)).collect();
    let recipient = start(&json!(destinations));
    recipient.post("/events/hq", numbered(1));
    for (name, _) in &desks {
        wait_until("it is said to fail", || status_of(&recipient, name)["state"] == "failing");
        let status = status_of(&recipient, name);
        let next = DateTime::parse_from_rfc3339(status["next_attempt"].as_str().unwrap()).unwrap();
        let by = (next.to_utc() - later).num_seconds();
        assert!((-5..60).contains(&by), "{name}: {by} s later than it asked for: {status}");
    }
    let rest = &stored_state(&recipient.store_path(), "fraction")["rest"];
    assert_eq!(rest["wait"], 600_000, "a fraction is rounded up: {rest}");
}

#[test]
fn the_body_of_an_answer_is_shown() {
    let says = |status, body: &str| Misbehaviour { body: Bytes::from(body.to_owned()), ..answering(status) };
    let long = format!("too long {}", "x".repeat(5_000));
    let desks = [
        ("refuses", says(400, r#"{"errors":["issue is locked"]}"#)),
        ("fails", says(503, "down for\r\nmaintenance\u{7} until ten")),
        ("takes", says(200, "Webhook message delivery failed with error: HTTP error 429")),
        ("talks", says(400, &long)),
    ]
    .map(|(name, misbehaviour)| {
        let desk = TestDestination::open(&[]);
        desk.receiver.behave(misbehaviour);
        (name, desk)
    });
    let destinations: Vec<_> = desks.iter().map(|(name, desk)| desk.destination(name)).collect();
    let recipient = start(&json!(destinations));
    recipient.post("/events/hq", numbered(1));
    wait_until("two refuse it", || ["refuses", "talks"].iter().all(|name| status_of(&recipient, name)["refused"] == 1));
    let refused = |name: &str| api(&recipient, "GET", &format!("/api/destinations/{name}/refused")).1.to_string();
    assert!(refused("refuses").contains("issue is locked"), "{}", refused("refuses"));
    // The state is stored at the end of the delivery run.
    let says = |name: &str, field: &str, words: &str| {
        status_of(&recipient, name)[field].as_str().is_some_and(|text| text.contains(words))
    };
    wait_until("the last error quotes the body", || says("refuses", "last_error", "issue is locked"));
    let talks = refused("talks");
    assert!(talks.contains("too long") && talks.matches('x').count() < 200, "{talks}");
    wait_until("one fails", || status_of(&recipient, "fails")["state"] == "failing");
    let error = status_of(&recipient, "fails")["last_error"].as_str().unwrap().to_owned();
    assert!(error.contains("maintenance") && !error.contains(char::is_control), "{error:?}");
    wait_until("one takes it", || status_of(&recipient, "takes")["pending"] == 0);
    wait_until("the body of its answer is shown", || {
        status_of(&recipient, "takes").to_string().contains("HTTP error 429")
    });
}
