//! From an event to a request and its outcome.

use std::time::Duration;

use super::recipient::{ForwardingRecipient, OTHER_SECRET, SECRET, event};
use crate::support::{BEGIN, Memory, Says, post, seven};
use outbound_events::forward::outcome::wait;
use serde_json::json;
use standardwebhooks::Webhook;

#[test]
fn a_stored_event_is_sent_once_and_signed_after_the_answer() {
    let recipient = ForwardingRecipient::new(json!([
        { "name": "desk", "url": "https://desk.example/in?x=1", "secret": [SECRET, OTHER_SECRET], "headers": { "x-key": "abc" } },
    ]));
    let id = recipient.take(BEGIN);
    assert_eq!(recipient.ways.ids(), std::slice::from_ref(&id));
    let got = recipient.ways.got.borrow();
    let request = &got[0];
    assert_eq!(
        (request.method().as_str(), request.uri().to_string().as_str()),
        ("POST", "https://desk.example/in?x=1")
    );
    let header = |name: &str| request.headers()[name].to_str().unwrap();
    assert_eq!(header("content-type"), "application/cloudevents+json; charset=utf-8");
    assert_eq!((header("webhook-id"), header("x-key")), (id.as_str(), "abc"));
    let timestamp: i64 = header("webhook-timestamp").parse().unwrap();
    assert!((timestamp - crate::support::now().timestamp()).abs() < 2);
    let signatures: Vec<_> = [SECRET, OTHER_SECRET]
        .iter()
        .map(|secret| Webhook::new(secret).unwrap().sign(&id, timestamp, request.body()).unwrap())
        .collect();
    assert_eq!(header("webhook-signature"), signatures.join(" "));
    let key = recipient.store.keys().into_iter().find(|key| key.starts_with("event.")).unwrap();
    assert_eq!(request.body(), &recipient.store.values.borrow()[&key], "the record as it is stored");
    drop(got);
    recipient.tick();
    recipient.take(BEGIN);
    assert_eq!(recipient.ways.ids().len(), 1, "a repeat is sent to nobody again");
}

#[test]
fn destinations_add_no_store_calls_to_a_post() {
    let recipient = ForwardingRecipient::new(json!(
        (0..5).map(|number| json!({ "name": format!("d{number}"), "url": "https://x.example" })).collect::<Vec<_>>()
    ));
    let settings = recipient.settings();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    post("/events").body(BEGIN).answer_alone(&recipient.store, &settings);
    assert_eq!(*recipient.store.calls.borrow(), ["exists", "set"]);
}

#[test]
fn pending_events_are_sent_oldest_first() {
    let recipient = ForwardingRecipient::with_desk();
    let numbers = [7, 3, 9, 1, 5, 200, 100, 8];
    let mut ids: Vec<_> = numbers.iter().map(|number| (*number, recipient.take_and_die(&event(*number)))).collect();
    // Events of one second are sent in the order of recording.
    for (_, body) in seven() {
        recipient.ways.pass_time(Duration::from_millis(3));
        let body = body.replace("timestamp=1700000000", "timestamp=1767000300");
        ids.push((300 + ids.len() as u64, recipient.take_and_die(&body)));
    }
    ids.sort();
    recipient.tick();
    let ids: Vec<_> = ids.into_iter().map(|(_, id)| id).collect();
    let seven_of_one_time = recipient.ways.ids();
    assert_eq!(seven_of_one_time.len(), ids.len());
    assert_eq!(seven_of_one_time, ids);
    assert_eq!(recipient.tick()["pending"], 0);
}

