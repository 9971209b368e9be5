//! Invalid parameters, and unreadable stored values.

use super::harness::{api, filled, get};
use super::lists::all_sessions;
use outbound_events::store::Store as _;
use serde_json::{Value, json};

#[test]
fn an_invalid_parameter_is_named() {
    let store = filled();
    for (uri, at_fault) in [
        ("/api/sessions?limit=0", "limit"),
        ("/api/sessions?limit=201", "limit"),
        ("/api/sessions?limit=%2B5", "limit"),
        ("/api/sessions?limit=", "limit"),
        ("/api/sessions?state=closed", "state"),
        ("/api/sessions?from=yesterday", "from"),
        ("/api/sessions?from=1969-12-31", "from"),
        ("/api/sessions?to=2026-02-30", "to"),
        ("/api/sessions?site=a/b", "site"),
        ("/api/sessions?cursor=x", "cursor"),
        ("/api/sessions?cursor=12.hq.one", "cursor"),
        ("/api/sessions?cursor=000000000012.hq", "cursor"),
        ("/api/sessions?q=", "q"),
        ("/api/sessions?external_key=", "external_key"),
        ("/api/events?cursor=12", "cursor"),
        ("/api/set-aside?cursor=000000000000012.setaside.hq.x", "cursor"),
        ("/api/sessions?cursor=000000000012.hq.a_2G", "cursor"),
        ("/api/sessions?stat=open", "stat"),
        ("/api/sessions?state=open&state=ended", "state"),
        ("/api/events?event=Begin", "event"),
        ("/api/events?cursor=event.hq.1.one.begin.0", "cursor"),
        ("/api/set-aside?cursor=x", "cursor"),
        ("/api/set-aside?limit=101", "limit"),
        ("/api/stats?x=1", "x"),
        ("/api/sessions/hq/one?limit=1", "limit"),
    ] {
        let reply = api(&store, "GET", uri);
        assert_eq!((reply.status, reply.at_fault()), (400, vec![at_fault.to_owned()]), "{uri}");
        assert_eq!(reply.header("content-type"), "application/problem+json");
    }
    for (method, uri, allow) in [
        ("POST", "/api/sessions", "GET, HEAD"),
        ("PUT", "/api/events", "GET, HEAD, DELETE"),
        ("GET", "/api/set-aside/00000000000000000000000000000000/retry", "POST"),
    ] {
        let reply = api(&store, method, uri);
        assert_eq!((reply.status, reply.header("allow")), (405, allow), "{method} {uri}");
    }
    for uri in ["/api", "/api/", "/api/session", "/api/sessions/", "/api/sessions/hq", "/api/events/x/y"] {
        assert_eq!(api(&store, "GET", uri).status, 404, "{uri}");
    }
}

#[test]
fn foreign_keys_and_values_are_named_and_skipped() {
    let store = filled();
    let key = |id: &str| format!("event.hq.000000001500.one.added.{id:0>32}");
    for (id, value) in [("1", "no JSON"), ("2", "{}"), ("3", "{\"specversion\":\"1.0\",\"id\":1}")] {
        pollster::block_on(store.set(&key(id), value.as_bytes())).unwrap();
    }
    for odd in [
        "event.",
        "event.hq",
        "event.hq.x.y.z.0",
        "event.h_q.000000000001.one.begin.0",
        "event.hq.1.2.3.4.5.6",
        "setaside.hq.x",
    ] {
        pollster::block_on(store.set(odd, b"odd")).unwrap();
    }
    let session = get(&store, "/api/sessions/hq/one");
    assert_eq!((session["events"].as_array().unwrap().len(), session["unreadable"].as_array().unwrap().len()), (2, 3));
    assert_eq!(session["unreadable"][0]["key"], json!(key("1")));
    let reply = api(&store, "GET", "/api/events?site=hq&from=1970-01-01T00:16:40Z&to=1970-01-01T00:33:21Z");
    assert_eq!((reply.status, reply.header("unreadable-records")), (200, "3"));
    assert_eq!(serde_json::from_str::<Value>(&reply.body).unwrap().as_array().unwrap().len(), 2);
    let reply = api(&store, "GET", &format!("/api/events/{:0>32}", "1"));
    assert_eq!(reply.status, 500);
    // They disturb neither paging nor counts.
    assert_eq!(all_sessions(&store, 1), all_sessions(&store, 200));
    let (mut uri, mut pages) = (Some("/api/events?limit=1".to_owned()), 0);
    while let Some(page) = uri {
        let reply = api(&store, "GET", &page);
        assert_eq!(reply.status, 200, "{page}");
        uri = reply.header("link").strip_prefix('<').and_then(|l| l.strip_suffix(">; rel=\"next\"")).map(str::to_owned);
        pages += 1;
    }
    assert_eq!(pages, 7);
    let stats = get(&store, "/api/stats");
    assert_eq!((&stats["events"], &stats["sites"][0]["last_event"]), (&json!(7), &json!("2026-01-02T03:04:05.678Z")));
}
