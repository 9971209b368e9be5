//! The port to the store: its contract, and keys and values within the limits of every platform.

use std::collections::BTreeMap;

use crate::support::{BEGIN, FailingStore, Limited, Memory, StoreFault, post, seven};
use outbound_events::store::{Store, holds};

fn hold_to_the_contract(store: &impl Store) {
    pollster::block_on(async {
        assert_eq!(store.get("k").await, Ok(None));
        assert_eq!(store.exists("k").await, Ok(false));
        assert_eq!(holds(store, "k").await, Ok(false));
        assert_eq!(store.set("k", b"1").await, Ok(()));
        assert_eq!(holds(store, "k").await, Ok(true));
        assert_eq!(store.get("k").await, Ok(Some(b"1".to_vec())));
        assert_eq!(store.set("k", b"3").await, Ok(()));
        assert_eq!(store.get("k").await, Ok(Some(b"3".to_vec())));
    });
}

#[test]
fn the_test_stores_keep_the_contract() {
    hold_to_the_contract(&Memory::default());
    hold_to_the_contract(&FailingStore::new(BTreeMap::new(), StoreFault::Refused, usize::MAX));
    hold_to_the_contract(&Limited::default());
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
    // The longest key: an unrecognised name of 64 characters, and an lsid that takes 100 characters in a key.
    let lsid = format!("{}{}", ".".repeat(18), "x".repeat(46));
    assert_eq!(send(format!("event={}&version=1&timestamp=0&lsid={lsid}", "e".repeat(64)).as_bytes()), "stored");
    assert_eq!(store.0.keys().iter().map(String::len).max(), Some(252));

    // The largest values: each is stored or set aside, and the store refuses none.
    let large = |byte: &str, n: usize| (0..n).map(|i| format!("&v{i}={}", byte.repeat(16 * 1024))).collect::<String>();
    assert_eq!(send(format!("{BEGIN}{}", large("x", 15)).as_bytes()), "stored");
    // A control character takes six bytes in JSON, so this record would exceed the limit of every platform.
    assert_eq!(send(format!("{BEGIN}{}", large("\u{1}", 15)).as_bytes()), "set-aside");
    assert_eq!(send(&[0; 262_144]), "set-aside");
    assert_eq!(send(&[0xff; 262_144]), "set-aside");
    assert_eq!(send("\"".repeat(262_144).as_bytes()), "set-aside");
    // The most problems, each with the longest text, and a body that needs base64.
    let mut faulty: Vec<u8> = (0..255).flat_map(|i| format!("{i:03}{}=%&", "%01".repeat(340)).into_bytes()).collect();
    faulty.resize(262_144, 0xff);
    assert_eq!(send(&faulty), "set-aside");
}

#[test]
fn an_unauthenticated_client_gets_400_for_a_record_that_would_be_too_large() {
    let store = Limited::default();
    let settings = [("ingest_open", "true"), ("max_body_bytes", "262144")];
    let values: String = (0..15).map(|i| format!("&v{i}={}", "\u{1}".repeat(16 * 1024))).collect();
    let reply = post("/").body(format!("{BEGIN}{values}")).answer(&store, &settings);
    assert_eq!((reply.status, reply.at_fault()), (400, vec![String::new()]));
    assert!(store.0.keys().is_empty());
}
