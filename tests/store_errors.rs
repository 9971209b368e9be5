//! How the service reacts to errors of its store. It makes room only in a full store, and within bounds.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::support::{Memory, Reply, TOKEN, Ways, at, call, compact, now, post};
use chrono::TimeDelta;
use outbound_events::archive::compaction::{Bound, Policy};
use outbound_events::archive::pack::{RecordEntries, RecordEntry, make_packs};
use outbound_events::identity::Site;
use outbound_events::store::{Store, StoreError};
use serde_json::json;

const SETTINGS: &[(&str, &str)] = &[("ingest_tokens", TOKEN), ("read_tokens", TOKEN), ("admin_tokens", TOKEN)];

/// A store that counts its calls and refuses new keys: with a given error, or when it has the most keys that it takes.
struct Narrow {
    inner: Memory,
    error: RefCell<Option<StoreError>>,
    most: Cell<usize>,
    /// The error when it has the most keys.
    says: fn(String) -> StoreError,
    /// The written keys, in order.
    written: RefCell<Vec<String>>,
    /// Seconds that a list takes.
    list_takes: Cell<i64>,
    /// Seconds that have passed.
    passed: Cell<i64>,
}

impl Narrow {
    fn new(values: BTreeMap<String, Vec<u8>>) -> Self {
        let inner = Memory { values: RefCell::new(values), calls: RefCell::default() };
        let (error, written) = (RefCell::default(), RefCell::default());
        let (list_takes, passed) = (Cell::new(0), Cell::new(0));
        Self { inner, error, most: Cell::new(usize::MAX), says: StoreError::Full, written, list_takes, passed }
    }

    fn take_no_more_keys(&self) {
        self.most.set(self.inner.keys().len());
        self.inner.calls.borrow_mut().clear();
    }

    fn count(&self, call: &str) -> usize {
        self.inner.calls.borrow().iter().filter(|made| **made == call).count()
    }

    fn keys_of(&self, kind: &str) -> Vec<String> {
        self.inner.keys().into_iter().filter(|key| key.starts_with(kind)).collect()
    }
}

impl Store for Narrow {
    async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        self.inner.exists(key).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(key).await
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        let is_new = !self.inner.values.borrow().contains_key(key);
        let is_full = is_new && self.inner.values.borrow().len() >= self.most.get();
        let full = is_full.then(|| (self.says)("no key is left".to_owned()));
        let error = self.error.borrow().clone().or(full);
        match error {
            Some(error) => {
                self.inner.calls.borrow_mut().push("refused");
                Err(error)
            }
            None => {
                self.written.borrow_mut().push(key.to_owned());
                self.inner.set(key, value).await
            }
        }
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.inner.delete(key).await
    }

    async fn get_keys(&self) -> Result<Vec<String>, StoreError> {
        self.passed.set(self.passed.get() + self.list_takes.get());
        self.inner.get_keys().await
    }
}

fn form(number: u64) -> String {
    format!("event=support_conference_begin&version=1&timestamp={}&lsid=s{number}", 1_700_000_000 + number)
}

/// Sends an event, without the work after the answer.
fn send(store: &impl Store, number: u64) -> Reply {
    post(&format!("/events/hq?outbound_event_token={TOKEN}")).body(form(number)).answer_alone(store, SETTINGS)
}

fn loose(numbers: std::ops::Range<u64>) -> Memory {
    let store = Memory::default();
    numbers.for_each(|number| assert_eq!(send(&store, number).status, 200));
    store
}

/// Packs of two events each, which compaction would merge, and loose events.
fn with_packs(packs: u64, loose_events: u64) -> BTreeMap<String, Vec<u8>> {
    let site = Site::parse("hq").unwrap();
    let mut values = loose(2 * packs..2 * packs + loose_events).values.into_inner();
    for number in 0..packs {
        let two = loose(2 * number..2 * number + 2).values.into_inner();
        let entries: RecordEntries =
            two.into_iter().map(|(key, value)| (key.clone(), RecordEntry::under(&key, value).unwrap())).collect();
        values.extend(
            make_packs(&site, &entries, None).unwrap().into_iter().map(|pack| (pack.key.to_string(), pack.value)),
        );
    }
    values
}

