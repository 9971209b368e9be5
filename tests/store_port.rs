//! What the service promises about a store, whatever the store does.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use outbound_events::store::{Kept, Store, StoreError, keep};
use support::{BEGIN, Failing, GUARDED, Limited, Memory, OPEN, call, post, seven};

const WITH_TOKEN: &str = "/?outbound_event_token=a-token-of-24-characters";

fn hold_to_the_contract(store: &impl Store) {
    pollster::block_on(async {
        assert_eq!(store.get("k").await, Ok(None));
        assert_eq!(store.exists("k").await, Ok(false));
        assert_eq!(keep(store, "k", b"1").await, Ok(Kept::New));
        assert_eq!(keep(store, "k", b"2").await, Ok(Kept::Before));
        assert_eq!(store.get("k").await, Ok(Some(b"1".to_vec())));
        assert_eq!(store.set("k", b"3").await, Ok(()));
        assert_eq!(store.get("k").await, Ok(Some(b"3".to_vec())));
    });
}

#[test]
fn the_stores_of_these_tests_keep_the_contract() {
    hold_to_the_contract(&Memory::default());
    hold_to_the_contract(&Failing::at(usize::MAX));
    hold_to_the_contract(&Limited::default());
}

#[test]
fn each_call_that_fails_is_a_503_and_leaves_nothing_half_written() {
    let bodies = [BEGIN, "event=support_conference_begin&lsid=x"];
    for (body, fails) in bodies.into_iter().flat_map(|body| [(body, 0), (body, 1)]) {
        let store = Failing::at(fails);
        let reply = post(WITH_TOKEN).body(body).answer(&store, GUARDED);
        assert_eq!((reply.status, reply.header("retry-after")), (503, "5"), "{body}, call {fails}");
        assert_eq!(reply.header("content-type"), "application/problem+json");
        assert!(!reply.body.contains("fire"), "what is wrong inside is not the sender's to know: {}", reply.body);
        assert!(reply.log.is_some_and(|line| line.contains("the disk is on fire")));
        assert_eq!(store.calls(), fails + 1, "nothing is asked after a failure");
        assert!(store.inner.keys().is_empty());

        let again = post(WITH_TOKEN).body(body).answer(&store, GUARDED);
        assert_eq!(again.status, 200, "and the sender's next try succeeds");
        assert_eq!(store.inner.keys().len(), 1);
    }
}

#[test]
fn a_store_that_fails_is_not_healthy() {
    let reply = call("GET", "/health").answer(&Failing::at(0), OPEN);
    assert_eq!((reply.status, reply.header("retry-after")), (503, "5"));
}

#[test]
fn a_write_that_was_kept_though_it_failed_makes_the_repeat_a_duplicate() {
    /// Keeps what it is given, and says that it did not.
    struct Forgetful(Memory);
    impl Store for Forgetful {
        async fn exists(&self, key: &str) -> Result<bool, StoreError> {
            self.0.exists(key).await
        }
        async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
            self.0.get(key).await
        }
        async fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
            self.0.set(key, value).await?;
            Err(StoreError("the answer was lost".to_owned()))
        }
        async fn delete(&self, key: &str) -> Result<(), StoreError> {
            self.0.delete(key).await
        }
        async fn get_keys(&self) -> Result<Vec<String>, StoreError> {
            self.0.get_keys().await
        }
    }
    let store = Forgetful(Memory::default());
    assert_eq!(post("/").body(BEGIN).answer(&store, OPEN).status, 503);
    let again = post("/").body(BEGIN).answer(&store, OPEN);
    assert_eq!((again.status, again.result()), (200, "duplicate"));
    assert_eq!(store.0.keys().len(), 1);
}

#[test]
fn every_key_and_value_fits_the_narrowest_platform() {
    let store = Limited::default();
    let max = [("ingest_tokens", "a-token-of-24-characters"), ("max_body_bytes", "262144")];
    let uri = format!("/events/{}?outbound_event_token=a-token-of-24-characters", "s".repeat(32));
    let send = |body: &[u8]| {
        let reply = post(&uri).header("content-type", "\"".repeat(2000)).body(body).answer(&store, &max);
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.result().to_owned()
    };
    for (_, form) in seven() {
        assert_eq!(send(form.as_bytes()), "stored");
    }
    // The longest key: an unrecognised name of 64 characters, an lsid of 100 as written.
    let lsid = format!("{}{}", ".".repeat(18), "x".repeat(46));
    assert_eq!(send(format!("event={}&version=1&timestamp=0&lsid={lsid}", "e".repeat(64)).as_bytes()), "stored");
    assert_eq!(store.0.keys().iter().map(String::len).max(), Some(252));

    // The largest values: each is kept one way or the other, and none is refused by the store.
    let large = |byte: &str, n: usize| (0..n).map(|i| format!("&v{i}={}", byte.repeat(16 * 1024))).collect::<String>();
    assert_eq!(send(format!("{BEGIN}{}", large("x", 15)).as_bytes()), "stored");
    // A control character grows to six bytes in JSON, so this record would be larger than any platform takes.
    assert_eq!(send(format!("{BEGIN}{}", large("\u{1}", 15)).as_bytes()), "set-aside");
    assert_eq!(send(&[0; 262_144]), "set-aside");
    assert_eq!(send(&[0xff; 262_144]), "set-aside");
    assert_eq!(send("\"".repeat(262_144).as_bytes()), "set-aside");
    // As many problems as there can be, each naming as much as it may, with a body that takes base64.
    let mut faulty: Vec<u8> = (0..255).flat_map(|i| format!("{i:03}{}=%&", "%01".repeat(340)).into_bytes()).collect();
    faulty.resize(262_144, 0xff);
    assert_eq!(send(&faulty), "set-aside");
}

#[test]
fn a_record_that_would_be_too_large_is_a_problem_for_a_stranger() {
    let store = Limited::default();
    let settings = [("ingest_open", "true"), ("max_body_bytes", "262144")];
    let values: String = (0..15).map(|i| format!("&v{i}={}", "\u{1}".repeat(16 * 1024))).collect();
    let reply = post("/").body(format!("{BEGIN}{values}")).answer(&store, &settings);
    assert_eq!((reply.status, reply.at_fault()), (400, vec![String::new()]));
    assert!(store.0.keys().is_empty());
}

#[test]
fn a_full_store_is_a_503_and_still_knows_its_duplicates() {
    let store = Limited::default();
    let send = |n: u32| post("/").body(format!("{BEGIN}&n={n}")).answer(&store, OPEN);
    for n in 0..1024 {
        assert_eq!(send(n).status, 200);
    }
    assert_eq!(send(1024).status, 503);
    assert_eq!((send(1023).status, send(1023).result()), (200, "duplicate"));
    assert_eq!(store.0.keys().len(), 1024);
}
