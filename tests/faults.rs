//! The service while its store fails, hangs, reports wrongly what exists, or is full.
//!
//! Each kind of request is tried with each fault at each of its calls to the store. Repeated after the fault, the
//! request must leave the store exactly as the request without a fault does.

use std::collections::BTreeMap;

use crate::support::{BEGIN, Call, FailingStore, Limited, Memory, OPEN, Reply, StoreFault, TOKEN, call, post};
use outbound_events::store::{Store, StoreError};
use serde_json::json;

type StoreContents = BTreeMap<String, Vec<u8>>;

const SETTINGS: &[(&str, &str)] = &[("ingest_tokens", TOKEN), ("read_tokens", TOKEN), ("admin_tokens", TOKEN)];
const REJECT: &[(&str, &str)] = &[("ingest_tokens", TOKEN), ("invalid_events", "reject")];

/// An invalid event that names the session of `BEGIN`.
const INVALID: &str = "event=support_conference_begin&lsid=c69a8e10bea9428f816cfababe9815fe";

/// The end of that session.
const END: &str = "event=support_conference_end&version=1&timestamp=1700000009&lsid=c69a8e10bea9428f816cfababe9815fe";

/// A request, and its status without a fault.
struct TriedRequest {
    method: &'static str,
    uri: String,
    body: &'static str,
    settings: &'static [(&'static str, &'static str)],
    status: u16,
}

impl TriedRequest {
    fn new(method: &'static str, uri: impl Into<String>, status: u16) -> Self {
        Self { method, uri: uri.into(), body: "", settings: SETTINGS, status }
    }

    fn event(body: &'static str) -> Self {
        Self { body, ..Self::new("POST", "/events/hq", 200) }
    }

    fn call(&self) -> Call {
        call(self.method, &self.uri).header("authorization", format!("Bearer {TOKEN}")).body(self.body)
    }

    fn answer(&self, store: &impl Store) -> Reply {
        self.call().answer(store, self.settings)
    }
}

/// The contents of a store, and requests of every kind that uses the store. The store has a session, an event of
/// another session, and two set-aside bodies, the second of which is a valid event by today's rules.
fn store_and_requests() -> (StoreContents, Vec<TriedRequest>) {
    let store = Memory::default();
    let send = |body: &'static str| TriedRequest::event(body).answer(&store).header("event-id").to_owned();
    let begin = send(BEGIN);
    send("event=support_conference_end&version=1&timestamp=1600000000&lsid=another");
    let (invalid, valid) = (send(INVALID), send("event=support_conference_end"));
    let key = format!("setaside.hq.{valid}");
    let mut set_aside = store.json(&key);
    set_aside["body"] = json!(END);
    store.values.borrow_mut().insert(key, set_aside.to_string().into_bytes());

    let session = "/api/sessions/hq/c69a8e10bea9428f816cfababe9815fe";
    let reads = ["/health", "/api/sessions", session, "/api/events", "/api/set-aside", "/api/stats"];
    let mut requests = vec![
        TriedRequest::event("event=support_conference_begin&version=1&timestamp=1700000000&lsid=new"),
        TriedRequest::event(BEGIN),
        TriedRequest::event("lsid=new"),
        TriedRequest::event(INVALID),
        TriedRequest { settings: REJECT, status: 400, ..TriedRequest::event("lsid=new") },
        TriedRequest::new("POST", format!("/api/set-aside/{valid}/retry"), 200),
        TriedRequest::new("DELETE", format!("/api/set-aside/{invalid}"), 204),
        TriedRequest::new("DELETE", session, 200),
        TriedRequest::new("DELETE", "/api/events?before=2026-01-01", 200),
        TriedRequest::new("GET", format!("/api/events/{begin}"), 200),
    ];
    requests.extend(reads.map(|uri| TriedRequest::new("GET", uri, 200)));
    (store.values.into_inner(), requests)
}

/// Tries each request with the fault at each of its calls. `hold` checks the answer, if there is one, and the store.
fn try_each_call(fault: StoreFault, hold: impl Fn(&str, Option<Reply>, &FailingStore, usize)) {
    let (before, requests) = store_and_requests();
    for request in requests {
        let faultless = FailingStore::new(before.clone(), fault, usize::MAX);
        let expected = request.answer(&faultless);
        assert_eq!(expected.status, request.status, "{} {}: {expected:?}", request.method, request.uri);
        let after = faultless.inner.values.borrow();
        for at in 0..faultless.calls() {
            let what = format!("{fault:?} at call {at} of {} {} {}", request.method, request.uri, request.body);
            let store = FailingStore::new(before.clone(), fault, at);
            hold(&what, request.call().answer_now(&store, request.settings), &store, at);
            // Every value is the old one or the new one, and complete.
            for (key, value) in store.inner.values.borrow().iter() {
                assert!(before.get(key) == Some(value) || after.get(key) == Some(value), "{what}: {key}");
            }
            let done = *store.inner.values.borrow() == *after;
            let again = request.answer(&store);
            assert_eq!(*store.inner.values.borrow(), *after, "{what}");
            // A removal that was done, and not confirmed, finds nothing the second time.
            let gone = done && *after != before && request.uri.starts_with("/api/") && again.status == 404;
            assert!(again.status == expected.status || gone, "{what}: {again:?}");
            assert!(request.method != "GET" || again.body == expected.body, "{what}: {again:?}");
        }
    }
}

