//! Every answer to every kind of request.

use std::cell::RefCell;

use crate::support::{BEGIN, Call, GUARDED, Memory, OPEN, Reply, TOKEN, call, now, post, seven};
use outbound_events::service::{After, Service};
use outbound_events::settings::{Settings, Variables};

const WITH_TOKEN: &str = "/events?outbound_event_token=a-token-of-24-characters";

/// Everything that a refusal promises: its status in the body too, and nothing in the store.
fn assert_refused(what: &str, reply: &Reply, status: u16, store: &Memory) {
    assert_eq!(reply.status, status, "{what}: {reply:?}");
    assert_eq!(reply.header("content-type"), "application/problem+json", "{what}");
    let problem: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(problem["status"], status, "{what}");
    assert!(!problem["title"].as_str().unwrap().is_empty(), "{what}");
    assert!(!problem["detail"].as_str().unwrap().is_empty(), "{what}");
    assert_eq!(reply.header("content-length"), reply.body.len().to_string(), "{what}");
    assert!(store.keys().is_empty(), "{what} left {:?}", store.keys());
}

fn assert_accepted(reply: &Reply, result: &str) {
    assert_eq!((reply.status, reply.result(), reply.body.as_str()), (200, result, ""), "{reply:?}");
    assert_eq!(reply.header("content-length"), "0");
    assert_eq!(reply.header("event-id").len(), 32);
}

#[test]
fn an_event_is_stored_and_its_repeat_is_a_duplicate_that_changes_nothing() {
    for (_, form) in seven() {
        let store = Memory::default();
        let first = post("/events").body(&form).answer(&store, OPEN);
        assert_accepted(&first, "stored");
        let kept = store.values.borrow().clone();
        let again = post("/events").body(&form).answer(&store, OPEN);
        assert_accepted(&again, "duplicate");
        assert_eq!(first.header("event-id"), again.header("event-id"));
        assert_eq!(*store.values.borrow(), kept);
    }
}

#[test]
fn a_post_costs_one_read_and_one_write_and_its_repeat_two_reads() {
    let store = Memory::default();
    post("/").body(BEGIN).answer_alone(&store, OPEN);
    assert_eq!(*store.calls.borrow(), ["exists", "set"]);
    post("/").body(BEGIN).answer_alone(&store, OPEN);
    assert_eq!(*store.calls.borrow(), ["exists", "set", "exists", "get"]);
}

