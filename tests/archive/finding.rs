//! Search, and the number of reads that it needs.

use super::harness::{ALL, all_rows, api, get, pack, sessions, take};
use crate::support::Memory;
use outbound_events::archive::compaction::Policy;
use outbound_events::identity::Id;
use serde_json::json;

pub(super) fn loose(store: &Memory) -> usize {
    store.values.borrow().keys().filter(|key| key.starts_with("event.")).count()
}

#[test]
fn sessions_are_found_by_text_and_by_external_key() {
    let store = Memory::default();
    for (number, (site, body)) in sessions(3, 40).iter().enumerate() {
        take(&store, site, body, number as i64);
    }
    for (packed, loose_events) in [(false, usize::MAX), (true, 100), (true, 0)] {
        if packed {
            pack(&store, &Policy { loose_events, ..ALL });
        }
        let find = |query: &str| {
            let list = get(&store, &format!("/api/sessions?limit=200&{query}"));
            let mut lsids: Vec<_> = list["sessions"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row["lsid"].as_str().unwrap().to_owned())
                .collect();
            lsids.sort();
            lsids
        };
        assert_eq!(find("external_key=INC-7"), ["s14", "s15"]);
        assert_eq!(find("external_key=INC"), [""; 0]);
        assert_eq!(find("q=inc-7"), ["s14", "s15"]);
        assert_eq!(find("q=CUSTOMER+1").iter().filter(|lsid| *lsid == "s18").count(), 1);
        assert!(!find("q=CUSTOMER+1").contains(&"s25".to_owned()));
        assert_eq!(find("q=nobody"), [""; 0]);
        assert_eq!(find("q=ann").len(), find("q=ANN").len());
    }
}

#[test]
fn one_event_and_one_session_are_found_without_reading_other_packs() {
    let store = Memory::default();
    for part in 0..5_u64 {
        for number in 0..40 {
            let form = format!(
                "event=support_conference_begin&version=1&timestamp={}&lsid=p{part}-{number}",
                1_000_000 * (part + 1) + number
            );
            take(&store, "hq", &form, 0);
        }
        // Packs of different tiers are not merged.
        pack(&store, &Policy { loose_events: 0, ..ALL });
        if part == 2 {
            // Merged packs are in an index too.
            assert!(store.keys().iter().any(|key| key.starts_with("index.")));
        }
    }
    let count = |uri: &str| {
        store.calls.borrow_mut().clear();
        let reply = api(&store, "GET", uri);
        assert_eq!(reply.status, 200, "{uri}");
        store.calls.borrow().iter().filter(|call| **call == "get").count()
    };
    let indexes = |finds: &str| store.keys().iter().filter(|key| key.starts_with(&format!("index.{finds}."))).count();
    assert_eq!(count("/api/sessions/hq/p3-17"), indexes("sessions") + 1);
    let id = get(&store, "/api/sessions/hq/p3-17")["events"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(count(&format!("/api/events/{id}")), indexes("events") + 1);
    // No record is read. The two further reads: the last head, for the site's last event, and the faults of clocks.
    assert_eq!(count("/api/stats"), indexes("sessions") + 2);
    // The newest sessions are in the newest pack, and no other pack holds records of them.
    assert!(count("/api/sessions?limit=20") <= indexes("sessions") + 2);
    // A lost or damaged index only costs time.
    let keys: Vec<_> = store.keys().into_iter().filter(|key| key.starts_with("index.")).collect();
    for key in &keys {
        store.values.borrow_mut().insert(key.clone(), b"damaged".to_vec());
    }
    assert_eq!(get(&store, &format!("/api/events/{id}"))["id"], json!(id));
    assert_eq!(all_rows(&store, "sessions", "/api/sessions", 200).len(), 200);
    pack(&store, &ALL);
    assert!(keys.iter().all(|key| !store.keys().contains(key)), "the next compaction makes others");
    let _: Id = id.parse().unwrap();
}
