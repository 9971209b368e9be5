//! Any bytes under a pack's key: a reported fault, never a trap, never a loss of other events.
//!
//! The bytes are tried as the value, and as the text that the pack inflates to: the first line is its head, the rest
//! its records.

use std::collections::BTreeSet;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use outbound_events::archive::compaction::{Bound, Policy};
use outbound_events::identity::Id;
use serde_json::{Value, json};

use crate::support::{Memory, Reply, TOKEN, call, compact, now, post, seven};

const SETTINGS: &[(&str, &str)] = &[("ingest_tokens", TOKEN), ("read_tokens", TOKEN)];

/// An event in a valid pack. The events of [`seven`] are loose.
const PACKED: &str = "event=support_conference_begin&version=1&timestamp=1600000000&lsid=packed";

/// Checks every read of a store with these bytes.
pub fn hold(bytes: &[u8]) {
    hold_value(bytes.to_vec());
    hold_value(compressed(bytes));
}

/// A pack that inflates to these bytes.
fn compressed(bytes: &[u8]) -> Vec<u8> {
    let end = bytes.iter().position(|&b| b == b'\n').map_or(bytes.len(), |at| at + 1);
    let records = gzip(&bytes[end..]);
    let head = serde_json::from_slice::<Value>(&bytes[..end]).map_or(bytes[..end].to_vec(), |mut head| {
        if head.is_object() {
            head["records_bytes"] = json!(records.len());
        }
        head.to_string().into_bytes()
    });
    [gzip(&head), records].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut member = GzEncoder::new(Vec::new(), Compression::fast());
    member.write_all(bytes).unwrap();
    member.finish().unwrap()
}

fn get(store: &Memory, uri: &str) -> Reply {
    call("GET", uri).header("authorization", format!("Bearer {TOKEN}")).answer(store, SETTINGS)
}

fn hold_value(value: Vec<u8>) {
    let store = Memory::default();
    let take = |body: &str| {
        let taken = post(&format!("/events/hq?outbound_event_token={TOKEN}")).body(body).answer_alone(&store, SETTINGS);
        taken.header("event-id").to_owned()
    };
    let mut ids = BTreeSet::from([take(PACKED)]);
    let policy = Policy { loose_events: 0, ..Policy::default() };
    let pack = || pollster::block_on(compact(&crate::support::at(&store, now()), &policy, &Bound::default())).unwrap();
    pack();
    ids.extend(seven().map(|(_, body)| take(&body)));
    let key = format!("pack.hq.000000000000.253402300799.{}", Id::of_value(&value));
    store.values.borrow_mut().insert(key.clone(), value.clone());
    let before = store.values.borrow().clone();
    is_all_there(&store, &ids);
    assert_eq!(*store.values.borrow(), before, "a read changes nothing");
    let unreadable = pack().unreadable.iter().any(|one| one.key == key);
    assert!(!unreadable || store.values.borrow().get(&key) == Some(&value), "an unreadable value is not changed");
    is_all_there(&store, &ids);
}

fn is_all_there(store: &Memory, ids: &BTreeSet<String>) {
    for uri in ["/api/sessions?limit=200", "/api/sessions?q=a", "/api/stats", "/api/set-aside"] {
        let reply = get(store, uri);
        assert_eq!(reply.status, 200, "{uri}: {reply:?}");
        reply.body.parse::<Value>().unwrap();
    }
    let events = get(store, "/api/events?limit=500");
    assert_eq!(events.status, 200, "{events:?}");
    for id in ids {
        assert!(events.body.contains(&format!("\"id\":\"{id}\"")), "{id} is not among the events");
        let one = get(store, &format!("/api/events/{id}"));
        assert_eq!(one.status, 200, "{one:?}");
    }
    let session = get(store, "/api/sessions/hq/packed");
    assert_eq!(session.status, 200, "{session:?}");
}
