//! A store of the version before reads the same, except for what its clock decided. It has packs, indexes, a tombstone
//! whose session is gone, a tombstone and a cutoff of unfinished removals, receipts, refused events, a paused
//! destination, a lease.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use outbound_events::archive::check::check_store;
use outbound_events::archive::compaction::{Bound, Policy};
use outbound_events::event::Timestamp;
use outbound_events::keys::OldCutoffKey;
use serde_json::Value;

use crate::support::{Memory, Reply, TOKEN, Ways, at, call, compact};

const DESTINATIONS: &str =
    r#"[{"name":"desk","url":"https://desk.example/in"},{"name":"gone","url":"https://gone.example/in"}]"#;
const SETTINGS: &[(&str, &str)] =
    &[("read_tokens", TOKEN), ("admin_tokens", TOKEN), ("tick_token", TOKEN), ("ingest_tokens", TOKEN)];

/// The store, and the answers of that version's API.
fn stored() -> (Memory, Value) {
    let stored: Value = serde_json::from_str(include_str!("fixtures/store-of-0.1.0-2026-11.json")).unwrap();
    let store = Memory::default();
    for (key, value) in stored["values"].as_object().unwrap() {
        let bytes = match (&value["text"], &value["base64"]) {
            (Value::String(text), _) => text.clone().into_bytes(),
            (_, base64) => STANDARD.decode(base64.as_str().unwrap()).unwrap(),
        };
        store.values.borrow_mut().insert(key.clone(), bytes);
    }
    (store, stored)
}

/// A minute after its last event was stored.
fn then(stored: &Value) -> DateTime<Utc> {
    DateTime::from_timestamp(stored["taken_until"].as_i64().unwrap() + 60, 0).unwrap()
}

fn api(store: &Memory, method: &str, uri: &str, now: DateTime<Utc>) -> Reply {
    call(method, uri).header("authorization", format!("Bearer {TOKEN}")).at(now).answer(store, SETTINGS)
}

fn json(store: &Memory, uri: &str, now: DateTime<Utc>) -> Value {
    serde_json::from_str(&api(store, "GET", uri, now).body).unwrap()
}

fn ids(store: &Memory, now: DateTime<Utc>) -> BTreeSet<String> {
    let events = json(store, "/api/events?limit=500", now);
    events.as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

/// The ids that version showed, and two events that its cutoff hid, though it had answered them with 200: an old event
/// that arrived after the cutoff was written, and a repeat of the first session's begin.
fn expected(stored: &Value) -> BTreeSet<String> {
    let shown = stored["ids"].as_array().unwrap().iter().chain([&stored["late"]]);
    shown.map(|id| id.as_str().unwrap().to_owned()).chain(["6764e078dcfc8daf738d089e7ea72d91".to_owned()]).collect()
}

#[test]
fn a_store_of_the_version_before_reads_the_same_and_shows_what_its_cutoff_hid() {
    let (store, stored) = stored();
    let now = then(&stored);
    assert_eq!(ids(&store, now), expected(&stored));
    let sessions = json(&store, "/api/sessions?limit=100", now);
    let lsids = |sessions: &Value| -> BTreeSet<String> {
        sessions.as_array().unwrap().iter().map(|session| session["lsid"].as_str().unwrap().to_owned()).collect()
    };
    let mut expected = lsids(&stored["sessions"]);
    expected.insert("late-session".to_owned());
    assert_eq!(lsids(&sessions["sessions"]), expected);
    assert_eq!(json(&store, "/api/set-aside", now)["set_aside"], stored["set_aside"]);
    assert_eq!(sessions["unreadable"], serde_json::json!([]));
    // Every row that both versions show is the same, except that of the session whose begin shows again.
    for row in stored["sessions"].as_array().unwrap().iter().filter(|row| row["lsid"] != "old-session-0") {
        let mut row = row.clone();
        // A field that the version before did not have.
        row["announced"] = serde_json::json!(true);
        assert!(sessions["sessions"].as_array().unwrap().contains(&row), "{row}");
    }
}

#[test]
fn a_store_of_the_version_before_is_packed_cleared_and_checked() {
    let (store, stored) = stored();
    let now = then(&stored);
    for days in [0, 0, 1, 2] {
        let platform = at(&store, now + chrono::TimeDelta::days(days));
        pollster::block_on(compact(&platform, &Policy::packs(0), &Bound::default())).unwrap();
    }
    assert_eq!(ids(&store, now), expected(&stored));
    for hour in 0..60 {
        let platform = at(&store, now + chrono::TimeDelta::hours(hour));
        pollster::block_on(compact(&platform, &Policy::packs(0), &Bound::default())).unwrap();
    }
    assert_eq!(ids(&store, now), expected(&stored));
    let keys = store.keys();
    let is_marker = |key: &&String| {
        ["erased.", "cutoff."].iter().any(|kind| key.starts_with(kind)) || key.parse::<OldCutoffKey>().is_ok()
    };
    assert_eq!(keys.iter().find(is_marker), None, "every marker is deleted with what it covered");
    assert_eq!(pollster::block_on(check_store(&store, |_, _| ())).unwrap().faults, BTreeSet::new());
}

#[test]
fn a_check_finds_no_fault_in_a_store_of_the_version_before() {
    let (store, _) = stored();
    assert_eq!(pollster::block_on(check_store(&store, |_, _| ())).unwrap().faults, BTreeSet::new());
}

#[test]
fn delivery_continues_where_the_version_before_ended() {
    let (store, stored) = stored();
    let ways = Ways::default();
    ways.time.set(then(&stored));
    let settings = [SETTINGS, &[("destinations", DESTINATIONS)]].concat();
    let tick = call("GET", &format!("/tick?tick_token={TOKEN}")).answer_with(&store, &ways, &settings);
    let tick: Value = serde_json::from_str(&tick.body).unwrap();
    let states: Vec<_> = tick["destinations"].as_array().unwrap().iter().map(|one| one["state"].clone()).collect();
    assert_eq!(states, ["paused", "working"], "{tick}");
    // Delivered events are not sent again.
    let sent = ways.ids();
    let unique: BTreeSet<_> = sent.iter().collect();
    assert_eq!((sent.len(), unique.len()), (pending(&stored), pending(&stored)), "{sent:?}");
}

/// The number of loose events without a receipt of the destination `gone`.
fn pending(stored: &Value) -> usize {
    let values = stored["values"].as_object().unwrap();
    let loose = values.keys().filter(|key| key.starts_with("event.")).count();
    let receipt = values.iter().find(|(key, _)| key.starts_with("sent.gone.")).unwrap().1["text"].as_str().unwrap();
    let receipt: Value = serde_json::from_str(receipt).unwrap();
    let had =
        base64::engine::general_purpose::STANDARD_NO_PAD.decode(receipt["ids"].as_str().unwrap()).unwrap().len() / 16;
    loose - had
}

#[test]
fn an_old_cutoff_in_the_future_is_void_and_deleted() {
    let (store, stored) = stored();
    let now = then(&stored);
    let old_cutoff = OldCutoffKey(Timestamp::from_seconds(1_890_000_000).unwrap()).to_string();
    store.values.borrow_mut().insert(old_cutoff.clone(), b"{}".to_vec());
    assert_eq!(ids(&store, now), expected(&stored));
    pollster::block_on(compact(&at(&store, now), &Policy::packs(512), &Bound::default())).unwrap();
    assert!(!store.keys().contains(&old_cutoff));
    assert_eq!(ids(&store, now), expected(&stored));
}