/// Loose events, a pack, and indexes of both kinds.
fn with_indexes(loose_events: u64) -> BTreeMap<String, Vec<u8>> {
    let store = loose(0..40);
    pollster::block_on(compact(&at(&store, now() + TimeDelta::seconds(1)), &Policy::packs(0), &Bound::WIDE)).unwrap();
    let mut values = store.values.into_inner();
    assert!(["index.sessions.", "index.events."].iter().all(|kind| values.keys().any(|key| key.starts_with(kind))));
    values.extend(loose(100..100 + loose_events).values.into_inner());
    values
}

#[test]
fn only_the_messages_of_full_stores_count_as_full() {
    let words = |text: &str| StoreError::of_words(text.to_owned());
    for full in [
        "the store's file: database or disk is full",
        "Error code 13: Insertion failed because database is full: database or disk is full",
        "OOM command not allowed when used memory > 'maxmemory'.",
        // The wording of Spin's Redis client.
        "OOM: command not allowed when used memory > 'maxmemory'.",
        "nats: maximum bytes exceeded",
    ] {
        assert_eq!(words(full), StoreError::Full(full.to_owned()));
    }
    for other in ["database is locked", "disk I/O error", "the request timed out", ""] {
        assert_eq!(words(other), StoreError::Other(other.to_owned()));
    }
}

#[test]
fn a_write_that_fails_for_another_reason_makes_no_room() {
    let text = || "x".to_owned();
    for error in [StoreError::Unavailable(text()), StoreError::Denied(text()), StoreError::Other(text())] {
        let before = with_indexes(100);
        let store = Narrow::new(before.clone());
        *store.error.borrow_mut() = Some(error.clone());
        let reply = send(&store, 1_000);
        assert_eq!((reply.status, reply.header("retry-after")), (503, "5"), "{error:?}");
        assert_eq!(*store.inner.calls.borrow(), ["exists", "refused"], "{error:?}");
        assert_eq!(*store.inner.values.borrow(), before);
    }
}

#[test]
fn room_is_made_in_a_full_store_and_its_indexes_stay() {
    let store = Narrow::new(with_indexes(100));
    store.take_no_more_keys();
    let indexes = store.keys_of("index.");
    assert_eq!(send(&store, 1_000).result(), "stored");
    assert_eq!(store.keys_of("index."), indexes);
    assert!(store.inner.keys().len() < store.most.get());
    assert_eq!(store.keys_of("pack.").len(), 1, "small packs are merged");
}

/// If neither the lease nor an index of events can lend a key, an index of sessions does.
#[test]
fn the_index_of_sessions_is_lent_last_and_put_back() {
    let mut values = with_indexes(100);
    values.retain(|key, _| !key.starts_with("index.events.") && key != "lease.pass");
    let store = Narrow::new(values);
    store.take_no_more_keys();
    let index = store.keys_of("index.");
    assert_eq!(send(&store, 1_000).result(), "stored");
    assert_eq!(store.keys_of("index."), index);
    // It stays if the lease is enough.
    let mut values = with_indexes(100);
    values.insert("lease.pass".to_owned(), b"{}".to_vec());
    let store = Narrow::new(values);
    store.take_no_more_keys();
    assert_eq!(send(&store, 1_000).result(), "stored");
    assert_eq!(store.count("refused"), 1, "only the event was refused, no pack");
}

/// On a full disk with room for compaction only, an index that is put back first would take the event's room.
#[test]
fn the_event_is_stored_before_indexes_are_put_back() {
    let mut values = with_indexes(100);
    values.retain(|key, _| key != "lease.pass");
    let store = Narrow::new(values);
    store.take_no_more_keys();
    assert_eq!(send(&store, 1_000).result(), "stored");
    let written = store.written.borrow();
    let event = written.iter().rposition(|key| key.starts_with("event.")).unwrap();
    let index = written.iter().position(|key| key.starts_with("index.")).unwrap();
    assert!(event < index, "{written:?}");
}

/// The message of a platform can be unknown. Then `key_budget` says that the store takes few keys.
#[test]
fn an_unknown_error_makes_room_if_the_key_budget_is_nearly_used() {
    let budget = |keys: usize| keys.to_string();
    for (keys, result) in [(Some(0), "stored"), (Some(1_000), ""), (None, "")] {
        let mut store = Narrow::new(with_indexes(100));
        store.says = StoreError::Other;
        store.take_no_more_keys();
        let keys = keys.map(|more| budget(store.most.get() + more));
        let settings = SETTINGS.iter().copied().chain(keys.as_deref().map(|keys| ("key_budget", keys)));
        let settings: Vec<_> = settings.collect();
        let uri = format!("/events/hq?outbound_event_token={TOKEN}");
        assert_eq!(post(&uri).body(form(1_000)).answer_alone(&store, &settings).result(), result, "{keys:?}");
    }
}

