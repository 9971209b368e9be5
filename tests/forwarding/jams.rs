//! Events, records and settings that must not jam a destination: each of these once stopped one for days.

use std::time::Duration;

use super::recipient::{ForwardingRecipient, OTHER_SECRET, SECRET, event};
use crate::support::{Says, ScriptedAnswer, call};
use serde_json::{Value, json};

/// Row 2: an unreadable loose record prevented replays for ever.
#[test]
fn an_unreadable_record_is_reported_once_and_skipped() {
    let recipient = ForwardingRecipient::with_desk();
    let damaged = "event.hq.001767000000.a.begin.00000000000000000000000000000001";
    recipient.store.values.borrow_mut().insert(damaged.to_owned(), b"{}".to_vec());
    let id = recipient.take(&event(1));
    assert_eq!(recipient.ways.take_ids(), std::slice::from_ref(&id), "the next one goes");
    let status = recipient.status("desk");
    assert_eq!((&status["pending"], &status["refused"], &status["state"]), (&json!(0), &json!(1), &json!("working")));
    let listed: Value = serde_json::from_str(&recipient.api("GET", "/api/destinations/desk/refused").body).unwrap();
    assert!(listed["refused"][0]["reason"].as_str().unwrap().contains("cannot be read"), "{listed}");
    // A replay and a second tick continue, and report nothing again.
    recipient.api("POST", "/api/destinations/desk/replay?from=2025-01-01&to=2027-01-01");
    assert_eq!(recipient.ways.take_ids(), [id]);
    assert_eq!(recipient.post_tick().log, None);
    // Once the record is readable again, an administrator can retry it.
    let other = ForwardingRecipient::with_desk();
    let repaired = other.take_and_die(&event(5));
    let (key, value) = other
        .store
        .values
        .borrow()
        .iter()
        .find(|(key, _)| key.starts_with("event."))
        .map(|(key, value)| (key.clone(), value.clone()))
        .unwrap();
    recipient.store.values.borrow_mut().insert(key.clone(), b"{}".to_vec());
    recipient.tick();
    assert!(recipient.ways.take_ids().is_empty());
    recipient.store.values.borrow_mut().insert(key, value);
    assert_eq!(recipient.api("POST", &format!("/api/destinations/desk/refused/{repaired}/retry")).status, 202);
    assert_eq!(recipient.ways.take_ids(), [repaired]);
    // A record that is no longer loose is no longer listed.
    recipient.store.values.borrow_mut().remove(damaged);
    recipient.pack(0);
    assert_eq!(recipient.status("desk")["refused"], 0);
}

/// Row 5: an event that a receiver answers with 500 held back all later events for three days.
#[test]
fn an_administrator_skips_the_first_pending_event() {
    let recipient = ForwardingRecipient::with_desk();
    recipient.ways.say([Says::Status(500)]);
    let ids: Vec<_> = (0..3).map(|number| recipient.take(&event(number))).collect();
    recipient.ways.take_ids();
    let status = recipient.status("desk");
    assert_eq!((&status["state"], &status["failing_event"]), (&json!("failing"), &json!(ids[0])));
    let other = recipient.api("POST", &format!("/api/destinations/desk/skip?event={}", ids[1]));
    assert_eq!(other.status, 404, "another event is the first");
    let reply = recipient.api("POST", &format!("/api/destinations/desk/skip?event={}", ids[0]));
    assert_eq!((reply.status, reply.body.as_str()), (200, format!("{{\"skipped\":\"{}\"}}", ids[0]).as_str()));
    assert!(reply.log.as_deref().is_some_and(|log| log.contains("skipped") && log.contains(&ids[0])), "{reply:?}");
    assert_eq!(recipient.ways.take_ids(), ids[1..], "the next ones go at once");
    let status = recipient.status("desk");
    assert_eq!((&status["refused"], &status["pending"], &status["state"]), (&json!(1), &json!(0), &json!("working")));
    assert_eq!(recipient.api("POST", "/api/destinations/desk/skip").status, 404, "nothing is pending");
    assert_eq!(recipient.api("POST", "/api/destinations/desk/refused/retry").status, 202);
    assert_eq!(recipient.ways.take_ids(), ids[..1]);
}

