//! Statistics count each event once, even if the store holds it loose and packed, or in two packs. They do not count
//! removed events that are not deleted yet.

use std::collections::BTreeSet;

use crate::support::{Memory, TOKEN, at, call, compact, now, post};
use chrono::TimeDelta;
use outbound_events::archive::compaction::{Bound, Policy};
use serde_json::{Value, json};

const SETTINGS: &[(&str, &str)] = &[("ingest_tokens", TOKEN), ("read_tokens", TOKEN), ("admin_tokens", TOKEN)];

const ALL: Policy = Policy::packs(0);

fn stats(store: &Memory) -> Value {
    let reply = call("GET", "/api/stats").header("authorization", format!("Bearer {TOKEN}")).answer(store, SETTINGS);
    assert_eq!(reply.status, 200, "{reply:?}");
    serde_json::from_str(&reply.body).unwrap()
}

/// The numbers of events and sessions according to statistics, and according to a list of all events.
fn counted(store: &Memory) -> ((u64, u64), (u64, u64)) {
    let stats = stats(store);
    let of_sites: u64 = stats["sites"].as_array().unwrap().iter().map(|site| site["events"].as_u64().unwrap()).sum();
    assert_eq!(stats["events"], json!(of_sites));
    let (mut ids, mut sessions, mut uri) = (BTreeSet::new(), BTreeSet::new(), "/api/events?limit=500".to_owned());
    loop {
        let reply = call("GET", &uri).header("authorization", format!("Bearer {TOKEN}")).answer(store, SETTINGS);
        for event in serde_json::from_str::<Vec<Value>>(&reply.body).unwrap() {
            ids.insert(event["id"].to_string());
            sessions.extend(event["data"]["lsid"].as_str().map(|lsid| (event["source"].to_string(), lsid.to_owned())));
        }
        match reply.header("link").strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")) {
            Some(next) => uri = next.to_owned(),
            None => break,
        }
    }
    let counts = (stats["events"].as_u64().unwrap(), stats["sessions"].as_u64().unwrap());
    (counts, (ids.len() as u64, sessions.len() as u64))
}

fn assert_counts(store: &Memory, expected: (u64, u64), what: &str) {
    assert_eq!(counted(store), (expected, expected), "{what}");
}

/// Sends four events of each session, and with three of ten sessions another event that belongs to no session.
fn send(store: &Memory, sessions: std::ops::Range<u64>, later: i64) {
    for number in sessions {
        let time = 1_700_000_000 + number * 10;
        let site = if number % 4 == 0 { "west" } else { "hq" };
        let of_session = ["begin", "rep_exit_survey_completed", "customer_exit_survey_completed", "end"];
        let mut forms: Vec<_> = (0..)
            .zip(of_session)
            .map(|(second, name)| {
                format!("event=support_conference_{name}&version=1&timestamp={}&lsid=s{number}", time + second * 7)
            })
            .collect();
        if number % 10 < 3 {
            forms.push(format!("event=appliance_restarted&version=1&timestamp={time}&reason={number}"));
        }
        for form in forms {
            let uri = format!("/events/{site}?outbound_event_token={TOKEN}");
            let reply = post(&uri).body(form).at(now() + TimeDelta::milliseconds(later)).answer_alone(store, SETTINGS);
            assert_eq!(reply.status, 200, "{reply:?}");
        }
    }
}

fn pack(store: &Memory, policy: &Policy, seconds: i64) {
    pollster::block_on(compact(&at(store, now() + TimeDelta::seconds(seconds)), policy, &Bound::WIDE)).unwrap();
}

/// The events and sessions of `send` with 20 sessions.
const TWENTY: (u64, u64) = (86, 20);

#[test]
fn an_event_that_is_loose_and_packed_counts_once() {
    let store = Memory::default();
    send(&store, 0..20, 0);
    assert_counts(&store, TWENTY, "all loose");
    let with_grace = Policy { grace: std::time::Duration::from_secs(60), ..ALL };
    pack(&store, &with_grace, 1);
    assert_eq!(stats(&store)["loose"], json!(TWENTY.0), "they stay loose during the grace");
    assert_counts(&store, TWENTY, "within the grace");
    pack(&store, &with_grace, 90);
    assert_eq!(stats(&store)["loose"], json!(0));
    assert_counts(&store, TWENTY, "all packed");
    send(&store, 0..20, 100_000);
    assert_eq!(stats(&store)["loose"], json!(TWENTY.0));
    assert_counts(&store, TWENTY, "sent again");
    // Without an index, heads are read.
    store.values.borrow_mut().retain(|key, _| !key.starts_with("index."));
    assert_counts(&store, TWENTY, "without an index");
}

#[test]
fn an_event_in_two_packs_counts_once() {
    for with_index in [true, false] {
        let (one, other) = (Memory::default(), Memory::default());
        send(&one, 0..20, 0);
        send(&other, 10..20, 0);
        send(&other, 20..25, 0);
        pack(&one, &ALL, 1);
        pack(&other, &ALL, 1);
        let keys = other.keys();
        one.values.borrow_mut().extend(other.values.into_inner());
        assert!(keys.iter().any(|key| key.starts_with("index.sessions.")));
        if !with_index {
            one.values.borrow_mut().retain(|key, _| !key.starts_with("index."));
        }
        // With sessions 20 to 22 came one more event each, without a session.
        assert_counts(&one, (TWENTY.0 + 23, 25), "twins");
    }
}

