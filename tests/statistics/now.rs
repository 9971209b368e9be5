//! What is open now.

use chrono::DateTime;
use outbound_events::archive::now::open_now;
use outbound_events::archive::{View, read_view};
use serde_json::{Value, json};

use super::{DAY, MARCH, form, get, pack, send, time};
use crate::support::{AnyStore, Memory, TOKEN, at, call};

const NOON: i64 = MARCH + 12 * 3_600;
const REP: &str = "&type=representative&name=Ann";

fn begin(store: &Memory, lsid: &str, at: i64) {
    send(store, "hq", &form("support_conference_begin", lsid, at, ""), at);
}

fn joins(store: &Memory, lsid: &str, at: i64, who: &str) {
    send(store, "hq", &form("support_conference_member_added", lsid, at, who), at);
}

fn end(store: &Memory, lsid: &str, at: i64) {
    send(store, "hq", &form("support_conference_end", lsid, at, ""), at);
}

fn desk() -> Memory {
    let store = Memory::default();
    begin(&store, "waits", NOON - 300);
    joins(&store, "waits", NOON - 299, "&type=customer&name=Kim");
    begin(&store, "waits-too", NOON - 30);
    begin(&store, "served", NOON - 900);
    joins(&store, "served", NOON - 880, REP);
    begin(&store, "done", NOON - 2_000);
    joins(&store, "done", NOON - 1_990, REP);
    end(&store, "done", NOON - 1_000);
    begin(&store, "gave-up", NOON - 700);
    end(&store, "gave-up", NOON - 600);
    // Ended before today began, and open for longer than a day: its end was lost.
    begin(&store, "yesterday", MARCH - 3_600);
    end(&store, "yesterday", MARCH - 60);
    begin(&store, "lost-end", NOON - DAY - 1);
    // Of this one only the end is known.
    end(&store, "half", NOON - 50);
    store
}

fn expected() -> Value {
    json!({
        "open": 3, "waiting_total": 2, "longest_wait_seconds": 300, "ended": 3, "never_answered": 1,
        "waiting": [
            {"site": "hq", "lsid": "waits", "since": "2024-03-01T11:55:00Z"},
            {"site": "hq", "lsid": "waits-too", "since": "2024-03-01T11:59:30Z"},
        ],
        "sites": [{"site": "hq", "open": 3, "waiting": 2, "longest_wait_seconds": 300, "ended": 3, "never_answered": 1}],
        "now": "2024-03-01T12:00:00Z", "midnight": "2024-03-01T00:00:00Z", "zone": "UTC",
    })
}

fn now(store: &Memory) -> Value {
    let mut now = get(store, "/api/now", NOON);
    now.as_object_mut().unwrap().remove("version");
    now
}

#[test]
fn open_waiting_and_ended_sessions_are_counted_loose_and_packed() {
    let store = desk();
    assert_eq!(now(&store), expected(), "loose");
    pack(&store, NOON);
    assert!(store.keys().iter().any(|key| key.starts_with("index.open.")));
    assert_eq!(now(&store), expected(), "packed");
    let packed = store.values.borrow().clone();
    store.values.borrow_mut().retain(|key, _| !key.starts_with("index."));
    assert_eq!(now(&store), expected(), "without an index");
    store.values.replace(packed);
    joins(&store, "waits", NOON, REP);
    end(&store, "served", NOON);
    let after = now(&store);
    assert_eq!((&after["open"], &after["waiting_total"], &after["ended"]), (&json!(2), &json!(1), &json!(4)));
    assert_eq!(after["waiting"][0]["lsid"], "waits-too");
}

#[test]
fn an_erased_session_waits_no_more() {
    for packed in [false, true] {
        let store = desk();
        if packed {
            pack(&store, NOON);
        }
        let call = call("DELETE", "/api/sessions/hq/waits").header("authorization", format!("Bearer {TOKEN}"));
        assert_eq!(call.at(time(NOON)).answer_alone(&store, super::SETTINGS).status, 200);
        assert_eq!(now(&store)["waiting_total"], 1, "{packed}");
    }
}

#[test]
fn today_begins_at_midnight_of_the_zone() {
    let store = desk();
    for (zone, ended) in [("UTC", 3), ("%2B01:00", 4), ("-13:00", 4), ("-11:59", 1)] {
        assert_eq!(get(&store, &format!("/api/now?zone={zone}"), NOON)["ended"], ended, "{zone}");
    }
}

#[test]
fn the_version_changes_with_every_event_and_with_nothing_else() {
    let store = desk();
    let version = || get(&store, "/api/now", NOON)["version"].clone();
    let first = version();
    assert_eq!(version(), first);
    begin(&store, "new", NOON);
    let second = version();
    assert_ne!(second, first);
    begin(&store, "new", NOON);
    assert_eq!(version(), second, "a repeat");
    let call = call("DELETE", "/api/sessions/hq/new").header("authorization", format!("Bearer {TOKEN}"));
    assert_eq!(call.at(time(NOON)).answer_alone(&store, super::SETTINGS).status, 200);
    assert_ne!(version(), second);
}

/// A dropped event of joining does not make a session unanswered until it is packed.
#[test]
fn a_representative_who_only_departed_was_there() {
    let store = Memory::default();
    begin(&store, "served", NOON - 900);
    send(&store, "hq", &form("support_conference_member_departed", "served", NOON - 800, REP), NOON - 800);
    begin(&store, "done", NOON - 700);
    send(&store, "hq", &form("support_conference_member_departed", "done", NOON - 600, REP), NOON - 600);
    end(&store, "done", NOON - 500);
    let counted = || {
        let now = now(&store);
        ["open", "waiting_total", "ended", "never_answered"].map(|field| now[field].as_u64().unwrap())
    };
    assert_eq!(counted(), [1, 0, 1, 0], "loose");
    pack(&store, NOON);
    assert_eq!(counted(), [1, 0, 1, 0], "packed");
}

/// Of all loose records only those of members of sessions that are open or ended today are read.
#[test]
fn only_members_are_read() {
    let store = desk();
    let platform = at(&store, DateTime::from_timestamp(NOON, 0).unwrap());
    let midnight = outbound_events::event::Timestamp::from_seconds(MARCH.unsigned_abs()).unwrap();
    store.calls.borrow_mut().clear();
    let read = async |view: &mut View<'_, AnyStore<'_>>| {
        open_now(view, None, DateTime::from_timestamp(NOON, 0).unwrap(), midnight).await
    };
    pollster::block_on(read_view(&platform, read)).unwrap();
    let calls = store.calls.borrow();
    assert_eq!(calls.iter().filter(|call| **call == "get").count(), 3, "{calls:?}");
    assert_eq!(calls.iter().filter(|call| **call == "get_keys").count(), 1, "{calls:?}");
}