/// The time of a list does not count against the time for making room, or a store with slow lists would stay full.
#[test]
fn room_is_made_in_a_store_with_slow_lists() {
    let store = Narrow::new(with_indexes(100));
    store.take_no_more_keys();
    store.list_takes.set(4);
    let clock = || now() + TimeDelta::seconds(store.passed.get());
    let uri = format!("/events/hq?outbound_event_token={TOKEN}");
    assert_eq!(post(&uri).body(form(1_000)).answer_by(&store, clock, SETTINGS).result(), "stored");
}

#[test]
fn nine_hundred_packs_without_an_index_are_not_read_to_make_room() {
    let mut values = with_packs(900, 123);
    values.insert("lease.pass".to_owned(), b"{}".to_vec());
    let store = Narrow::new(values);
    store.take_no_more_keys();
    assert_eq!(send(&store, 5_000).result(), "stored");
    // It reads the 61 events that it packs, some heads, and the packs that it merges.
    let gets = store.count("get");
    assert!(gets < 300, "{gets} reads");
    assert!(store.count("get_keys") <= 3);
    // No event is lost.
    let uri = "/api/stats";
    let reply = call("GET", uri).header("authorization", format!("Bearer {TOKEN}")).answer(&store, SETTINGS);
    let stats: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(stats["events"], json!(1_800 + 123 + 1));
}

#[test]
fn a_store_with_few_keys_takes_many_events_without_a_key_budget() {
    // The lease is there to lend its key: a store in which nothing can lend a key stays full.
    let store = Narrow::new(BTreeMap::from([("lease.pass".to_owned(), b"{}".to_vec())]));
    store.most.set(64);
    for number in 0..3_000 {
        assert_eq!(send(&store, number).result(), "stored", "event {number}");
    }
    let reply = call("GET", "/api/stats").header("authorization", format!("Bearer {TOKEN}")).answer(&store, SETTINGS);
    let stats: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(stats["events"], json!(3_000));
}

/// A recipient on Spin is not called again until the next event arrives.
#[test]
fn a_retried_set_aside_body_is_forwarded() {
    let (store, ways) = (Memory::default(), Ways::default());
    let destinations = r#"[{"name": "desk", "url": "https://desk.example/in"}]"#;
    let settings = [SETTINGS, &[("destinations", destinations)]].concat();
    let uri = format!("/events/hq?outbound_event_token={TOKEN}");
    let set_aside = post(&uri).body("no event").answer_with(&store, &ways, &settings);
    assert_eq!(set_aside.result(), "set-aside");
    let key = format!("setaside.hq.{}", set_aside.header("event-id"));
    let mut value = store.json(&key);
    value["body"] = json!(form(1));
    store.values.borrow_mut().insert(key, value.to_string().into_bytes());
    let retry = call("POST", &format!("/api/set-aside/{}/retry", set_aside.header("event-id")));
    let reply = retry.header("authorization", format!("Bearer {TOKEN}")).answer_with(&store, &ways, &settings);
    assert_eq!(reply.status, 200, "{reply:?}");
    let id = serde_json::from_str::<serde_json::Value>(&reply.body).unwrap()["event_id"].as_str().unwrap().to_owned();
    assert_eq!(ways.ids(), [id]);
}

#[test]
fn a_retry_makes_room_in_a_full_store() {
    let store = Narrow::new(with_indexes(100));
    let uri = format!("/events/hq?outbound_event_token={TOKEN}");
    let set_aside = post(&uri).body("no event").answer_alone(&store, SETTINGS);
    let key = format!("setaside.hq.{}", set_aside.header("event-id"));
    let mut value = store.inner.json(&key);
    value["body"] = json!(form(1_000));
    store.inner.values.borrow_mut().insert(key, value.to_string().into_bytes());
    store.take_no_more_keys();
    let retry = call("POST", &format!("/api/set-aside/{}/retry", set_aside.header("event-id")));
    let reply = retry.header("authorization", format!("Bearer {TOKEN}")).answer_alone(&store, SETTINGS);
    assert_eq!(reply.status, 200, "{reply:?}");
}
