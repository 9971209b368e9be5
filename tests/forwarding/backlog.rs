//! Packing, replays, refused events and paused destinations.

use std::collections::BTreeSet;
use std::time::Duration;

use super::recipient::{ForwardingRecipient, event};
use crate::support::Says;
use serde_json::{Value, json};

#[test]
fn pending_events_are_not_packed_and_packing_removes_receipts() {
    let recipient = ForwardingRecipient::with_desk();
    for number in 0..40 {
        recipient.take(&event(number));
    }
    *recipient.ways.always.borrow_mut() = Says::Status(503);
    for number in 40..60 {
        recipient.take(&event(number));
    }
    recipient.pack(0);
    assert_eq!(recipient.loose(), 20, "what is pending stays loose, the rest is packed");
    *recipient.ways.always.borrow_mut() = Says::Status(200);
    recipient.ways.pass_time(Duration::from_secs(60));
    recipient.tick();
    recipient.ways.pass_time(Duration::from_secs(120));
    recipient.pack(0);
    assert_eq!(recipient.loose(), 0);
    recipient.pack(0);
    let left: Vec<_> = recipient.store.keys().into_iter().filter(|key| key.starts_with("sent.")).collect();
    assert!(left.is_empty(), "{left:?}");
    let unique: BTreeSet<_> = recipient.ways.ids().into_iter().collect();
    assert_eq!(unique.len(), 60);
}

#[test]
fn a_backlog_that_would_fill_the_store_pauses_and_a_replay_sends_what_was_missed() {
    let mut recipient = ForwardingRecipient::with_desk();
    recipient.more = vec![("key_budget", "200")];
    *recipient.ways.always.borrow_mut() = Says::Status(503);
    let ids: Vec<_> = (0..300).map(|number| recipient.take(&event(number))).collect();
    assert!(recipient.store.keys().len() <= 200, "{} keys", recipient.store.keys().len());
    let status = recipient.status("desk");
    assert!(status["paused"]["reason"].as_str().unwrap().contains("would fill the store"), "{status}");
    *recipient.ways.always.borrow_mut() = Says::Status(200);
    recipient.ways.take_ids();
    let resumed: Value = serde_json::from_str(&recipient.api("POST", "/api/destinations/desk/resume").body).unwrap();
    assert!(resumed["paused"]["since"].is_string(), "{resumed}");
    let replay = "/api/destinations/desk/replay?from=2025-12-01T00:00:00Z&to=2026-12-01T00:00:00Z";
    assert_eq!(recipient.api("POST", replay).status, 202);
    for _ in 0..10 {
        recipient.tick();
    }
    let got: BTreeSet<_> = recipient.ways.ids().into_iter().collect();
    assert_eq!(got, ids.into_iter().collect());
    assert_eq!(recipient.status("desk")["replays"], 0);
}

#[test]
fn a_replay_covers_packs_in_order_and_continues_after_a_failure() {
    let recipient = ForwardingRecipient::with_desk();
    let ids: Vec<_> = (0..200).map(|number| recipient.take(&event(number))).collect();
    recipient.pack(50);
    recipient.ways.take_ids();
    recipient.ways.say((0..99).map(|_| Says::Status(200)).chain([Says::Status(500)]));
    let from =
        chrono::DateTime::from_timestamp(1_767_000_010, 0).unwrap().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    recipient.api("POST", &format!("/api/destinations/desk/replay?from={from}&to=2027-01-01"));
    assert_eq!(recipient.ways.take_ids(), ids[10..110]);
    recipient.ways.pass_time(Duration::from_secs(10));
    recipient.tick();
    assert_eq!(recipient.ways.take_ids(), ids[109..], "the one that failed, and what comes after it");
    for query in ["", "?from=2026-01-01", "?from=x&to=y", "?from=2026-01-01&to=2026-01-02&z=1"] {
        assert_eq!(recipient.api("POST", &format!("/api/destinations/desk/replay{query}")).status, 400, "{query}");
    }
}

#[test]
fn a_refused_event_is_sent_again_on_request() {
    let recipient = ForwardingRecipient::with_desk();
    recipient.ways.say([Says::Status(400), Says::Status(200), Says::Status(400)]);
    let ids: Vec<_> = (0..3).map(|number| recipient.take(&event(number))).collect();
    recipient.pack(0);
    assert_eq!(recipient.loose(), 0, "what is refused is not pending");
    recipient.ways.take_ids();
    let uri = format!("/api/destinations/desk/refused/{}/retry", ids[0]);
    assert_eq!(recipient.api("POST", &uri).status, 202);
    assert_eq!(recipient.ways.take_ids(), ids[..1]);
    assert_eq!(recipient.status("desk")["refused"], 1);
    assert_eq!(recipient.api("POST", &uri).status, 404, "it is refused no longer");
    recipient.ways.say([Says::Status(400)]);
    assert_eq!(recipient.api("POST", "/api/destinations/desk/refused/retry").status, 202);
    assert_eq!(recipient.ways.take_ids(), ids[2..]);
    assert_eq!(recipient.status("desk")["refused"], 1, "it was refused again");
}

#[test]
fn a_refused_event_adds_few_writes_for_later_events() {
    let recipient = ForwardingRecipient::with_desk();
    recipient.ways.say([Says::Status(400)]);
    for number in 0..40 {
        recipient.take_and_die(&event(number));
    }
    recipient.store.calls.borrow_mut().clear();
    recipient.tick();
    assert_eq!(recipient.ways.ids().len(), 40);
    let calls = recipient.store.calls.borrow();
    let writes = calls.iter().filter(|call| ["set", "delete"].contains(call)).count();
    assert!(writes < 16, "{writes} writes for 39 events that were sent: {calls:?}");
}

#[test]
fn a_destination_that_refuses_everything_is_paused() {
    let recipient = ForwardingRecipient::with_desk();
    *recipient.ways.always.borrow_mut() = Says::Status(404);
    for number in 0..130 {
        recipient.take(&event(number));
    }
    assert_eq!(recipient.ways.ids().len(), 100);
    let status = recipient.status("desk");
    assert!(status["paused"]["reason"].as_str().unwrap().contains("refused 100 events"), "{status}");
}

#[test]
fn the_hourly_limit_of_requests_is_kept() {
    let mut recipient = ForwardingRecipient::new(json!([
        { "name": "a", "url": "https://a.example" },
        { "name": "b", "url": "https://b.example" },
    ]));
    recipient.more = vec![("max_requests_per_hour", "20")];
    for number in 0..30 {
        recipient.take(&event(number));
    }
    assert_eq!(recipient.ways.take_ids().len(), 20, "ten each");
    recipient.ways.pass_time(Duration::from_secs(3_600));
    recipient.tick();
    assert_eq!(recipient.ways.take_ids().len(), 20);
    recipient.ways.pass_time(Duration::from_secs(3_600));
    recipient.tick();
    assert_eq!(recipient.ways.take_ids().len(), 20);
    assert_eq!(recipient.tick()["pending"], 0);
}