/// Row 5 without an administrator: from the sixth failure on, the next event is tried.
#[test]
fn an_event_that_fails_while_others_are_accepted_is_refused() {
    let recipient = ForwardingRecipient::with_desk();
    let ids: Vec<_> = (0..4).map(|number| recipient.take_and_die(&event(number))).collect();
    // Five failures, then the sixth, the probe, and the seventh.
    for _ in 0..5 {
        recipient.ways.say([Says::Status(500)]);
        recipient.tick();
        assert_eq!(recipient.ways.take_ids(), ids[..1]);
        recipient.ways.pass_time(Duration::from_secs(4_000));
    }
    recipient.ways.say([Says::Status(500), Says::Status(200), Says::Status(500)]);
    recipient.tick();
    let order = [0, 1, 0, 2, 3].map(|number: usize| ids[number].clone());
    assert_eq!(recipient.ways.take_ids(), order);
    let status = recipient.status("desk");
    assert_eq!((&status["refused"], &status["pending"], &status["state"]), (&json!(1), &json!(0), &json!("working")));
}

/// A failure that says nothing about the event starts no probe, and a receiver that recovers refuses nothing.
#[test]
fn the_probe_refuses_no_healthy_event() {
    let cases: [(&[Says], &[usize], usize); 7] = [
        // It recovered between the two attempts.
        (&[Says::Status(500), Says::Status(200), Says::Status(200)], &[0, 1, 0, 2], 0),
        // It is down: the next event is not accepted either.
        (&[Says::Status(500), Says::Status(500)], &[0, 1], 0),
        (&[Says::Status(500), Says::Status(400)], &[0, 1], 0),
        // It is down again at the second attempt.
        (&[Says::Status(500), Says::Status(200), Says::NoConnection], &[0, 1, 0], 0),
        (&[Says::Status(500), Says::Status(200), Says::Status(429)], &[0, 1, 0], 0),
        (&[Says::Status(429)], &[0], 0),
        (&[Says::NoConnection], &[0], 0),
    ];
    for (says, sent, refused) in cases {
        let recipient = ForwardingRecipient::with_desk();
        let ids: Vec<_> = (0..3).map(|number| recipient.take_and_die(&event(number))).collect();
        for _ in 0..5 {
            recipient.ways.say([Says::Status(500)]);
            recipient.tick();
            recipient.ways.pass_time(Duration::from_secs(4_000));
        }
        recipient.ways.take_ids();
        recipient.ways.say(says.to_vec());
        recipient.tick();
        let sent: Vec<_> = sent.iter().map(|number| ids[*number].clone()).collect();
        assert_eq!(recipient.ways.take_ids(), sent, "{says:?}");
        assert_eq!(recipient.status("desk")["refused"], refused, "{says:?}");
    }
}

/// Row 16: events pending for a destination that had been removed from the setting were never packed, and its keys
/// stayed.
#[test]
fn a_removed_destination_blocks_nothing() {
    let recipient = ForwardingRecipient::new(json!([
        { "name": "alpha", "url": "https://alpha.example" },
        { "name": "beta", "url": "https://beta.example" },
    ]));
    *recipient.ways.always.borrow_mut() = Says::Status(503);
    for number in 0..20 {
        recipient.take(&event(number));
    }
    let own = |name: &str| recipient.store.keys().iter().filter(|key| key.contains(&format!(".{name}"))).count();
    assert!(own("alpha") > 0 && own("beta") > 0);
    *recipient.destinations.borrow_mut() = json!([{ "name": "beta", "url": "https://beta.example" }]).to_string();
    recipient.pack(0);
    assert_eq!((own("alpha"), recipient.loose()), (0, 20), "what is pending for b stays loose");
    // An unreadable setting deletes nothing.
    *recipient.destinations.borrow_mut() = "[".to_owned();
    recipient.ways.pass_time(Duration::from_secs(100));
    recipient.post_tick();
    assert!(own("beta") > 0);
    *recipient.destinations.borrow_mut() = "[]".to_owned();
    recipient.ways.pass_time(Duration::from_secs(100));
    recipient.post_tick();
    assert_eq!(own("beta"), 0, "no pass was due but for that");
}

/// Row 20: all keys were listed every second while a destination failed.
#[test]
fn a_failing_destination_adds_no_lists_of_keys() {
    let recipient = ForwardingRecipient::with_desk();
    recipient.ways.say([Says::Later(503, "300")]);
    recipient.take(&event(1));
    let ticked = recipient.tick();
    assert_eq!((&ticked["pending"], &ticked["resting_seconds"]), (&json!(1), &json!(300)));
    recipient.store.calls.borrow_mut().clear();
    (0..10).for_each(|_| assert_eq!(recipient.post_tick().status, 200));
    let lists = recipient.store.calls.borrow().iter().filter(|call| **call == "get_keys").count();
    // Each tick lists keys for compaction; a waiting destination adds no list.
    assert!(lists <= 10, "{lists} lists while nothing may be sent");
    recipient.ways.pass_time(Duration::from_secs(300));
    recipient.ways.take_ids();
    recipient.post_tick();
    assert_eq!(recipient.ways.take_ids().len(), 1);
    let ticked = recipient.tick();
    assert_eq!((&ticked["pending"], &ticked["resting_seconds"]), (&json!(0), &json!(0)));
}

