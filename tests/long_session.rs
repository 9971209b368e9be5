//! A session with more events than one answer shows: the first page has the total number, and cursors lead to the end.

use std::collections::BTreeSet;

use crate::support::{Memory, TOKEN, at, call, compact, now, post};
use chrono::TimeDelta;
use outbound_events::archive::compaction::{Bound, Policy};
use serde_json::{Value, json};

const SETTINGS: &[(&str, &str)] = &[("ingest_tokens", TOKEN), ("read_tokens", TOKEN)];
const EVENTS: u64 = 8_000;

fn get(store: &Memory, uri: &str) -> (Value, Option<String>) {
    let reply = call("GET", uri).header("authorization", format!("Bearer {TOKEN}")).answer(store, SETTINGS);
    assert_eq!(reply.status, 200, "{uri}: {reply:?}");
    let link = reply.header("link").strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
    (serde_json::from_str(&reply.body).unwrap(), link.map(str::to_owned))
}

fn send(store: &Memory, body: &str) {
    let uri = format!("/events/hq?outbound_event_token={TOKEN}");
    assert_eq!(post(&uri).body(body).answer_alone(store, SETTINGS).status, 200);
}

/// The session `long`, a session of the same site, and a session of the same lsid at another site.
fn filled(packed: bool) -> Memory {
    let store = Memory::default();
    send(&store, "event=support_conference_begin&version=1&timestamp=1700000000&lsid=long");
    for number in 1..EVENTS - 1 {
        let time = 1_700_000_000 + number;
        send(&store, &format!("event=note_added&version=1&timestamp={time}&lsid=long&note={number}"));
    }
    let end = 1_700_000_000 + EVENTS;
    send(&store, &format!("event=support_conference_end&version=1&timestamp={end}&lsid=long"));
    send(&store, "event=support_conference_begin&version=1&timestamp=1700000005&lsid=short");
    let west = format!("/events/west?outbound_event_token={TOKEN}");
    post(&west).body("event=note_added&version=1&timestamp=1700000006&lsid=long").answer_alone(&store, SETTINGS);
    if packed {
        let later = at(&store, now() + TimeDelta::seconds(1));
        // Packs half of the events: the rest stays loose.
        let bound = Bound { events: 2_000, loose: 4_000, ..Bound::WIDE };
        pollster::block_on(compact(&later, &Policy::packs(0), &bound)).unwrap();
    }
    store
}

#[test]
fn a_session_of_eight_thousand_events_is_read_page_by_page() {
    for packed in [false, true] {
        let store = filled(packed);
        let (first, _) = get(&store, "/api/sessions/hq/long");
        assert_eq!((&first["state"], &first["events_total"]), (&json!("ended"), &json!(EVENTS)));
        assert_eq!((&first["start"], &first["duration_seconds"]), (&json!("2023-11-14T22:13:20Z"), &json!(EVENTS)));
        let (mut ids, mut page) = (BTreeSet::new(), first);
        loop {
            let events = page["events"].as_array().unwrap();
            assert!((1..=5_000).contains(&events.len()));
            assert_eq!(page["state"], json!("ended"), "on every page");
            events.iter().for_each(|event| assert!(ids.insert(event["id"].to_string())));
            let Some(next) = page["next"].as_str() else { break };
            page = get(&store, &format!("/api/sessions/hq/long?cursor={next}")).0;
        }
        assert_eq!(ids.len() as u64, EVENTS);
        // A session that fits one page has no next page.
        let (short, _) = get(&store, "/api/sessions/hq/short");
        assert_eq!(
            (&short["events_total"], &short["next"], &short["state"]),
            (&json!(1), &json!(null), &json!("open"))
        );
    }
}

#[test]
fn events_are_listed_by_session() {
    for packed in [false, true] {
        let store = filled(packed);
        let (mut ids, mut uri) = (BTreeSet::new(), Some("/api/events?site=hq&lsid=long&limit=500".to_owned()));
        while let Some(page) = uri {
            let (events, next) = get(&store, &page);
            for event in events.as_array().unwrap() {
                assert_eq!((&event["data"]["lsid"], &event["source"]), (&json!("long"), &json!("/beyondtrust/hq")));
                assert!(ids.insert(event["id"].to_string()));
            }
            uri = next;
        }
        assert_eq!(ids.len() as u64, EVENTS);
        let count = |query: &str| get(&store, &format!("/api/events?{query}")).0.as_array().unwrap().len();
        assert_eq!(count("lsid=long&to=2023-11-14T22:13:27Z"), 8, "of both sites");
        assert_eq!(count("site=west&lsid=long"), 1);
        assert_eq!(count("site=hq&lsid=long&event=support_conference_end"), 1);
        assert_eq!(count("site=hq&lsid=none"), 0);
    }
}
