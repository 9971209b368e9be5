//! Requests with a token, and a store with a few sessions.

use crate::support::{Memory, Reply, TOKEN, call, post};
use serde_json::Value;

pub(super) const READ: &str = "a-read-token-of-many-characters";

pub(super) const SETTINGS: &[(&str, &str)] = &[
    ("ingest_tokens", TOKEN),
    ("read_tokens", "another-read-token,a-read-token-of-many-characters"),
    ("admin_tokens", "an-admin-token-of-characters,a-read-token-of-many-characters"),
    ("key_budget", "1024"),
];

pub(super) fn api(store: &impl outbound_events::store::Store, method: &str, uri: &str) -> Reply {
    call(method, uri).header("authorization", format!("Bearer {READ}")).answer(store, SETTINGS)
}

pub(super) fn get(store: &impl outbound_events::store::Store, uri: &str) -> Value {
    let reply = api(store, "GET", uri);
    assert_eq!(reply.status, 200, "{uri}: {reply:?}");
    serde_json::from_str(&reply.body).unwrap()
}

pub(super) fn send(store: &Memory, site: &str, body: &str) -> Reply {
    post(&format!("/events/{site}?outbound_event_token={TOKEN}")).body(body).answer(store, SETTINGS)
}

pub(super) fn form(event: &str, timestamp: u64, lsid: &str) -> String {
    format!("event=support_conference_{event}&version=1&timestamp={timestamp}&lsid={lsid}")
}

/// Three sessions at two sites, and one body that was set aside.
pub(super) fn filled() -> Memory {
    let store = Memory::default();
    for (site, event, timestamp, lsid) in [
        ("hq", "begin", 1_000, "one"),
        ("hq", "end", 2_000, "one"),
        ("hq", "begin", 3_000, "two"),
        ("west", "end", 4_000, "one"),
    ] {
        assert_eq!(send(&store, site, &form(event, timestamp, lsid)).result(), "stored");
    }
    assert_eq!(send(&store, "hq", "event=support_conference_begin&lsid=two").result(), "set-aside");
    store
}

pub(super) fn lsids(list: &Value) -> Vec<String> {
    let row = |row: &Value| format!("{}/{}", row["site"].as_str().unwrap(), row["lsid"].as_str().unwrap());
    list["sessions"].as_array().unwrap().iter().map(row).collect()
}
