//! Bodies that are empty, too large, cut off or in chunks.

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

/// A chunked body has no length: if a host passes on both headers, half the body must not be stored.
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
