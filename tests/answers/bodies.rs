//! Bodies that are empty, too large, broken off, in chunks or encoded.

use super::harness::{WITH_TOKEN, assert_accepted, assert_refused};
use crate::support::{BEGIN, GUARDED, Memory, OPEN, TOKEN, post};

#[test]
fn an_empty_body_is_refused_with_and_without_a_token() {
    for (settings, uri) in [(OPEN, "/events"), (GUARDED, WITH_TOKEN)] {
        let store = Memory::default();
        assert_refused("no body", &post(uri).answer(&store, settings), 400, &store);
        assert_refused("an empty one", &post(uri).body("").answer(&store, settings), 400, &store);
    }
}

#[test]
fn a_body_that_is_too_large_is_refused_without_reading_the_rest() {
    let small = [("ingest_tokens", TOKEN), ("max_body_bytes", "200")];
    let store = Memory::default();
    let announced = post(WITH_TOKEN).header("content-length", "201").body("x".repeat(201)).answer(&store, &small);
    assert_refused("announced", &announced, 413, &store);
    assert_eq!(announced.chunks_asked, 0);

    let chunks = (0..100).fold(post(WITH_TOKEN), |call, _| call.body("y".repeat(90)));
    let chunked = chunks.answer(&store, &small);
    assert_refused("in chunks", &chunked, 413, &store);
    assert_eq!(chunked.chunks_asked, 3, "the third chunk goes beyond 200 bytes");

    let form = format!("{BEGIN}&note={}", "n".repeat(200 - BEGIN.len() - "&note=".len()));
    assert_accepted(&post(WITH_TOKEN).body(&form).answer(&store, &small), "stored");
}

#[test]
fn the_default_limit_is_131072_bytes() {
    let store = Memory::default();
    for (bytes, status) in [(131_072, 400), (131_073, 413)] {
        let reply = post("/").header("content-length", bytes.to_string()).body("&".repeat(bytes)).answer(&store, OPEN);
        assert_refused(&bytes.to_string(), &reply, status, &store);
    }
}

#[test]
fn a_body_that_is_cut_off_or_longer_than_announced_is_not_stored() {
    for (settings, uri) in [(OPEN, "/events"), (GUARDED, WITH_TOKEN)] {
        let store = Memory::default();
        assert_refused("an error", &post(uri).body(BEGIN).broken_off().answer(&store, settings), 400, &store);
        for (what, announced) in [("an end too soon", BEGIN.len() + 1), ("more than was announced", BEGIN.len() - 1)] {
            let other = post(uri).header("content-length", announced.to_string()).body(BEGIN);
            assert_refused(what, &other.answer(&store, settings), 400, &store);
        }
    }
}

/// A chunked body has no length (RFC 9112, 6.3). Where a host passes on both headers, the whole body counts.
#[test]
fn a_body_in_chunks_is_read_to_its_end_whatever_length_is_announced() {
    let [first, rest] = ["event=support_conference_begin&version=1&timestamp=1700000000&lsid=1", "23"];
    let call = post("/events").header("transfer-encoding", "chunked").header("content-length", first.len().to_string());
    let store = Memory::default();
    assert_accepted(&call.body(first).body(rest).answer(&store, OPEN), "stored");
    assert_eq!(store.only()["data"]["lsid"], "123");
}

#[test]
fn a_body_in_many_chunks_is_one_body() {
    let call = BEGIN.bytes().fold(post("/"), |call, byte| call.body([byte]));
    assert_accepted(&call.answer(&Memory::default(), OPEN), "stored");
}

#[test]
fn a_content_encoding_is_named_as_the_reason() {
    const GZIP: &[u8] = b"\x1f\x8b\x08\x00&\xff=\xfe&\xfd";
    let reason = "was sent with Content-Encoding: gzip, which is not decoded: send the form without it";
    let encoded = |uri: &str| post(uri).header("content-encoding", "gzip").body(GZIP);
    let store = Memory::default();
    let refused = encoded("/events").answer(&store, OPEN);
    assert_refused("gzip", &refused, 400, &store);
    let problem: serde_json::Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!(problem["problems"][0], serde_json::json!({ "reason": reason }));
    assert_accepted(&encoded(WITH_TOKEN).answer(&store, GUARDED), "set-aside");
    assert_eq!(store.only()["problems"][0]["reason"], reason);
}

#[test]
fn a_form_that_is_not_encoded_is_stored_whatever_the_head_says() {
    for encoding in ["identity", "Identity", "", "gzip"] {
        let reply = post("/events").header("content-encoding", encoding).body(BEGIN).answer(&Memory::default(), OPEN);
        assert_accepted(&reply, "stored");
    }
    let identity = post("/events").header("content-encoding", "identity").body("x").answer(&Memory::default(), OPEN);
    assert_eq!(identity.at_fault(), ["event", "version", "timestamp"]);
}