#[test]
fn a_failed_call_is_answered_with_503_and_a_repeat_succeeds() {
    for fault in [StoreFault::Refused, StoreFault::AnswerLost] {
        try_each_call(fault, |what, reply, store, at| {
            let reply = reply.unwrap();
            assert_eq!((reply.status, reply.header("retry-after")), (503, "5"), "{what}: {reply:?}");
            assert!(!reply.body.contains("fire"), "the answer shows an internal error: {}", reply.body);
            assert!(reply.log.is_some_and(|line| line.contains("the disk is on fire")), "{what}");
            // After a failed write the service can list the store, to see whether packing would make room. It does no
            // more.
            let after =
                store.inner.calls.borrow().iter().rev().take(store.calls() - at - 1).copied().collect::<Vec<_>>();
            // Deletes are sent together.
            let expected = after == ["get_keys"] || after.iter().all(|call| *call == "delete");
            assert!(expected, "{what}: {after:?} after a failure");
        });
    }
}

#[test]
fn a_request_aborted_while_the_store_hangs_leaves_nothing_half_done() {
    for fault in [StoreFault::Hangs, StoreFault::HangsWhenDone] {
        try_each_call(fault, |what, reply, store, at| {
            assert!(reply.is_none(), "{what}: {reply:?}");
            let calls = store.inner.calls.borrow();
            let after: Vec<_> = calls.iter().rev().take(store.calls() - at - 1).collect();
            assert!(after.iter().all(|call| **call == "delete"), "{what}: {after:?}");
        });
    }
}

#[test]
fn a_full_store_answers_503_still_reads_and_removes_and_then_takes_events_again() {
    let store = Limited::default();
    let send = |body: &str| TriedRequest::new("POST", "/", 200).call().body(body).answer(&store, SETTINGS);
    let event = |n: usize| send(&format!("event=support_conference_begin&version=1&timestamp={n}&lsid=x"));
    let first = event(0).header("event-id").to_owned();
    // Set-aside bodies are not packed.
    let ids: Vec<_> = (1..1024).map(|n| send(&format!("set aside {n}")).header("event-id").to_owned()).collect();
    for refused in [event(1024), send("to be set aside")] {
        assert_eq!((refused.status, refused.header("retry-after")), (503, "5"));
    }
    assert_eq!(event(0).result(), "duplicate");
    assert_eq!(TriedRequest::new("GET", format!("/api/events/{first}"), 200).answer(&store).status, 200);
    assert_eq!(store.0.keys().len(), 1024);
    assert_eq!(TriedRequest::new("DELETE", format!("/api/set-aside/{}", ids[7]), 204).answer(&store).status, 204);
    assert_eq!(event(1024).result(), "stored");
    assert_eq!(store.0.keys().len(), 1024);
}

/// A store whose `exists` gives the same answer for every key.
struct WrongExists {
    store: Memory,
    exists: bool,
}

impl Store for WrongExists {
    async fn exists(&self, _: &str) -> Result<bool, StoreError> {
        Ok(self.exists)
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(key).await
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.store.set(key, value).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.store.delete(key).await
    }

    async fn get_keys(&self) -> Result<Vec<String>, StoreError> {
        self.store.get_keys().await
    }
}

/// Regression: if a store knew a key before it had the value, or after it had lost it, an event was answered
/// `duplicate` and not stored.
#[test]
fn an_event_whose_stored_value_is_missing_or_damaged_is_stored_again() {
    for body in [BEGIN, INVALID] {
        let liar = WrongExists { store: Memory::default(), exists: true };
        let send = || TriedRequest::event(body).answer(&liar);
        let first = send();
        assert_eq!(first.status, 200);
        assert_ne!(first.result(), "duplicate");
        let whole = liar.store.values.borrow().clone();
        assert_eq!(whole.len(), 1);
        let (key, value) = whole.first_key_value().unwrap();
        let cut = (0..value.len()).map(|length| value[..length].to_vec());
        for part in cut.chain([vec![0; value.len()], [&value[..100], &vec![0; value.len() - 100]].concat()]) {
            liar.store.values.borrow_mut().insert(key.clone(), part.clone());
            assert_eq!(send().status, 200);
            assert_eq!(*liar.store.values.borrow(), whole, "in place of {:?}", String::from_utf8_lossy(&part));
        }
        liar.store.calls.borrow_mut().clear();
        assert_eq!(send().status, 200);
        assert_eq!(*liar.store.calls.borrow(), ["get"], "a complete value is not written again");
    }
}

#[test]
fn an_event_written_again_differs_only_in_its_recordedtime() {
    let liar = WrongExists { store: Memory::default(), exists: false };
    post("/").body(BEGIN).answer(&liar, OPEN);
    let now = liar.store.only();
    let mut earlier = now.clone();
    earlier["recordedtime"] = json!("2020-01-01T00:00:00.000Z");
    let key = liar.store.keys().remove(0);
    liar.store.values.borrow_mut().insert(key, earlier.to_string().into_bytes());
    let again = post("/").body(BEGIN).answer(&liar, OPEN);
    assert_eq!((again.status, again.result()), (200, "stored"));
    assert_eq!(liar.store.only(), now);
}