/// Row 21: a refused event stayed on the list after it was erased, with the receiver's words about it.
#[test]
fn refused_entries_are_removed_with_their_events() {
    let recipient = ForwardingRecipient::with_desk();
    recipient.ways.say([Says::Status(400), Says::Status(400)]);
    recipient.take(&event(0));
    recipient.take(&event(1));
    assert_eq!(recipient.status("desk")["refused"], 2);
    recipient.pack(0);
    assert_eq!(recipient.api("DELETE", "/api/sessions/hq/session1").status, 200);
    let status = recipient.status("desk");
    assert_eq!((&status["refused"], &status["last_error"]), (&json!(1), &Value::Null), "{status}");
    assert_eq!(recipient.api("DELETE", "/api/events?before=2026-01-01T00:00:00Z").status, 200);
    assert_eq!(recipient.status("desk")["refused"], 0);
}

/// The receiver's words about an event that was only failing, and in no list, stayed after the event was erased.
#[test]
fn the_words_about_an_erased_event_are_forgotten_also_while_it_fails() {
    let recipient = ForwardingRecipient::with_desk();
    recipient.ways.say([ScriptedAnswer::new(500).body("Jane Doe is no user here")]);
    recipient.take(&event(0));
    recipient.take_and_die(&event(1));
    assert!(recipient.status("desk").to_string().contains("Jane Doe"));
    assert_eq!(recipient.api("DELETE", "/api/sessions/hq/session1").status, 200);
    assert!(recipient.status("desk").to_string().contains("Jane Doe"), "another session");
    assert_eq!(recipient.api("DELETE", "/api/sessions/hq/session0").status, 200);
    assert!(!recipient.status("desk").to_string().contains("Jane Doe"));
    // Words about several events can be about any of them, so they are not kept at all.
    let recipient =
        ForwardingRecipient::new(json!([{ "name": "desk", "url": "https://desk.example/in", "batch": {} }]));
    (0..2).for_each(|number| _ = recipient.take_and_die(&event(number)));
    recipient.ways.say([ScriptedAnswer::new(500).body("Jane Doe is no user here")]);
    recipient.tick();
    let status = recipient.status("desk");
    assert_eq!(status["last_error"], "it answered 500 Internal Server Error");
}

/// Pauses and refusals are logged, whatever causes them.
#[test]
fn an_administrators_commands_are_logged() {
    let recipient = ForwardingRecipient::with_desk();
    for (command, word) in [("pause", "paused"), ("resume", "resumed")] {
        let reply = recipient.api("POST", &format!("/api/destinations/desk/{command}"));
        assert!(reply.log.as_deref().is_some_and(|log| log.contains("desk") && log.contains(word)), "{reply:?}");
    }
}

/// Runs and pulls looked at loose keys alone: an event that was erased went out if the erasing died before it deleted the record.
#[test]
fn an_erased_event_is_not_forwarded_while_its_bytes_remain() {
    let recipient = ForwardingRecipient::new(json!([
        { "name": "desk", "url": "https://desk.example/in", "secret": SECRET },
        { "name": "puller", "format": "pull", "secret": OTHER_SECRET },
    ]));
    let [erased, kept] = [0, 1].map(|number| recipient.take_and_die(&event(number)));
    let key = recipient.store.keys().into_iter().find(|key| key.ends_with(&erased)).unwrap();
    let value = recipient.store.values.borrow()[&key].clone();
    assert_eq!(recipient.api("DELETE", "/api/sessions/hq/session0").status, 200);
    recipient.store.values.borrow_mut().insert(key, value);

    let pending = call("GET", "/api/destinations/puller/pending");
    let reply = recipient.answer(pending.header("authorization", format!("Bearer {OTHER_SECRET}")));
    let pulled: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!((pulled.as_array().unwrap().len(), &pulled[0]["id"]), (1, &json!(kept)), "{pulled}");
    recipient.post_tick();
    assert_eq!(recipient.ways.take_ids(), [kept]);
}
