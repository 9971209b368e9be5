//! Requests, and a store with random sessions.

use crate::support::{Memory, Reply, TOKEN, at, call, compact, now, post, seven};
use chrono::{DateTime, TimeDelta, Utc};
use outbound_events::archive::compaction::{Bound, CompactionReport, Policy};
use outbound_events::store::Store;
use serde_json::{Value, json};

pub(super) const SETTINGS: &[(&str, &str)] =
    &[("ingest_tokens", TOKEN), ("read_tokens", TOKEN), ("admin_tokens", TOKEN)];

pub(super) const ALL: Policy = Policy::packs(0);

pub(super) fn api(store: &impl Store, method: &str, uri: &str) -> Reply {
    call(method, uri).header("authorization", format!("Bearer {TOKEN}")).answer(store, SETTINGS)
}

pub(super) fn get(store: &impl Store, uri: &str) -> Value {
    let reply = api(store, "GET", uri);
    assert_eq!(reply.status, 200, "{uri}: {reply:?}");
    serde_json::from_str(&reply.body).unwrap()
}

/// Takes an event `later` milliseconds after [`now`].
pub(super) fn take(store: &impl Store, site: &str, body: &str, later: i64) -> Reply {
    let at = now() + TimeDelta::milliseconds(later);
    post(&format!("/events/{site}?outbound_event_token={TOKEN}")).body(body).at(at).answer_alone(store, SETTINGS)
}

pub(super) fn pack(store: &impl Store, policy: &Policy) -> CompactionReport {
    pollster::block_on(compact(&at(store, later()), policy, &Bound::WIDE)).unwrap()
}

/// A time after all events of these tests.
pub(super) fn later() -> DateTime<Utc> {
    now() + TimeDelta::hours(1)
}

/// All pages of a list, joined.
pub(super) fn all_rows(store: &impl Store, list: &str, uri: &str, limit: usize) -> Vec<Value> {
    let (mut rows, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(store, &format!("{uri}?limit={limit}{cursor}"));
        assert_eq!(page["unreadable"], json!([]));
        rows.extend(page[list].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return rows,
        }
    }
}

pub(super) fn all_events(store: &impl Store, limit: usize) -> Vec<Value> {
    let (mut events, mut uri) = (Vec::new(), Some(format!("/api/events?limit={limit}")));
    while let Some(page) = uri {
        let reply = api(store, "GET", &page);
        events.extend(serde_json::from_str::<Vec<Value>>(&reply.body).unwrap());
        uri = reply.header("link").strip_prefix('<').and_then(|l| l.strip_suffix(">; rel=\"next\"")).map(str::to_owned);
    }
    events
}

/// Everything that a reader can see, except the counts of keys.
pub(super) fn seen(store: &impl Store, limit: usize) -> Value {
    let sessions = all_rows(store, "sessions", "/api/sessions", limit);
    let details: Vec<_> = sessions
        .iter()
        .map(|row| {
            get(store, &format!("/api/sessions/{}/{}", row["site"].as_str().unwrap(), row["lsid"].as_str().unwrap()))
        })
        .collect();
    let events = all_events(store, limit);
    let one: Vec<_> = events
        .iter()
        .step_by(7)
        .map(|event| get(store, &format!("/api/events/{}", event["id"].as_str().unwrap())))
        .collect();
    let mut stats = get(store, "/api/stats");
    for of_keys in ["keys", "loose", "packs"] {
        stats.as_object_mut().unwrap().remove(of_keys);
    }
    json!({"sessions": sessions, "details": details, "events": events, "one": one, "stats": stats})
}

/// Random sessions of two sites: some overlap, some lack a begin or an end, some share a second.
pub(super) fn sessions(seed: u64, count: u64) -> Vec<(&'static str, String)> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut events = Vec::new();
    for session in 0..count {
        let site = ["hq", "west"][random.usize(..2)];
        let begin = 1_000 + session * 30 + random.u64(..90);
        let mut form = |step: u64, event: &str, more: &str| {
            let time = begin + step * random.u64(..20);
            let form = format!(
                "event={event}&version=1&timestamp={time}&lsid=s{session}&external_key=INC-{}{more}",
                session / 2
            );
            if random.u8(..10) > 0 {
                events.push((site, form));
            }
        };
        form(0, "support_conference_begin", "");
        form(1, "support_conference_owner_changed", "&conference_id=team:5&conference_name=Desk");
        form(1, "support_conference_member_added", &format!("&type=customer&name=Customer+{session}"));
        form(2, "support_conference_member_added", "&type=representative&name=Ann&user_id=1");
        form(2, "support_conference_owner_changed", "&conference_id=rep:1&conference_name=Ann");
        form(3, "new_event", "&x=1");
        form(4, "support_conference_member_departed", &format!("&type=customer&name=Customer+{session}"));
        form(5, "support_conference_end", "");
    }
    events.push(("hq", "event=new_event&version=1&timestamp=1500".to_owned()));
    random.shuffle(&mut events);
    events
}

/// A store with a pack and loose events, some of which the pack holds too.
pub(super) fn packed() -> (Memory, String) {
    let store = Memory::default();
    for (number, (site, body)) in sessions(1, 20).iter().enumerate() {
        take(&store, site, body, number as i64);
    }
    pack(&store, &ALL);
    let indexes = |key: &String| key.starts_with("index.");
    store.values.borrow_mut().retain(|key, _| !indexes(key));
    for (_, body) in seven() {
        take(&store, "hq", &body, 5_000);
    }
    let key = store.keys().into_iter().find(|key| key.starts_with("pack.hq.")).unwrap();
    (store, key)
}
