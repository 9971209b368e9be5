//! Events that are stored, repeated or set aside.

use super::harness::{WITH_TOKEN, assert_accepted};
use crate::support::{BEGIN, GUARDED, Memory, OPEN, TOKEN, post, seven};

#[test]
fn a_repeat_is_a_duplicate_and_changes_nothing() {
    for (_, form) in seven() {
        let store = Memory::default();
        let first = post("/events").body(&form).answer(&store, OPEN);
        assert_accepted(&first, "stored");
        let kept = store.values.borrow().clone();
        let again = post("/events").body(&form).answer(&store, OPEN);
        assert_accepted(&again, "duplicate");
        assert_eq!(first.header("event-id"), again.header("event-id"));
        assert_eq!(*store.values.borrow(), kept);
    }
}

#[test]
fn a_post_costs_one_read_and_one_write_and_its_repeat_two_reads() {
    let store = Memory::default();
    post("/").body(BEGIN).answer_alone(&store, OPEN);
    assert_eq!(*store.calls.borrow(), ["exists", "set"]);
    post("/").body(BEGIN).answer_alone(&store, OPEN);
    assert_eq!(*store.calls.borrow(), ["exists", "set", "exists", "get"]);
}

/// Real senders' bodies that an earlier version set aside although nothing is wrong with them.
#[test]
fn an_open_body_is_stored_in_open_mode() {
    let joins = "event=support_conference_member_added&version=1&timestamp=1700000000&lsid=x";
    let bodies = [
        format!("{joins}&type=external_representative&name=Jane"),
        format!("{joins}&type=Representative&name=Jane"),
        format!("{joins}&type=representative&display_name=Jane+Doe&appliance_id=hq"),
        "event=vault_account_checked_out&version=1&timestamp=1700000000&lsid=&name=svc".to_owned(),
        format!("{BEGIN}&session.custom.tags[]=vip&session.custom.tags[]=eu"),
        format!("{BEGIN}\r\n"),
    ];
    for body in bodies {
        let store = Memory::default();
        assert_accepted(&post("/events").body(&body).answer(&store, OPEN), "stored");
        assert_accepted(&post("/events").body(&body).answer(&store, OPEN), "duplicate");
    }
}

#[test]
fn with_a_token_an_invalid_body_is_set_aside() {
    let bodies: [(&[u8], &str); 4] = [
        (b"event=support_conference_begin&lsid=x", "application/x-www-form-urlencoded"),
        (b"{\"event\": 1}", "application/json"),
        (b"\0\xff\xfe", "application/octet-stream"),
        (b"&", "text/plain; charset=utf-8"),
    ];
    for (body, content_type) in bodies {
        let store = Memory::default();
        let send = || post(WITH_TOKEN).header("content-type", content_type).body(body).answer(&store, GUARDED);
        assert_accepted(&send(), "set-aside");
        let kept = store.values.borrow().clone();
        assert_accepted(&send(), "set-aside");
        assert_eq!(*store.values.borrow(), kept, "a repeat changes nothing");
        assert!(store.keys()[0].starts_with("setaside.default."));
        assert_eq!(store.only()["content_type"], content_type);
    }
}

#[test]
fn with_a_token_a_valid_event_of_another_content_type_is_stored() {
    let call = post(WITH_TOKEN).header("content-type", "text/plain").body(BEGIN);
    assert_accepted(&call.answer(&Memory::default(), GUARDED), "stored");
}

#[test]
fn with_invalid_events_reject_a_body_is_kept_and_answered_400() {
    let store = Memory::default();
    let settings = [("ingest_tokens", TOKEN), ("invalid_events", "reject")];
    let reply = post(WITH_TOKEN).body("event=support_conference_begin&lsid=x").answer(&store, &settings);
    assert_eq!((reply.status, reply.result()), (400, "set-aside"));
    assert_eq!(reply.at_fault(), ["version", "timestamp"]);
    assert_eq!(store.only()["id"], reply.header("event-id"));
}