#[test]
fn the_path_names_the_site() {
    for (path, site) in
        [("/", "default"), ("/events", "default"), ("/events/default", "default"), ("/events/B-2", "B-2")]
    {
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
        "/events/",
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
fn another_method_is_told_which_one_is_taken() {
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
fn a_token_opens_in_the_url_or_in_a_header() {
    let calls: [fn() -> Call; 6] = [
        || post(WITH_TOKEN),
        || post("/events?a=1&outbound_event_token=a-token-of-24-characters&b=2"),
        || post("/events?outbound_event_token=a%2Dtoken-of-24-characters"),
        || post("/events").header("authorization", format!("Bearer {TOKEN}")),
        || post("/events").header("authorization", format!("bearer  {TOKEN}")),
        || post("/events?outbound_event_token=wrong").header("authorization", format!("Bearer {TOKEN}")),
    ];
    for call in calls {
        assert_accepted(&call().body(BEGIN).answer(&Memory::default(), GUARDED), "stored");
    }
}

#[test]
fn each_of_several_tokens_opens() {
    let several = [("ingest_tokens", "the-token-of-yesterday,the-token-of-tomorrow")];
    for token in ["the-token-of-yesterday", "the-token-of-tomorrow"] {
        let call = post(&format!("/?outbound_event_token={token}")).body(BEGIN);
        assert_accepted(&call.answer(&Memory::default(), &several), "stored");
    }
    let store = Memory::default();
    let both = post("/?outbound_event_token=the-token-of-yesterday,the-token-of-tomorrow").body(BEGIN);
    assert_refused("both as one", &both.answer(&store, &several), 401, &store);
}

#[test]
fn without_the_token_nothing_is_read() {
    let calls: [fn() -> Call; 8] = [
        || post("/events"),
        || post("/events?outbound_event_token="),
        || post("/events?outbound_event_token=a-token-of-24-character"),
        || post("/events?outbound_event_token=a-token-of-24-charactersX"),
        || post("/events?Outbound_Event_Token=a-token-of-24-characters"),
        || post("/events?token=a-token-of-24-characters"),
        || post("/events").header("authorization", "Basic a-token-of-24-characters"),
        || post("/events").header("authorization", b"Bearer \xff"),
    ];
    for call in calls {
        let store = Memory::default();
        let body = format!("{BEGIN}&outbound_event_token={TOKEN}");
        let reply = call().body(body).answer(&store, GUARDED);
        assert_refused("a wrong token", &reply, 401, &store);
        assert_eq!(reply.header("www-authenticate"), "Bearer");
        assert_eq!(reply.chunks_asked, 0);
        assert!(store.calls.borrow().is_empty());
    }
}

#[test]
fn tokens_guard_even_where_ingest_is_open() {
    let both = [("ingest_tokens", TOKEN), ("ingest_open", "true")];
    let store = Memory::default();
    assert_refused("a stranger", &post("/").body(BEGIN).answer(&store, &both), 401, &store);
}

#[test]
fn with_the_token_whatever_does_not_validate_is_set_aside() {
    let bodies: [(&[u8], &str); 4] = [
        (b"event=support_conference_begin&lsid=x", "application/x-www-form-urlencoded"),
        (b"{\"event\": 1}", "application/json"),
        (b"\0\xff\xfe", "application/octet-stream"),
        (b"&", "text/plain; charset=utf-8"),
    ];
    for (body, content_type) in bodies {
        let store = Memory::default();
        let send = || post(WITH_TOKEN).header("content-type", content_type).body(body).answer(&store, GUARDED);
        assert_accepted(&send(), "set-aside");
        let kept = store.values.borrow().clone();
        assert_accepted(&send(), "set-aside");
        assert_eq!(*store.values.borrow(), kept, "a repeat changes nothing");
        assert!(store.keys()[0].starts_with("setaside.default."));
        assert_eq!(store.only()["content_type"], content_type);
    }
}

#[test]
fn a_valid_event_of_another_type_is_stored_for_who_has_the_token() {
    let call = post(WITH_TOKEN).header("content-type", "text/plain").body(BEGIN);
    assert_accepted(&call.answer(&Memory::default(), GUARDED), "stored");
}

#[test]
fn with_invalid_events_reject_it_is_kept_and_answered_400() {
    let store = Memory::default();
    let settings = [("ingest_tokens", TOKEN), ("invalid_events", "reject")];
    let reply = post(WITH_TOKEN).body("event=support_conference_begin&lsid=x").answer(&store, &settings);
    assert_eq!((reply.status, reply.result()), (400, "set-aside"));
    assert_eq!(reply.at_fault(), ["version", "timestamp"]);
    assert_eq!(store.only()["id"], reply.header("event-id"));
}

#[test]
fn a_stranger_is_told_every_problem_and_leaves_nothing() {
    let store = Memory::default();
    let reply = post("/events").body("event=support_conference_begin&lsid=x").answer(&store, OPEN);
    assert_refused("an invalid event", &reply, 400, &store);
    assert_eq!(reply.at_fault(), ["version", "timestamp"]);
}

#[test]
fn a_stranger_sends_forms_only() {
    for wrong in ["application/json", "text/plain", "multipart/form-data; boundary=x", "", "\u{ff}"] {
        let store = Memory::default();
        let reply = post("/events").header("content-type", wrong).body(BEGIN).answer(&store, OPEN);
        assert_refused(wrong, &reply, 415, &store);
        assert_eq!(reply.chunks_asked, 0);
    }
    for right in ["application/x-www-form-urlencoded", "Application/X-WWW-Form-URLEncoded ; charset=UTF-8"] {
        let reply = post("/events").header("content-type", right).body(BEGIN).answer(&Memory::default(), OPEN);
        assert_accepted(&reply, "stored");
    }
}

#[test]
fn an_empty_body_is_refused_for_all() {
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
fn a_body_that_broke_off_or_is_longer_than_announced_leaves_nothing() {
    for (settings, uri) in [(OPEN, "/events"), (GUARDED, WITH_TOKEN)] {
        let store = Memory::default();
        assert_refused("an error", &post(uri).body(BEGIN).broken_off().answer(&store, settings), 400, &store);
        for (what, announced) in [("an end too soon", BEGIN.len() + 1), ("more than was announced", BEGIN.len() - 1)] {
            let other = post(uri).header("content-length", announced.to_string()).body(BEGIN);
            assert_refused(what, &other.answer(&store, settings), 400, &store);
        }
    }
}

/// What comes in chunks has no length: a host that hands on both must not have half of it kept.
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
fn until_it_is_configured_nothing_is_taken() {
    for settings in [&[][..], &[("ingest_open", "false")], &[("ingest_tokens", ""), ("ingest_open", "")]] {
        let store = Memory::default();
        let reply = post("/events").body(BEGIN).answer(&store, settings);
        assert_refused("shut", &reply, 503, &store);
        assert!(reply.body.contains("ingest_tokens") && reply.body.contains("ingest_open=true"), "{}", reply.body);
        assert_eq!(reply.header("retry-after"), "5");
        assert_eq!(reply.chunks_asked, 0);
    }
}

#[test]
fn a_setting_that_does_not_parse_is_named_and_never_guessed() {
    let (long_list, long_name) = (format!("{TOKEN},{TOKEN},short"), "b".repeat(65));
    let cases = [
        ("ingest_tokens", "short"),
        ("ingest_tokens", "a-token-of-24-characters,"),
        ("ingest_tokens", "a-token-of-24-characters "),
        ("ingest_tokens", "a token with blanks in it"),
        ("ingest_tokens", long_list.as_str()),
        ("ingest_open", "yes"),
        ("ingest_open", "True"),
        ("max_body_bytes", "0"),
        ("max_body_bytes", "262145"),
        ("max_body_bytes", "128k"),
        ("max_body_bytes", "+100"),
        ("max_body_bytes", "-1"),
        ("bucket", "a bucket"),
        ("bucket", long_name.as_str()),
    ];
    for (name, value) in cases {
        let store = Memory::default();
        let settings: Vec<_> =
            [("ingest_open", "true")].into_iter().filter(|(n, _)| *n != name).chain([(name, value)]).collect();
        let refused = post("/events").body(BEGIN).answer(&store, &settings);
        assert_refused(name, &refused, 503, &store);
        for reply in [refused, call("GET", "/health").answer(&store, &settings)] {
            assert_eq!((reply.status, reply.header("retry-after")), (503, "5"));
            assert!(reply.body.contains(name), "{}", reply.body);
            assert!(reply.log.as_ref().is_some_and(|line| line.contains(name)), "{:?}", reply.log);
            let told = format!("{}{:?}", reply.body, reply.log);
            assert!(name != "ingest_tokens" || !told.contains(value), "a token is told: {told}");
        }
    }
}

/// An event is not held back for what it does not need. It is told wherever it counts, and by `/health`.
#[test]
fn a_wrong_setting_that_no_event_needs_holds_none_back_and_is_told_where_it_counts() {
    let invalid = || post(WITH_TOKEN).body("no event");
    let stats = || call("GET", "/api/stats").header("authorization", format!("Bearer {TOKEN}"));
    let cases: [(&str, &str, &dyn Fn() -> Call); 6] = [
        ("invalid_events", "drop", &invalid),
        ("read_tokens", "short", &stats),
        ("read_tokens", "a-token-of-24-characters,", &stats),
        ("key_budget", "0", &stats),
        ("key_budget", "1k", &stats),
        ("destinations", "nobody", &stats),
    ];
    for (name, value, counts) in cases {
        let store = Memory::default();
        let settings = [("ingest_tokens", TOKEN), (name, value)];
        let stored = post(WITH_TOKEN).body(BEGIN).answer(&store, &settings);
        assert_accepted(&stored, "stored");
        // What was to be done after the answer was not.
        assert!(name != "destinations" || stored.log.is_some_and(|line| line.contains(name)));
        for reply in [counts().answer(&store, &settings), call("GET", "/health").answer(&store, &settings)] {
            assert_eq!((reply.status, reply.header("retry-after")), (503, "5"), "{name}");
            assert!(reply.body.contains(name), "{}", reply.body);
            assert!(reply.log.as_ref().is_some_and(|line| line.contains(name)), "{:?}", reply.log);
        }
        assert_eq!(store.keys().len(), 1, "{name}: {:?}", store.keys());
    }
}

/// In a component each is a call to its host.
#[test]
fn an_event_reads_the_settings_that_it_needs_and_no_others() {
    let read = RefCell::new(Vec::new());
    let variable = |name: &str| {
        read.borrow_mut().push(name.to_owned());
        Ok((name == "ingest_tokens").then(|| TOKEN.to_owned()))
    };
    let (store, variables) = (Memory::default(), Variables::new(&variable));
    let platform = crate::support::at(&store, now());
    let service = Service { platform: &platform, variables: &variables };
    let head = http::Request::post(WITH_TOKEN).body(()).unwrap().into_parts().0;
    let mut body = Some(BEGIN.as_bytes().to_vec());
    let answer = pollster::block_on(service.handle(Ok(head), async || Ok(body.take())));
    assert_eq!(answer.response.status(), 200);
    assert_eq!(read.take(), ["ingest_tokens", "max_body_bytes", "bucket"]);
    pollster::block_on(service.go_on(After { round: true, ..After::default() }));
    assert_eq!(read.take(), ["rounds", "destinations"]);
}

#[test]
fn the_bucket_has_a_name_whatever_is_configured() {
    for (configured, name) in [(None, "default"), (Some(""), "default"), (Some("events-2"), "events-2")] {
        let variable = |name: &str| Ok(configured.filter(|_| name == "bucket").map(str::to_owned));
        assert_eq!(Settings::read(variable).unwrap().bucket.as_str(), name, "{configured:?}");
    }
}

#[test]
fn health_tells_whether_the_next_event_can_be_taken() {
    for (settings, ingest) in [(OPEN, "open"), (GUARDED, "guarded")] {
        for method in ["GET", "HEAD"] {
            let reply = call(method, "/health").answer(&Memory::default(), settings);
            assert_eq!(reply.status, 200);
            let health: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
            assert_eq!(health, serde_json::json!({"ready": true, "ingest": ingest}));
        }
    }
    let shut = call("GET", "/health").answer(&Memory::default(), &[]);
    assert_eq!(shut.status, 503);
    let health: serde_json::Value = serde_json::from_str(&shut.body).unwrap();
    assert_eq!((&health["ready"], &health["ingest"]), (&false.into(), &"shut".into()));
    assert!(health["detail"].as_str().unwrap().contains("ingest_tokens"));
}

#[test]
fn what_cannot_be_read_as_a_request_is_refused() {
    let store = Memory::default();
    assert_refused("a path with a blank", &post("/events x").body(BEGIN).answer(&store, OPEN), 400, &store);
    assert_refused("no path", &post("").body(BEGIN).answer(&store, OPEN), 400, &store);
    let long = format!("/events?{}", "q".repeat(64 * 1024));
    assert_refused("a query of 64 KiB", &post(&long).body(BEGIN).answer(&store, OPEN), 400, &store);
    let odd = post("/events").header("x-odd", b"\xff\xfe").body(BEGIN).answer(&store, OPEN);
    assert_accepted(&odd, "stored");
}

#[test]
fn no_token_is_ever_told() {
    let store = Memory::default();
    let reject = [("ingest_tokens", TOKEN), ("invalid_events", "reject")];
    let body = format!("event={TOKEN}&version={TOKEN}&timestamp={TOKEN}&lsid=+{TOKEN}&type={TOKEN}&x={TOKEN}%");
    let reply = post(WITH_TOKEN).body(body).answer(&store, &reject);
    assert_eq!(reply.at_fault(), ["x", "event", "timestamp", "lsid"]);
    let settings =
        Settings::read(|name| Ok(GUARDED.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())));
    assert!(!format!("{settings:?}").contains(TOKEN));
    assert!(!format!("{reply:?}").contains(TOKEN));
}
