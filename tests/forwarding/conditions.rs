//! The condition `when`: which events pass it, and that one which fails is never passed over in silence.

use super::recipient::{ForwardingRecipient, SECRET, event};
use crate::support::{Says, call};
use serde_json::{Value, json};

fn with_when(when: &str) -> ForwardingRecipient {
    ForwardingRecipient::new(json!([{ "name": "desk", "url": "https://desk.example/in", "when": when }]))
}

#[test]
fn an_expression_sees_what_templates_see() {
    let it = "session.custom.department=IT";
    let cases = [
        (r#"event.data.variables["session.custom.department"] == "IT""#, it, true),
        (r#"event.data.variables["session.custom.department"] == "IT""#, "session.custom.department=HR", false),
        // An event that does not have the variable.
        (r#"event.data.variables["session.custom.department"] == "IT""#, "other=IT", false),
        (r#"event.data.variables["session.custom.department"] != "IT""#, "other=IT", true),
        (r#"site == "hq" and title == "Support Session Start""#, "", true),
        (r#"site in ["hq", "lab"]"#, "", true),
        (r#"event.data.external_key is startingwith "INC""#, "external_key=INC7", true),
        (r#"event.data.external_key is startingwith "INC""#, "external_key=CHG7", false),
        (r#"event.data.external_key"#, "", false),
        (r#"session.state == "open""#, "", true),
        (r#"session.state == "ended""#, "", false),
        (r#"session.external_keys | length == 1"#, "external_key=A", true),
        ("true", "", true),
        ("false", "", false),
    ];
    for (when, more, is_sent) in cases {
        let recipient = with_when(when);
        recipient.take(&format!("{}&{more}", event(1)));
        assert_eq!(recipient.ways.ids().len(), usize::from(is_sent), "{when} {more}");
        let status = recipient.status("desk");
        assert_eq!((&status["pending"], &status["refused"]), (&json!(0), &json!(0)), "{when} {more}");
        // What it excludes is packed like any other event.
        recipient.pack(0);
        assert_eq!(recipient.loose(), 0, "{when} {more}");
    }
}

#[test]
fn an_event_whose_condition_fails_is_refused_with_the_reason() {
    let when = "event.data.version + 1 == 2";
    let recipient = with_when(when);
    let id = recipient.take(&event(1));
    assert!(recipient.ways.ids().is_empty());
    let listed: Value = serde_json::from_str(&recipient.api("GET", "/api/destinations/desk/refused").body).unwrap();
    assert_eq!(listed["refused"][0]["id"], json!(id));
    let reason = listed["refused"][0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("its condition (when) fails"), "{reason}");
    // Once the condition is corrected, a retry sends it.
    *recipient.destinations.borrow_mut() =
        json!([{ "name": "desk", "url": "https://desk.example/in", "when": "event.data.version == \"1\"" }])
            .to_string();
    recipient.api("POST", "/api/destinations/desk/refused/retry");
    assert_eq!(recipient.ways.take_ids(), [id]);
    assert_eq!(recipient.status("desk")["refused"], 0);
    // If it excludes the event now, a retry takes it off the list.
    let recipient = with_when(when);
    recipient.take(&event(1));
    *recipient.destinations.borrow_mut() =
        json!([{ "name": "desk", "url": "https://desk.example/in", "when": "false" }]).to_string();
    recipient.api("POST", "/api/destinations/desk/refused/retry");
    assert!(recipient.ways.ids().is_empty());
    assert_eq!((&recipient.status("desk")["refused"], &recipient.status("desk")["pending"]), (&json!(0), &json!(0)));
}

/// A session of more events than a template can see: neither yes nor no.
#[test]
fn a_session_that_is_too_long_to_be_read_is_no_silent_no() {
    let recipient = with_when("session.state == \"ended\"");
    for number in 0..2_001 {
        recipient.take_and_die(&event(number).replace(&format!("session{number}"), "long"));
    }
    for _ in 0..200 {
        recipient.tick();
    }
    let status = recipient.status("desk");
    assert!(recipient.ways.ids().is_empty());
    assert!(status["refused"].as_u64().unwrap() > 0 || status["pending"].as_u64().unwrap() > 0, "{status}");
    assert!(status["last_error"].as_str().unwrap().contains("too long to be read"), "{status}");
}

#[test]
fn replays_retries_and_skips_obey_the_condition() {
    let recipient = with_when(r#"event.data.external_key == "A""#);
    let ids: Vec<_> = (0..4)
        .map(|number| {
            recipient.take_and_die(&format!("{}&external_key={}", event(number), ["A", "B"][number as usize % 2]))
        })
        .collect();
    recipient.ways.say([Says::Status(503)]);
    recipient.tick();
    recipient.ways.take_ids();
    let skipped: Value = serde_json::from_str(&recipient.api("POST", "/api/destinations/desk/skip").body).unwrap();
    assert_eq!(skipped["skipped"], json!(ids[0]));
    assert_eq!(recipient.ways.take_ids(), ids[2..3]);
    recipient.api("POST", "/api/destinations/desk/replay?from=2025-01-01&to=2027-01-01");
    assert_eq!(recipient.ways.take_ids(), [ids[0].clone(), ids[2].clone()]);
    *recipient.destinations.borrow_mut() =
        json!([{ "name": "desk", "url": "https://desk.example/in", "when": "site == \"lab\"" }]).to_string();
    recipient.api("POST", "/api/destinations/desk/replay?from=2025-01-01&to=2027-01-01");
    assert!(recipient.ways.take_ids().is_empty());
}

#[test]
fn a_client_that_pulls_gets_what_the_condition_selects() {
    let pulled = |when: &str| {
        let recipient =
            ForwardingRecipient::new(json!([{ "name": "puller", "format": "pull", "secret": SECRET, "when": when }]));
        let ids: Vec<_> = (0..4).map(|number| recipient.take(&event(number))).collect();
        let ask = call("GET", "/api/destinations/puller/pending").header("authorization", format!("Bearer {SECRET}"));
        let events: Vec<Value> = serde_json::from_str(&recipient.answer(ask).body).unwrap();
        let numbers: Vec<_> =
            events.iter().map(|event| ids.iter().position(|id| *id == event["id"]).unwrap()).collect();
        (numbers, recipient.status("puller")["refused"].as_u64().unwrap())
    };
    assert_eq!(pulled("event.data.lsid in [\"session1\", \"session3\"]"), (vec![1, 3], 0));
    // What the condition cannot tell is not kept back: nothing would ever send it.
    assert_eq!(pulled("event.data.version + 1 == 2"), (vec![0, 1, 2, 3], 0));
}