#[test]
fn removed_events_that_are_still_stored_do_not_count() {
    let store = Memory::default();
    send(&store, 0..20, 0);
    pack(&store, &ALL, 1);
    let before = store.values.borrow().clone();
    let remove = |uri: &str| {
        let reply = call("DELETE", uri).header("authorization", format!("Bearer {TOKEN}")).answer(&store, SETTINGS);
        assert_eq!(reply.status, 200, "{reply:?}");
        // As if the call had died before it deleted anything.
        for (key, value) in &before {
            store.values.borrow_mut().entry(key.clone()).or_insert_with(|| value.clone());
        }
    };
    remove("/api/sessions/hq/s5");
    assert_counts(&store, (TWENTY.0 - 4, 19), "a session was erased");
    remove("/api/events?before=2023-11-14T22:14:20Z");
    let ((events, sessions), listed) = counted(&store);
    assert_eq!((events, sessions), listed);
    assert!(events < TWENTY.0 - 4);
}

/// Statistics read no pack whose events cannot be stored twice.
#[test]
fn statistics_read_only_keys_and_indexes_if_nothing_is_stored_twice() {
    let store = Memory::default();
    for part in 0..4 {
        send(&store, part * 100..part * 100 + 20, 0);
        pack(&store, &ALL, 1);
    }
    // Newer loose events, and late ones of a session that no pack holds.
    send(&store, 400..410, 0);
    send(&store, 50..51, 0);
    store.calls.borrow_mut().clear();
    assert_eq!(stats(&store)["sessions"], json!(91));
    let indexes = store.keys().iter().filter(|key| key.starts_with("index.sessions.")).count();
    let gets = store.calls.borrow().iter().filter(|call| **call == "get").count();
    // Further reads: the faults of clocks, and for the last event of each site four records before now and four after.
    assert!(gets <= indexes + 1 + 2 * 8, "{gets} reads, {indexes} indexes");
}

/// Regression: an appliance sends several events of a session in one second. Packs divided within a second had to be
/// read to count: 77 to 96 of a hundred in a simulation.
#[test]
fn packs_of_concurrent_sessions_with_bursts_are_not_read_to_count() {
    let store = Memory::default();
    let uri = format!("/events/hq?outbound_event_token={TOKEN}");
    for (part, stay) in [(0, 5), (1, 5), (2, 0)] {
        for second in part * 20..part * 20 + 20 {
            for lsid in 0..8 {
                let form = |name| {
                    let time = 1_700_000_000 + second;
                    format!("event=support_conference_{name}&version=1&timestamp={time}&lsid=s{lsid}&n={second}")
                };
                for name in ["rep_exit_survey_completed", "customer_exit_survey_completed"] {
                    assert_eq!(post(&uri).body(form(name)).answer_alone(&store, SETTINGS).status, 200);
                }
            }
        }
        // Fewer events than those of a second stay loose, and a full pack would divide a second. The packs are too few
        // to merge.
        let bound = Bound { events: 200, ..Bound::WIDE };
        pollster::block_on(compact(&at(&store, now() + TimeDelta::seconds(1)), &Policy::packs(stay), &bound)).unwrap();
    }
    let packs = store.keys().iter().filter(|key| key.starts_with("pack.")).count();
    store.calls.borrow_mut().clear();
    let stats = stats(&store);
    assert_eq!((&stats["events"], &stats["sessions"]), (&json!(960), &json!(8)));
    let indexes = store.keys().iter().filter(|key| key.starts_with("index.sessions.")).count();
    let gets = store.calls.borrow().iter().filter(|call| **call == "get").count();
    // Further reads: the faults of clocks, and the newest pack for the site's last event.
    assert!(packs > 4 && gets <= indexes + 2, "{gets} reads, {indexes} indexes, {packs} packs");
}

/// Regression: packs with overlapping times were all read, since an event without a session could have been in two of
/// them. Counting a million events took 1.4 s after compaction had merged small packs with distant times.
#[test]
fn overlapping_packs_without_events_outside_sessions_are_not_read_to_count() {
    let store = Memory::default();
    let uri = format!("/events/hq?outbound_event_token={TOKEN}");
    for part in 0..2 {
        for number in 0..10 {
            let time = 1_700_000_000 + number;
            let form = format!("event=support_conference_begin&version=1&timestamp={time}&lsid=s{number}of{part}");
            assert_eq!(post(&uri).body(form).answer_alone(&store, SETTINGS).status, 200);
        }
        pack(&store, &ALL, 1);
    }
    let packs = store.keys().iter().filter(|key| key.starts_with("pack.")).count();
    store.calls.borrow_mut().clear();
    let stats = stats(&store);
    assert_eq!((&stats["events"], &stats["sessions"]), (&json!(20), &json!(20)));
    let indexes = store.keys().iter().filter(|key| key.starts_with("index.sessions.")).count();
    let gets = store.calls.borrow().iter().filter(|call| **call == "get").count();
    // Further reads: the faults of clocks, and the newest pack for the site's last event.
    assert!(packs == 2 && gets <= indexes + 2, "{gets} reads, {indexes} indexes, {packs} packs");
}
