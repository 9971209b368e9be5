//! Erasing and retention of packed sessions.

use std::io::Read as _;

use super::harness::{ALL, SETTINGS, all_events, all_rows, api, get, later, pack, packed, take};
use crate::support::{Memory, TOKEN, at, call, compact, now, seven};
use chrono::TimeDelta;
use flate2::read::MultiGzDecoder;
use outbound_events::archive::compaction::{Bound, Policy};

#[test]
fn a_session_in_packs_is_erased_and_stays_erased() {
    let (store, _) = packed();
    let lsid = "c69a8e10bea9428f816cfababe9815fe";
    pack(&store, &ALL);
    let uri = format!("/api/sessions/hq/{lsid}");
    let erased =
        call("DELETE", &uri).header("authorization", format!("Bearer {TOKEN}")).at(later()).answer(&store, SETTINGS);
    assert_eq!(
        (erased.status, erased.body.as_str()),
        (200, "{\"events\":7,\"set_aside\":0,\"perhaps\":[],\"remaining\":false}")
    );
    assert_eq!(api(&store, "GET", &uri).status, 404);
    let again =
        call("DELETE", &uri).header("authorization", format!("Bearer {TOKEN}")).at(later()).answer(&store, SETTINGS);
    assert_eq!(again.status, 404);
    // No pack holds a byte of the session.
    for (key, value) in store.values.borrow().iter().filter(|(key, _)| key.starts_with("pack.")) {
        let mut text = String::new();
        MultiGzDecoder::new(value.as_slice()).read_to_string(&mut text).unwrap();
        assert!(!text.contains(lsid), "{key}");
    }
    // An event that arrives later is shown.
    assert_eq!(take(&store, "hq", &seven()[0].1, 7_200_000).result(), "stored");
    assert_eq!(get(&store, &uri)["events"].as_array().unwrap().len(), 1);
    // The tombstone is deleted when passes have known it for a day. One pass adds at most two hours, whatever its clock
    // reads.
    let tombstones = || store.keys().iter().filter(|key| key.starts_with("erased.")).count();
    let compact_after = |hours: i64| {
        pollster::block_on(compact(&at(&store, later() + TimeDelta::hours(hours)), &ALL, &Bound::WIDE)).unwrap()
    };
    pack(&store, &ALL);
    compact_after(400 * 24);
    assert_eq!(tombstones(), 1);
    (1..22).for_each(|hour| _ = compact_after(hour));
    assert_eq!(tombstones(), 1);
    (22..30).for_each(|hour| _ = compact_after(hour));
    assert_eq!(tombstones(), 0);
    assert_eq!(get(&store, &uri)["events"].as_array().unwrap().len(), 1);
}

#[test]
fn retention_deletes_records_and_packs_that_have_aged() {
    let store = Memory::default();
    let day = |number: u64| now().timestamp() as u64 / 86_400 * 86_400 - number * 86_400;
    for number in 0..40 {
        let form = format!("event=support_conference_begin&version=1&timestamp={}&lsid=d{number}", day(number) + 5);
        take(&store, "hq", &form, -(number as i64) * 86_400_000);
    }
    pack(&store, &ALL);
    let policy = Policy { retention_days: Some(10), ..ALL };
    assert_eq!(pack(&store, &policy).dropped, 0, "the first reading of a clock makes nothing age");
    let report = pack(&store, &policy);
    assert_eq!(report.dropped, 29, "{report:?}");
    assert_eq!(all_rows(&store, "sessions", "/api/sessions", 200).len(), 11);
    assert_eq!(all_events(&store, 200).len(), 11);
    assert!(!store.keys().iter().any(|key| key.starts_with("cutoff.")), "retention writes no marker");
    let keys = store.keys();
    pack(&store, &policy);
    assert_eq!(store.keys(), keys, "a second compaction on the same day changes nothing");
}
