//! Paths, sites and methods.

use super::harness::{assert_accepted, assert_refused};
use crate::support::{BEGIN, Memory, OPEN, call, post};

#[test]
fn the_path_names_the_site() {
    for (path, site) in [
        ("/", "default"),
        ("/events", "default"),
        ("/events/default", "default"),
        ("/events/B-2", "B-2"),
        // One slash at the end is ignored.
        ("/events/", "default"),
        ("/events/B-2/", "B-2"),
        ("/events/B-2/?a=1", "B-2"),
    ] {
        let store = Memory::default();
        assert_accepted(&post(path).body(BEGIN).answer(&store, OPEN), "stored");
        assert_eq!(store.only()["source"], format!("/beyondtrust/{site}"), "{path}");
    }
}

#[test]
fn an_unknown_path_is_not_found() {
    let long = format!("/events/{}", "x".repeat(33));
    let paths = [
        "/event",
        "/events//",
        "/events/a//",
        "/events/..",
        "/events/a/b",
        "/events/a.b",
        "/events/%41",
        "/events/a_b",
        "/x",
        "//",
        &long,
    ];
    for path in paths {
        let store = Memory::default();
        assert_refused(path, &post(path).body(BEGIN).answer(&store, OPEN), 404, &store);
    }
}

#[test]
fn a_wrong_method_is_answered_with_the_allowed_ones() {
    let cases = [("GET", "/events", "POST"), ("PUT", "/events", "POST"), ("DELETE", "/events/a", "POST")];
    for (method, path, allow) in
        cases.into_iter().chain([("POST", "/health", "GET, HEAD"), ("BREW", "/", "GET, HEAD, POST")])
    {
        let store = Memory::default();
        let reply = call(method, path).body(BEGIN).answer(&store, OPEN);
        assert_refused(method, &reply, 405, &store);
        assert_eq!(reply.header("allow"), allow, "{method} {path}");
    }
}

#[test]
fn an_unreadable_request_is_refused() {
    let store = Memory::default();
    assert_refused("a path with a blank", &post("/events x").body(BEGIN).answer(&store, OPEN), 400, &store);
    assert_refused("no path", &post("").body(BEGIN).answer(&store, OPEN), 400, &store);
    let long = format!("/events?{}", "q".repeat(64 * 1024));
    assert_refused("a query of 64 KiB", &post(&long).body(BEGIN).answer(&store, OPEN), 400, &store);
    let odd = post("/events").header("x-odd", b"\xff\xfe").body(BEGIN).answer(&store, OPEN);
    assert_accepted(&odd, "stored");
}