#[test]
fn each_answer_has_its_documented_effect() {
    // The first answer; then how often the event was sent, the state, and the wait before the next attempt.
    let cases = [
        (Says::Status(200), "working", 0),
        (Says::Status(202), "working", 0),
        (Says::Status(204), "working", 0),
        (Says::Status(301), "failing", 5),
        (Says::Status(302), "failing", 5),
        (Says::Status(307), "failing", 5),
        (Says::Status(400), "refused", 0),
        (Says::Status(401), "failing", 5),
        (Says::Status(403), "failing", 5),
        (Says::Status(404), "refused", 0),
        (Says::Status(405), "failing", 5),
        (Says::Status(407), "failing", 5),
        (Says::Status(413), "refused", 0),
        (Says::Status(422), "refused", 0),
        (Says::Status(410), "paused", 0),
        (Says::Status(408), "failing", 5),
        (Says::Status(425), "failing", 5),
        (Says::Status(429), "failing", 5),
        (Says::Status(500), "failing", 5),
        (Says::Status(502), "failing", 5),
        (Says::Status(503), "failing", 5),
        (Says::Status(599), "failing", 5),
        (Says::Status(102), "failing", 5),
        (Says::Later(429, "77"), "failing", 77),
        (Says::Later(503, "Fri, 02 Jan 2026 03:05:00 GMT"), "failing", 54),
        (Says::Later(503, "soon"), "failing", 5),
        (Says::Later(503, "99999999999999999999"), "failing", 86_400),
        (Says::Later(503, "0"), "failing", 1),
        (Says::NoConnection, "failing", 5),
        (Says::Hangs, "failing", 5),
    ];
    for (says, state, seconds) in cases {
        let recipient = ForwardingRecipient::with_desk();
        recipient.ways.say([says.clone()]);
        let began = recipient.ways.now();
        let first = recipient.take(&event(1));
        let shown_status = recipient.status("desk");
        let hung = if matches!(says, Says::Hangs) { 15 } else { 0 };
        assert_eq!(recipient.ways.take_ids(), std::slice::from_ref(&first), "{says:?}");
        match state {
            "failing" => {
                assert_eq!(
                    (&shown_status["state"], &shown_status["pending"]),
                    (&json!("failing"), &json!(1)),
                    "{says:?}: {shown_status}"
                );
                let next =
                    chrono::DateTime::parse_from_rfc3339(shown_status["next_attempt"].as_str().unwrap()).unwrap();
                let waits = (next.to_utc() - began).num_seconds();
                assert!((seconds + hung..=seconds + hung + 1).contains(&waits), "{says:?}: {waits} s");
                let second = recipient.take(&event(2));
                assert!(recipient.ways.take_ids().is_empty(), "{says:?}: nothing overtakes");
                recipient.ways.pass_time(Duration::from_secs(seconds.unsigned_abs() + 2));
                recipient.tick();
                assert_eq!(recipient.ways.take_ids(), [first, second], "{says:?}");
                assert_eq!(recipient.status("desk")["state"], "working", "{says:?}");
            }
            "refused" => {
                assert_eq!(
                    (&shown_status["state"], &shown_status["refused"]),
                    (&json!("working"), &json!(1)),
                    "{says:?}: {shown_status}"
                );
                let second = recipient.take(&event(2));
                assert_eq!(recipient.ways.take_ids(), [second], "{says:?}: the next one goes");
                let list = recipient.api("GET", "/api/destinations/desk/refused").body;
                assert!(list.contains(&first), "{says:?}: {list}");
            }
            "paused" => {
                assert_eq!(shown_status["state"], "paused", "{shown_status}");
                assert!(shown_status["paused"]["reason"].as_str().unwrap().contains("410"), "{shown_status}");
                recipient.take(&event(2));
                recipient.ways.pass_time(Duration::from_secs(100_000));
                recipient.tick();
                assert!(recipient.ways.take_ids().is_empty(), "{says:?}");
            }
            _ => assert_eq!(
                (&shown_status["state"], &shown_status["pending"]),
                (&json!("working"), &json!(0)),
                "{says:?}: {shown_status}"
            ),
        }
    }
}

#[test]
fn waits_grow_to_an_hour_and_after_three_days_the_destination_is_paused() {
    let waits: Vec<_> = (1..=8).map(|failures| wait(failures, None).as_secs()).collect();
    assert_eq!(waits, [5, 30, 120, 600, 1_800, 3_600, 3_600, 3_600]);
    let recipient = ForwardingRecipient::with_desk();
    *recipient.ways.always.borrow_mut() = Says::Status(503);
    let id = recipient.take(&event(1));
    let mut tries = 0;
    while recipient.status("desk")["state"] == "failing" {
        recipient.ways.pass_time(Duration::from_secs(60));
        recipient.tick();
        tries += 1;
        assert!(tries < 10_000);
    }
    let shown_status = recipient.status("desk");
    assert!(
        shown_status["paused"]["reason"].as_str().unwrap().starts_with("it has failed for three days"),
        "{shown_status}"
    );
    assert!((4_300..4_400).contains(&tries), "after {tries} minutes");
    assert!((70..90).contains(&recipient.ways.take_ids().len()), "hourly");
    *recipient.ways.always.borrow_mut() = Says::Status(200);
    assert_eq!(recipient.api("POST", "/api/destinations/desk/resume").status, 200);
    assert_eq!(recipient.ways.take_ids(), [id], "what is still loose is sent at once");
}

