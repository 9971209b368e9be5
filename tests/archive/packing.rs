//! Packing changes nothing for readers, and needs few keys.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use super::harness::{ALL, all_events, get, later, pack, seen, sessions, take};
use crate::support::{Limited, Memory, TOKEN, at, compact, now, post, seven};
use chrono::TimeDelta;
use flate2::read::MultiGzDecoder;
use outbound_events::archive::check::check_store;
use outbound_events::archive::compaction::{Bound, Policy};
use outbound_events::keys::PackKey;
use serde_json::{Value, json};

/// Reports the first difference of two views instead of both views.
fn assert_same(one: &Value, other: &Value, what: &str) {
    for (name, of_one) in one.as_object().unwrap() {
        let (Some(one), Some(other)) = (of_one.as_array(), other[name].as_array()) else {
            assert_eq!(of_one, &other[name], "{what}: {name}");
            continue;
        };
        for (number, (one, other)) in one.iter().zip(other).enumerate() {
            assert_eq!(one, other, "{what}: {name}, number {number}");
        }
        assert_eq!(one.len(), other.len(), "{what}: {name}");
    }
}

#[test]
fn packing_changes_nothing_that_a_reader_sees() {
    for seed in 0..6 {
        let store = Memory::default();
        let events = sessions(seed, 60);
        for (number, (site, body)) in events.iter().enumerate() {
            assert_eq!(take(&store, site, body, number as i64).status, 200);
        }
        let before = seen(&store, 200);
        // Each step leaves fewer events loose: packs overlap, are merged, and exist beside loose events.
        for loose_events in [400, 300, 200, 90, 0] {
            pack(&store, &Policy { loose_events, ..ALL });
            for limit in [200, 13] {
                assert_same(
                    &seen(&store, limit),
                    &before,
                    &format!("seed {seed}, {loose_events} loose, {limit} a page"),
                );
            }
            assert_eq!(pollster::block_on(check_store(&store, |_, _| ())).unwrap().faults, BTreeSet::new());
        }
        assert!(store.keys().iter().all(|key| !key.starts_with("event.")), "{:?}", store.keys());
        // A repeat is shown once, and the next compaction deletes it.
        let (site, body) = &events[3];
        assert_eq!(take(&store, site, body, 900_000).result(), "stored");
        let mut with_repeat = seen(&store, 50);
        with_repeat["stats"] = before["stats"].clone();
        assert_same(&with_repeat, &before, "a repeat");
        pack(&store, &ALL);
        assert_same(&seen(&store, 50), &before, "the repeat, packed");
        assert!(store.keys().iter().all(|key| !key.starts_with("event.")));
    }
}

#[test]
fn gunzip_turns_a_pack_into_json_lines() {
    let store = Memory::default();
    for (_, body) in seven() {
        take(&store, "hq", &body, 0);
    }
    let records: BTreeMap<String, Vec<u8>> = store.values.borrow().clone();
    pack(&store, &ALL);
    let packs: Vec<_> = store.keys().into_iter().filter(|key| key.starts_with("pack.")).collect();
    assert_eq!(packs.len(), 1, "{packs:?}");
    assert!(packs[0].starts_with("pack.hq.001700000000.001700000000."), "{packs:?}");
    let value = store.values.borrow()[&packs[0]].clone();
    let mut lines = String::new();
    MultiGzDecoder::new(value.as_slice()).read_to_string(&mut lines).unwrap();
    let lines: Vec<_> = lines.lines().collect();
    let head: Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!((&head["site"], &head["events"]), (&json!("hq"), &json!(7)));
    assert_eq!(head["sessions"][0]["customers"], json!({"J\u{fc}rgen": 1_700_000_000}));
    // The records are unchanged, byte for byte, in the order of their keys.
    assert_eq!(
        lines[1..].iter().map(|line| line.as_bytes().to_vec()).collect::<Vec<_>>(),
        records.into_values().collect::<Vec<_>>()
    );
}

/// Fermyon Cloud takes 1,024 keys. Without packs these were 1,024 events.
#[test]
fn a_thousand_keys_hold_three_hundred_thousand_events() {
    const EVENTS: u64 = 300_000;
    const BUDGET: &[(&str, &str)] = &[("ingest_open", "true"), ("read_tokens", TOKEN), ("key_budget", "1024")];
    let store = Limited::default();
    let form = |number: u64| {
        let event = ["begin", "end"][(number % 2) as usize];
        format!(
            "event=support_conference_{event}&version=1&timestamp={}&lsid={:032x}",
            1_700_000_000 + number,
            number / 2
        )
    };
    for number in 0..EVENTS {
        let reply = post("/events/hq").body(form(number)).answer(&store, BUDGET);
        assert_eq!((reply.status, reply.result()), (200, "stored"), "event {number}");
    }
    assert!(store.0.keys().len() <= 1_024);
    let mut given = BTreeSet::new();
    for event in all_events(&store, 500) {
        assert!(given.insert(event["data"]["timestamp"].as_u64().unwrap()), "listed twice: {event}");
    }
    assert_eq!(given, (1_700_000_000..1_700_000_000 + EVENTS).collect());
    let stats = get(&store, "/api/stats");
    assert_eq!((&stats["events"], &stats["sessions"]), (&json!(EVENTS), &json!(EVENTS / 2)));
    assert_eq!(pollster::block_on(check_store(&store, |_, _| ())).unwrap().faults, BTreeSet::new());
}

