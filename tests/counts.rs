//! Statistics count each event once, however often it stands in the store: loose and packed, in two packs, removed and not yet deleted.

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

/// How many events and sessions statistics count, and how many a list of all events gives.
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

/// Sends events of that many sessions, four each; of three in ten there is one more event, without a session.
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

/// What 20 sessions have, with the events that belong to none.
const TWENTY: (u64, u64) = (86, 20);

#[test]
fn an_event_that_is_loose_and_packed_counts_once() {
    let store = Memory::default();
    send(&store, 0..20, 0);
    assert_counts(&store, TWENTY, "all loose");
    let with_grace = Policy { grace: std::time::Duration::from_secs(60), ..ALL };
    pack(&store, &with_grace, 1);
    assert_eq!(stats(&store)["loose"], json!(TWENTY.0), "with a grace they stay");
    assert_counts(&store, TWENTY, "within the grace");
    pack(&store, &with_grace, 90);
    assert_eq!(stats(&store)["loose"], json!(0));
    assert_counts(&store, TWENTY, "all packed");
    send(&store, 0..20, 100_000);
    assert_eq!(stats(&store)["loose"], json!(TWENTY.0));
    assert_counts(&store, TWENTY, "sent again");
    // Without an index, heads tell.
    store.values.borrow_mut().retain(|key, _| !key.starts_with("index."));
    assert_counts(&store, TWENTY, "without an index");
}

#[test]
fn an_event_that_stands_in_two_packs_counts_once() {
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
        // Sessions 20 to 22 have an event of no session besides their four.
        assert_counts(&one, (TWENTY.0 + 23, 25), "twins");
    }
}

#[test]
fn what_was_removed_and_is_still_there_does_not_count() {
    let store = Memory::default();
    send(&store, 0..20, 0);
    pack(&store, &ALL, 1);
    let before = store.values.borrow().clone();
    let remove = |uri: &str| {
        let reply = call("DELETE", uri).header("authorization", format!("Bearer {TOKEN}")).answer(&store, SETTINGS);
        assert_eq!(reply.status, 200, "{reply:?}");
        // As if it had died before it deleted anything.
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

/// What statistics cost: nothing is read of what cannot be there twice.
#[test]
fn where_nothing_is_there_twice_indexes_and_keys_tell() {
    let store = Memory::default();
    for part in 0..4 {
        send(&store, part * 100..part * 100 + 20, 0);
        pack(&store, &ALL, 1);
    }
    // Newer ones that are loose, one of which comes late: of a session that no pack holds.
    send(&store, 400..410, 0);
    send(&store, 50..51, 0);
    store.calls.borrow_mut().clear();
    assert_eq!(stats(&store)["sessions"], json!(91));
    let indexes = store.keys().iter().filter(|key| key.starts_with("index.sessions.")).count();
    let gets = store.calls.borrow().iter().filter(|call| **call == "get").count();
    // Which clocks are wrong, and of either site when it last sent: four records on either side of now.
    assert!(gets <= indexes + 1 + 2 * 8, "{gets} reads, {indexes} indexes");
}

/// An appliance sends several events of a session in one second, and sessions go on for long: packs that were divided within a second all
/// had to be read, 77 to 96 of a hundred in a simulation.
#[test]
fn sessions_in_bursts_and_at_once_leave_packs_that_nobody_reads_to_count() {
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
        // Fewer than there are in a second stay loose, and packs have room for no whole number of seconds. There are too few to merge.
        let bound = Bound { events: 200, ..Bound::WIDE };
        pollster::block_on(compact(&at(&store, now() + TimeDelta::seconds(1)), &Policy::packs(stay), &bound)).unwrap();
    }
    let packs = store.keys().iter().filter(|key| key.starts_with("pack.")).count();
    store.calls.borrow_mut().clear();
    let told = stats(&store);
    assert_eq!((&told["events"], &told["sessions"]), (&json!(960), &json!(8)));
    let indexes = store.keys().iter().filter(|key| key.starts_with("index.sessions.")).count();
    let gets = store.calls.borrow().iter().filter(|call| **call == "get").count();
    // Which clocks are wrong, and in the newest pack when the site last sent.
    assert!(packs > 4 && gets <= indexes + 2, "{gets} reads, {indexes} indexes, {packs} packs");
}

/// Packs of one time that were recorded at once were all read, since an event that belongs to no session might have been in two of them. A
/// million events took 1.4 s to count after compaction had joined small packs from far apart.
#[test]
fn packs_of_one_time_are_not_read_to_count_where_every_event_belongs_to_a_session() {
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
    let told = stats(&store);
    assert_eq!((&told["events"], &told["sessions"]), (&json!(20), &json!(20)));
    let indexes = store.keys().iter().filter(|key| key.starts_with("index.sessions.")).count();
    let gets = store.calls.borrow().iter().filter(|call| **call == "get").count();
    // Which clocks are wrong, and in the newest pack when the site last sent.
    assert!(packs == 2 && gets <= indexes + 2, "{gets} reads, {indexes} indexes, {packs} packs");
}