#[test]
fn a_destination_that_fails_or_hangs_delays_no_other() {
    let recipient = ForwardingRecipient::new(json!([
        { "name": "bad", "url": "https://bad.example" },
        { "name": "good", "url": "https://good.example" },
    ]));
    // The requests of a delivery run are made in the order of destinations.
    recipient.ways.say([Says::Hangs]);
    let ids: Vec<_> = (1..4).map(|number| recipient.take(&event(number))).collect();
    let got = recipient.ways.got.borrow();
    let good: Vec<_> = got.iter().filter(|request| request.uri().host() == Some("good.example")).collect();
    let good: Vec<_> = good.iter().map(|request| request.headers()["webhook-id"].to_str().unwrap()).collect();
    assert_eq!(good, ids);
}

#[test]
fn filters_select_events() {
    let body = |name: &str, key: &str| format!("event={name}&version=1&timestamp=1767000000&lsid=a&external_key={key}");
    let end = "support_conference_end";
    let cases = [
        (json!({ "events": [end] }), body(end, ""), true),
        (json!({ "events": [end] }), body("support_conference_begin", ""), false),
        (json!({ "events": ["new_event"] }), body("new_event", ""), true),
        (json!({ "sites": ["hq"] }), body(end, ""), true),
        (json!({ "sites": ["elsewhere"] }), body(end, ""), false),
        (json!({ "external_key": "present" }), body(end, "INC1"), true),
        (json!({ "external_key": "present" }), body(end, ""), false),
        (json!({ "external_key": "absent" }), body(end, ""), true),
        (json!({ "external_key": "absent" }), body(end, "INC1"), false),
        (json!({ "external_key": "INC" }), body(end, "INC1"), true),
        (json!({ "external_key": "INC" }), body(end, "REQ1"), false),
        (json!({ "from": "2025-12-29T09:20:00Z" }), body(end, ""), true),
        (json!({ "from": "2025-12-29T09:20:01Z" }), body(end, ""), false),
    ];
    for (filter, body, wanted) in cases {
        let mut destination = filter.clone();
        destination["name"] = json!("desk");
        destination["url"] = json!("https://desk.example");
        let recipient = ForwardingRecipient::new(json!([destination]));
        recipient.take(&body);
        assert_eq!(recipient.ways.ids().len(), usize::from(wanted), "{filter} {body}");
        assert_eq!(recipient.tick()["pending"], 0, "{filter} {body}: excluded events are not pending");
        recipient.pack(0);
        assert_eq!(recipient.loose(), 0, "{filter} {body}");
    }
}

#[test]
fn a_form_equals_the_received_one_byte_for_byte() {
    let recipient = ForwardingRecipient::new(
        json!([{ "name": "next", "url": "https://next.example/events/hq", "format": "form" }]),
    );
    let mut bodies: Vec<_> = seven().into_iter().map(|(_, body)| body).collect();
    bodies.push("event=new_thing&timestamp=1767000000&version=2&what=%C3%A4%26b+c".to_owned());
    bodies.push("event=new_thing&tags%5B%5D=vip&tags%5B%5D=eu&timestamp=1767000001&version=2".to_owned());
    for body in &bodies {
        recipient.take(body);
    }
    let last = recipient.ways.got.borrow().last().map(|request| request.body().clone());
    assert_eq!(last.as_ref(), bodies.last().map(|body| body.as_bytes().to_vec()).as_ref());
    let again = Memory::default();
    for request in recipient.ways.got.borrow().iter() {
        let reply = post("/events/hq").body(request.body()).answer_alone(&again, crate::support::OPEN);
        assert_eq!(reply.header("event-id"), request.headers()["webhook-id"], "{reply:?}");
    }
    let events = |store: &Memory| store.keys().into_iter().filter(|key| key.starts_with("event.")).collect::<Vec<_>>();
    assert_eq!(events(&again), events(&recipient.store), "a chain ends with the same keys");
}

#[test]
fn a_request_has_one_user_agent() {
    let one = |headers: serde_json::Value| {
        ForwardingRecipient::new(json!([{ "name": "desk", "url": "https://desk.example", "headers": headers }]))
    };
    for (headers, value) in [
        (json!({}), concat!("outbound-events/", env!("CARGO_PKG_VERSION"))),
        (json!({ "user-agent": "desk/1" }), "desk/1"),
        (json!({ "User-Agent": " \tdesk/1 " }), "desk/1"),
        (json!({ "USER-AGENT": "" }), ""),
    ] {
        let recipient = one(headers.clone());
        recipient.take(BEGIN);
        let got = recipient.ways.got.borrow();
        let agents: Vec<_> = got[0].headers().get_all("user-agent").iter().collect();
        assert_eq!(agents, [value], "{headers}");
    }
}