#[test]
fn packed_events_stay_loose_until_the_grace_ends() {
    let store = Memory::default();
    for (_, body) in seven() {
        take(&store, "hq", &body, 0);
    }
    let policy = Policy { grace: std::time::Duration::from_secs(60), ..ALL };
    let loose = || store.keys().iter().filter(|key| key.starts_with("event.")).count();
    let packs = || store.keys().iter().filter(|key| key.starts_with("pack.")).count();
    let after = |seconds: i64| {
        pollster::block_on(compact(&at(&store, now() + TimeDelta::seconds(seconds)), &policy, &Bound::WIDE)).unwrap()
    };
    after(0);
    assert_eq!((loose(), packs()), (7, 1));
    after(59);
    assert_eq!((loose(), packs()), (7, 1), "it is not packed twice");
    after(60);
    assert_eq!((loose(), packs()), (0, 1));
    assert_eq!(all_events(&store, 100).len(), 7);
}

/// Regression: of each 10,000 events of a large backlog, the pack of the last ones stayed small. Merging joined eight of
/// these, with days between them, to packs that overlapped in time with those between, and counting read nearly all.
#[test]
fn packs_of_a_large_backlog_do_not_overlap_in_time() {
    const EVENTS: usize = 420;
    let (store, mut random) = (Memory::default(), fastrand::Rng::with_seed(1));
    for number in 0..EVENTS {
        // About 25 of these fill a pack.
        let mut text = || -> String { (0..10_000).map(|_| random.alphanumeric()).collect() };
        let time = 1_700_000_000 + number;
        let body = format!(
            "event=support_conference_begin&version=1&timestamp={time}&lsid=s{number}&one={}&two={}",
            text(),
            text()
        );
        assert_eq!(take(&store, "hq", &body, 0).result(), "stored");
    }
    let bound = Bound { events: 40, ..Bound::WIDE };
    pollster::block_on(compact(&at(&store, later()), &ALL, &bound)).unwrap();
    let mut spans: Vec<_> = store.keys().iter().filter_map(|key| key.parse::<PackKey>().ok()).collect();
    spans.sort_by_key(|pack| pack.first);
    assert!(spans.len() > 10, "{spans:?}");
    assert!(spans.is_sorted_by(|one, next| one.last < next.first), "{spans:?}");
    let packed: Vec<_> = all_events(&store, 50).iter().map(|event| event["data"]["timestamp"].clone()).collect();
    assert_eq!(packed.len(), EVENTS);
    assert!(store.keys().iter().all(|key| !key.starts_with("event.")));
}

/// Regression: what limits a pack or an index need not be its bytes. Eight that were full with few of them were merged
/// to as many in every pass, for ever.
#[test]
fn what_is_full_is_not_merged_again() {
    type Form = fn(u64) -> String;
    let cases: [(&str, &str, u64, Form); 3] = [
        ("records that compress well", "pack.", 4_200, |number| {
            let text = "text".repeat(2_500);
            format!("lsid=s{}&one={text}&two={text}", number / 100)
        }),
        ("a long key, which heads have once a session", "pack.", 30_000, |number| {
            format!("lsid={:032x}&external_key={}", number / 200, "key".repeat(300))
        }),
        ("sessions of one event, which indexes have as many of as fit", "index.figures.", 60_000, |number| {
            format!("lsid={:032x}", u128::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
        }),
    ];
    for (case, prefix, events, form) in cases {
        let store = Memory::default();
        for number in 0..events {
            let time = 1_700_000_000 + number;
            let body = format!("event=support_conference_begin&version=1&timestamp={time}&{}", form(number));
            assert_eq!(take(&store, "hq", &body, 0).result(), "stored", "{case}");
        }
        let rests = || {
            store.calls.borrow_mut().clear();
            pack(&store, &ALL).merged == 0 && !store.calls.borrow().contains(&"set")
        };
        assert!((0..12).any(|_| rests()), "{case}: each pass merges or writes");
        let values = store.values.borrow();
        let small = values.iter().filter(|(key, value)| key.starts_with(prefix) && value.len() < 350_000).count();
        assert!(small >= 8, "{case}: {small}");
    }
}
