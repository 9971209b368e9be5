//! `/api`: what came in is read, tried again and removed, by who has a read token.

use crate::support::{Memory, Reply, SlowDisk, TOKEN, call, now, post, seven};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use outbound_events::service::named;
use outbound_events::store::Store as _;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const READ: &str = "a-read-token-of-many-characters";
const SETTINGS: &[(&str, &str)] = &[
    ("ingest_tokens", TOKEN),
    ("read_tokens", "another-read-token,a-read-token-of-many-characters"),
    ("admin_tokens", "an-admin-token-of-characters,a-read-token-of-many-characters"),
    ("key_budget", "1024"),
];

fn api(store: &impl outbound_events::store::Store, method: &str, uri: &str) -> Reply {
    call(method, uri).header("authorization", format!("Bearer {READ}")).answer(store, SETTINGS)
}

fn get(store: &impl outbound_events::store::Store, uri: &str) -> Value {
    let reply = api(store, "GET", uri);
    assert_eq!(reply.status, 200, "{uri}: {reply:?}");
    serde_json::from_str(&reply.body).unwrap()
}

fn send(store: &Memory, site: &str, body: &str) -> Reply {
    post(&format!("/events/{site}?outbound_event_token={TOKEN}")).body(body).answer(store, SETTINGS)
}

fn form(event: &str, timestamp: u64, lsid: &str) -> String {
    format!("event=support_conference_{event}&version=1&timestamp={timestamp}&lsid={lsid}")
}

/// Three sessions at two sites, and one body that was set aside.
fn filled() -> Memory {
    let store = Memory::default();
    for (site, event, timestamp, lsid) in [
        ("hq", "begin", 1_000, "one"),
        ("hq", "end", 2_000, "one"),
        ("hq", "begin", 3_000, "two"),
        ("west", "end", 4_000, "one"),
    ] {
        assert_eq!(send(&store, site, &form(event, timestamp, lsid)).result(), "stored");
    }
    assert_eq!(send(&store, "hq", "event=support_conference_begin&lsid=two").result(), "set-aside");
    store
}

fn lsids(list: &Value) -> Vec<String> {
    let row = |row: &Value| format!("{}/{}", row["site"].as_str().unwrap(), row["lsid"].as_str().unwrap());
    list["sessions"].as_array().unwrap().iter().map(row).collect()
}

#[test]
fn without_a_read_token_nothing_is_told() {
    let store = filled();
    let all = ["/api/sessions", "/api/sessions/hq/one", "/api/events", "/api/set-aside", "/api/stats"];
    for uri in all {
        let bodies: Vec<_> = [
            None,
            Some(""),
            Some("Bearer"),
            Some("Bearer wrong"),
            Some("Basic eDp5"),
            Some(&format!("Bearer {TOKEN}")),
        ]
        .into_iter()
        .map(|authorization| {
            let request = call("GET", uri);
            let request = authorization.map_or(call("GET", uri), |value| request.header("authorization", value));
            let reply = request.answer(&store, SETTINGS);
            assert_eq!((reply.status, reply.header("www-authenticate")), (401, "Bearer"), "{uri} {authorization:?}");
            reply.body
        })
        .collect();
        // The same for every wrong one.
        assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]));
        // In a URL it would stay in histories and logs.
        assert_eq!(
            call("GET", &format!("{uri}?token={READ}&outbound_event_token={READ}")).answer(&store, SETTINGS).status,
            401
        );
        let closed = call("GET", uri).answer(&store, &[("ingest_open", "true")]);
        assert_eq!(closed.status, 503);
        assert!(closed.body.contains("until read_tokens is set"), "{}", closed.body);
        let other = call("GET", uri).header("authorization", "Bearer another-read-token").answer(&store, SETTINGS);
        assert_eq!(other.status, 200, "{uri}");
    }
    // A read token removes nothing, an admin token reads nothing, and neither lets anyone send.
    let store = filled();
    let bearer = |method: &str, uri: &str, token: &str, settings: &[(&str, &str)]| {
        call(method, uri).header("authorization", format!("Bearer {token}")).answer(&store, settings)
    };
    let id = "0".repeat(32);
    for (method, uri) in [
        ("DELETE", "/api/sessions/hq/one".to_owned()),
        ("DELETE", "/api/events?before=2026-01-01".to_owned()),
        ("DELETE", format!("/api/set-aside/{id}")),
        ("POST", format!("/api/set-aside/{id}/retry")),
        ("POST", "/api/pack".to_owned()),
    ] {
        let before = store.values.borrow().clone();
        let status = |token: &str, settings| bearer(method, &uri, token, settings).status;
        assert_eq!([status("another-read-token", SETTINGS), status("wrong", SETTINGS)], [403, 401], "{method} {uri}");
        let closed = &SETTINGS[..2];
        assert_eq!([status("another-read-token", closed), status("wrong", closed)], [403, 503], "{method} {uri}");
        assert_eq!(*store.values.borrow(), before);
        assert!([200, 404].contains(&status("an-admin-token-of-characters", SETTINGS)), "{method} {uri}");
    }
    assert_eq!(bearer("GET", "/api/stats", "an-admin-token-of-characters", SETTINGS).status, 401);
    let stats = bearer("GET", "/api/stats", "another-read-token", SETTINGS).body;
    assert!(stats.contains("\"admin\":false"), "{stats}");

    assert_eq!(
        post("/events").header("authorization", format!("Bearer {READ}")).body("x").answer(&store, SETTINGS).status,
        401
    );
}

#[test]
fn sessions_are_listed_newest_first_and_only_those_on_the_page_are_read() {
    let store = filled();
    store.calls.borrow_mut().clear();
    let list = get(&store, "/api/sessions?limit=2");
    assert_eq!(*store.calls.borrow(), ["get_keys", "get", "get"]);
    let row = |site: &str, lsid: &str, state: &str, first: &str, last: &str, events: u64, length: Value| {
        let start = if state == "incomplete" { Value::Null } else { json!(first) };
        let end = if state == "open" { Value::Null } else { json!(last) };
        json!({"site": site, "lsid": lsid, "state": state, "first_event": first, "last_event": last, "events": events,
            "start": start, "end": end, "duration_seconds": length, "customers": [], "owner": null, "external_keys": []})
    };
    let west = row("west", "one", "incomplete", "1970-01-01T01:06:40Z", "1970-01-01T01:06:40Z", 1, Value::Null);
    let two = row("hq", "two", "open", "1970-01-01T00:50:00Z", "1970-01-01T00:50:00Z", 1, Value::Null);
    let one = row("hq", "one", "ended", "1970-01-01T00:16:40Z", "1970-01-01T00:33:20Z", 2, json!(1_000));
    let next = list["next"].clone();
    assert_eq!(list, json!({"sessions": [west, two], "next": next, "unreadable": []}));
    let rest = get(&store, &format!("/api/sessions?cursor={}", next.as_str().unwrap()));
    assert_eq!(rest, json!({"sessions": [one], "next": null, "unreadable": []}));
    for (query, expected) in [
        ("site=hq", vec!["hq/two", "hq/one"]),
        ("state=open", vec!["hq/two"]),
        ("state=ended&site=west", vec![]),
        ("from=1970-01-01T00:50:00Z", vec!["west/one", "hq/two"]),
        ("to=1970-01-01T00:50:00Z", vec!["hq/one"]),
        ("from=1970-01-01T01:50:00%2B01:00&to=1970-01-02", vec!["west/one", "hq/two"]),
        ("from=1970-01-02", vec![]),
    ] {
        assert_eq!(lsids(&get(&store, &format!("/api/sessions?{query}"))), expected, "{query}");
    }
}

/// All pages of one after the other, each with `limit` rows.
fn all_sessions(store: &Memory, limit: usize) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let list = get(store, &format!("/api/sessions?limit={limit}{cursor}"));
        all.extend(lsids(&list));
        match list["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

#[test]
fn pages_add_up_to_the_list_and_go_on_while_events_arrive() {
    let store = Memory::default();
    for n in 0..25_u64 {
        // Five start in the same second, and one lsid is not as a key has it.
        send(&store, "hq", &form("begin", 1_000 + n / 5, &format!("s%2F{n:02}")));
    }
    let all = all_sessions(&store, 200);
    assert_eq!(all.len(), 25);
    for limit in [1, 2, 24, 25, 26] {
        assert_eq!(all_sessions(&store, limit), all, "{limit}");
    }
    let first = get(&store, "/api/sessions?limit=10");
    send(&store, "hq", &form("begin", 9_000, "new"));
    let second = get(&store, &format!("/api/sessions?limit=100&cursor={}", first["next"].as_str().unwrap()));
    assert_eq!([lsids(&first), lsids(&second)].concat(), all);
}

#[test]
fn a_session_is_its_timeline_and_its_events() {
    let store = Memory::default();
    for (_, body) in seven() {
        send(&store, "hq", &body);
    }
    let session = get(&store, "/api/sessions/hq/c69a8e10bea9428f816cfababe9815fe");
    assert_eq!((&session["site"], &session["state"]), (&json!("hq"), &json!("ended")));
    assert_eq!(session["external_keys"][0]["external_key"], "INC-1");
    let types: Vec<_> =
        session["events"].as_array().unwrap().iter().map(|event| event["data"]["event"].as_str().unwrap()).collect();
    // All in one second: in the order in which they must have happened.
    let expected = [
        "begin",
        "owner_changed",
        "member_added",
        "member_departed",
        "end",
        "customer_exit_survey_completed",
        "rep_exit_survey_completed",
    ];
    assert_eq!(types, expected.map(|name| format!("support_conference_{name}")));
    // Any lsid can be asked for.
    send(&store, "hq", &form("begin", 1, "a%2Fb%25"));
    assert_eq!(get(&store, "/api/sessions/hq/a%2Fb%25")["lsid"], "a/b%");
    for absent in [
        "/api/sessions/west/c69a8e10bea9428f816cfababe9815fe",
        "/api/sessions/hq/none",
        "/api/sessions/h_q/x",
        "/api/sessions/hq/%00",
        "/api/sessions/hq/",
    ] {
        assert_eq!(api(&store, "GET", absent).status, 404, "{absent}");
    }
}

#[test]
fn events_are_a_batch_or_lines_oldest_first_page_by_page() {
    let store = filled();
    let reply = api(&store, "GET", "/api/events");
    assert_eq!(reply.header("content-type"), "application/cloudevents-batch+json");
    let times = |events: &Value| {
        events.as_array().unwrap().iter().map(|event| event["data"]["timestamp"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(times(&serde_json::from_str(&reply.body).unwrap()), [1_000, 2_000, 3_000, 4_000]);
    for (query, expected) in [
        ("site=west", vec![4_000]),
        ("event=support_conference_end", vec![2_000, 4_000]),
        ("event=another", vec![]),
        ("from=1970-01-01T00:33:20Z&to=1970-01-01T01:06:40Z", vec![2_000, 3_000]),
    ] {
        assert_eq!(times(&get(&store, &format!("/api/events?{query}"))), expected, "{query}");
    }
    // Page by page, as lines, while more arrive.
    let (mut all, mut uri) = (Vec::new(), Some("/api/events?limit=1".to_owned()));
    while let Some(page) = uri {
        let lines = call("GET", &page)
            .header("authorization", format!("Bearer {READ}"))
            .header("accept", "text/html, application/x-ndjson;q=0.9")
            .answer(&store, SETTINGS);
        assert_eq!((lines.status, lines.header("content-type")), (200, "application/x-ndjson"), "{page}");
        all.extend(
            lines
                .body
                .lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap()["data"]["timestamp"].as_u64().unwrap()),
        );
        uri = lines
            .header("link")
            .strip_prefix('<')
            .and_then(|link| link.strip_suffix(">; rel=\"next\""))
            .map(str::to_owned);
        if all.len() == 2 {
            send(&store, "hq", &form("begin", 500, "early"));
            send(&store, "hq", &form("begin", 5_000, "late"));
        }
    }
    assert_eq!(all, [1_000, 2_000, 3_000, 4_000, 5_000]);
}

#[test]
fn an_event_is_read_by_its_id() {
    let store = filled();
    let sent = send(&store, "hq", &form("begin", 1_000, "one"));
    let id = sent.header("event-id");
    let reply = api(&store, "GET", &format!("/api/events/{id}"));
    assert_eq!((reply.status, reply.header("content-type")), (200, "application/cloudevents+json"));
    assert_eq!(serde_json::from_str::<Value>(&reply.body).unwrap()["id"], id);
    for absent in ["00000000000000000000000000000000", "x", &id.to_uppercase()] {
        assert_eq!(api(&store, "GET", &format!("/api/events/{absent}")).status, 404, "{absent}");
    }
}

#[test]
fn a_body_set_aside_is_read_tried_again_and_removed() {
    let store = filled();
    let list = get(&store, "/api/set-aside");
    let body = &list["set_aside"][0];
    assert_eq!((list["set_aside"].as_array().unwrap().len(), &body["site"]), (1, &json!("hq")));
    assert_eq!(body["body"], "event=support_conference_begin&lsid=two");
    let id = body["id"].as_str().unwrap().to_owned();
    // It is still what it was.
    let reply = api(&store, "POST", &format!("/api/set-aside/{id}/retry"));
    assert_eq!((reply.status, reply.at_fault()), (409, vec!["version".to_owned(), "timestamp".to_owned()]));
    assert_eq!(get(&store, "/api/stats")["set_aside"], 1);
    // By today's rules another one is an event: it was set aside when they were stricter.
    let key = format!("setaside.hq.{id}");
    let mut valid = store.json(&key);
    valid["body"] = json!(form("end", 9_000, "two"));
    pollster::block_on(store.set(&key, valid.to_string().as_bytes())).unwrap();
    let reply = api(&store, "POST", &format!("/api/set-aside/{id}/retry"));
    let retried: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!((reply.status, &retried["result"]), (200, &json!("stored")));
    assert_eq!(
        get(&store, &format!("/api/events/{}", retried["event_id"].as_str().unwrap()))["data"]["timestamp"],
        9_000
    );
    assert_eq!(get(&store, "/api/stats")["set_aside"], 0);
    assert_eq!(api(&store, "POST", &format!("/api/set-aside/{id}/retry")).status, 404);
    send(&store, "hq", "nonsense");
    let id = get(&store, "/api/set-aside")["set_aside"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(api(&store, "DELETE", &format!("/api/set-aside/{id}")).status, 204);
    assert_eq!(api(&store, "DELETE", &format!("/api/set-aside/{id}")).status, 404);
}

#[test]
fn a_session_is_erased_with_what_names_it_and_nothing_else() {
    let store = filled();
    let lsid = "c69a8e10bea9428f816cfababe9815fe";
    for (_, body) in seven() {
        send(&store, "hq", &body);
        send(&store, "west", &body);
    }
    send(&store, "hq", &format!("Isid={lsid}"));
    send(&store, "hq", &format!("{{\"lsid\":\"{lsid}\"}}"));
    send(&store, "west", &format!("Isid={lsid}"));
    let longer = send(&store, "hq", &format!("lsid={lsid}0")).header("event-id").to_owned();
    let before = store.keys().len();
    let reply = api(&store, "DELETE", &format!("/api/sessions/hq/{lsid}"));
    let told = |events, set_aside| {
        format!("{{\"events\":{events},\"set_aside\":{set_aside},\"perhaps\":[\"{longer}\"],\"remaining\":false}}")
    };
    assert_eq!((reply.status, reply.body), (200, told(7, 2)));
    // A tombstone stands where it was.
    assert_eq!(store.keys().len(), before - 9 + 1);
    // Nothing is left but what a person must look at.
    let again = api(&store, "DELETE", &format!("/api/sessions/hq/{lsid}"));
    assert_eq!(again.body, told(0, 0));
    // A short lsid is one only by its name.
    let reply = api(&store, "DELETE", "/api/sessions/hq/two");
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (200, "{\"events\":1,\"set_aside\":1,\"perhaps\":[],\"remaining\":false}")
    );
}

#[test]
fn a_session_of_many_events_is_erased_at_once() {
    let store = Memory::default();
    for n in 0..1_200 {
        send(&store, "hq", &form("begin", n, "many"));
    }
    send(&store, "hq", "lsid=many");
    let erase = || api(&store, "DELETE", "/api/sessions/hq/many").body;
    assert_eq!(erase(), "{\"events\":1200,\"set_aside\":1,\"perhaps\":[],\"remaining\":false}");
    assert_eq!(api(&store, "DELETE", "/api/sessions/hq/many").status, 404);
    // What it had is nowhere any more, in no pack and under no key.
    let values = store.values.borrow();
    assert!(
        values.keys().all(|key| key.starts_with("erased.hq.many.") || key.starts_with("index.")),
        "{:?}",
        values.keys()
    );
}

#[test]
fn what_is_older_than_a_time_is_removed_and_stays_so() {
    let store = filled();
    for n in 0..1_500 {
        send(&store, "hq", &form("begin", n, &format!("s{n}")));
    }
    let remove = |query: &str| api(&store, "DELETE", &format!("/api/events{query}"));
    let removed = |events: u64, skipped: u64| {
        format!("{{\"events\":{events},\"set_aside\":0,\"skipped\":{skipped},\"remaining\":false}}")
    };
    assert_eq!(remove("?before=1970-01-01T00:33:19.5Z").body, removed(1501, 0));
    assert_eq!(remove("?before=1970-01-01T00:33:20Z").body, removed(0, 0));
    assert_eq!(get(&store, "/api/stats")["events"], 3);
    // What arrives later is none of what was found, however old it is.
    let late = post(&format!("/events/hq?outbound_event_token={TOKEN}"))
        .body(form("begin", 1_999, "late"))
        .at(now() + chrono::TimeDelta::milliseconds(1));
    assert_eq!(late.answer(&store, SETTINGS).result(), "stored");
    assert_eq!(api(&store, "GET", "/api/sessions/hq/late").status, 200);
    // What was recorded later than the clock reads is left, and told of.
    assert_eq!(remove("?before=2026-01-02T03:04:05Z").body, removed(3, 1));
    assert_eq!(remove("?before=2026-01-02T03:04:05Z").body, removed(0, 1));
    for at_fault in ["", "?before=2026-01-02T03:04:07Z", "?before=2999-01-01"] {
        assert_eq!(
            (remove(at_fault).status, remove(at_fault).at_fault()),
            (400, vec!["before".to_owned()]),
            "{at_fault}"
        );
    }
}

#[test]
fn the_stats_are_made_of_keys_and_of_when_each_site_last_sent() {
    let store = filled();
    pollster::block_on(store.set("theirs", b"x")).unwrap();
    store.calls.borrow_mut().clear();
    assert_eq!(
        get(&store, "/api/stats"),
        json!({
            "keys": 6, "loose": 4, "packs": 0, "events": 4, "sessions": 3, "set_aside": 1, "other": 1,
            "key_budget": 1024, "unwell": [], "clock_faults": [], "admin": true, "unreadable": [],
            "sites": [
                {"site": "hq", "events": 3, "last_event": "2026-01-02T03:04:05.678Z"},
                {"site": "west", "events": 1, "last_event": "2026-01-02T03:04:05.678Z"},
            ],
        })
    );
    // Which clocks are wrong, a list, and of each site the last few records.
    assert_eq!(*store.calls.borrow(), ["get", "get_keys", "get", "get", "get", "get"]);
}

#[test]
fn a_parameter_at_fault_is_named() {
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
fn what_a_store_holds_that_is_none_of_ours_is_named_and_skipped() {
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
    // None of it stands in the way of paging, or among the figures.
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

#[test]
fn the_page_runs_its_own_script_and_nothing_else() {
    let reply = call("GET", "/").answer(&Memory::default(), &[]);
    assert_eq!((reply.status, reply.header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = reply.header("content-security-policy");
    for (element, source) in [("script", "script-src"), ("style", "style-src")] {
        let inside =
            reply.body.split(&format!("<{element}>")).nth(1).unwrap().split(&format!("</{element}>")).next().unwrap();
        let hash = STANDARD.encode(Sha256::digest(inside));
        assert!(policy.contains(&format!("{source} 'sha256-{hash}';")), "{policy}");
        // One of each, and the policy knows no other.
        assert_eq!(reply.body.matches(&format!("<{element}")).count(), 1);
    }
    assert!(policy.starts_with("default-src 'none';") && policy.contains("connect-src 'self'"), "{policy}");
    for outside in ["https://", "http://", "innerHTML", "style=", " onclick="] {
        let allowed = usize::from(outside == "http://");
        assert_eq!(reply.body.matches(outside).count(), allowed, "{outside}");
    }
}

/// The paths that the description names.
fn described() -> Vec<String> {
    let reply = call("GET", "/openapi.yaml").answer(&Memory::default(), &[]);
    assert_eq!((reply.status, reply.header("content-type")), (200, "application/yaml"));
    let paths = reply.body.lines().filter_map(|line| line.strip_prefix("  /")?.strip_suffix(':'));
    paths.map(|path| format!("/{path}")).collect()
}

#[test]
fn the_description_names_every_path() {
    let described = described();
    for path in [
        "/events",
        "/events/{site}",
        "/health",
        "/api/sessions",
        "/api/sessions/{site}/{lsid}",
        "/api/events",
        "/api/events/{id}",
        "/api/set-aside",
        "/api/set-aside/{id}",
        "/api/set-aside/{id}/retry",
        "/api/stats",
        "/api/pack",
    ] {
        assert!(described.contains(&path.to_owned()), "{path}");
    }
}

#[test]
fn a_path_is_counted_under_the_name_that_the_description_has_for_it() {
    let id = "2f05d53ae1bf5e405e85fc15be441e99";
    let described = described();
    assert!(described.len() > 20, "{described:?}");
    for name in described {
        let path =
            name.replace("{site}", "hq").replace("{lsid}", "a%40b").replace("{name}", "desk").replace("{id}", id);
        let expected = if name == "/events" { "/events/{site}" } else { &name };
        assert_eq!(named(&path).map(|(name, _)| name), Some(expected), "{path}");
    }
    for path in
        ["/nowhere", "/events/", "/events/a b", "/events/hq/x", "/api", "/api/events/x", "/api/destinations/desk", "*"]
    {
        assert_eq!(named(path), None, "{path}");
    }
}

#[test]
fn a_site_is_named_where_its_events_are_taken_and_nowhere_else() {
    for (path, site) in
        [("/", "default"), ("/events", "default"), ("/events/hq", "hq"), ("/api/sessions/hq/x", ""), ("/tick", "")]
    {
        let (_, named) = named(path).unwrap();
        assert_eq!(named.as_ref().map_or("", |site| site.as_str()), site, "{path}");
    }
}

/// The last owner was a coin toss, and who left and came again in one second was shown as gone: at one time the id's hash decided, or
/// what comes first as a rule.
#[test]
fn what_one_appliance_sends_in_one_second_is_told_in_the_order_in_which_it_was_sent() {
    let happened = [
        "begin",
        "end",
        "member_added&type=customer&name=A",
        "member_departed&type=customer&name=A",
        "member_added&type=representative&name=B&user_id=1",
        "owner_changed&conference_id=rep:1&conference_name=B",
        "owner_changed&conference_id=team:2&conference_name=C",
        "customer_exit_survey_completed",
        "something_new",
    ];
    let mut random = fastrand::Rng::with_seed(14);
    for seed in 0..40 {
        let mut sent = happened.to_vec();
        random.shuffle(&mut sent);
        let store = Memory::default();
        let deliver = |event: &str, after: usize| {
            let body = form("begin", 1_000, "one").replacen(
                "support_conference_begin",
                &format!("support_conference_{event}"),
                1,
            );
            let at = now() + chrono::TimeDelta::microseconds(after as i64);
            post(&format!("/events/hq?outbound_event_token={TOKEN}")).body(body).at(at).answer(&store, SETTINGS)
        };
        for (number, event) in sent.iter().enumerate() {
            assert_eq!(deliver(event, number).result(), "stored");
            // Its 200 was lost: it comes again, and whatever came meanwhile is not before it.
            if random.bool() {
                assert_eq!(deliver(random.choice(&sent[..=number]).unwrap(), number + 100).result(), "duplicate");
            }
        }
        let told = |what: &str| {
            let session = get(&store, "/api/sessions/hq/one");
            let names: Vec<_> = session["events"]
                .as_array()
                .unwrap()
                .iter()
                .map(|event| event["id"].as_str().unwrap().to_owned())
                .collect();
            let expected: Vec<_> =
                sent.iter().map(|event| deliver(event, 1_000).header("event-id").to_owned()).collect();
            assert_eq!(names, expected, "{seed}, {what}");
            let last = sent.iter().rfind(|event| event.starts_with("owner_changed")).unwrap();
            let owner = &get(&store, "/api/sessions")["sessions"][0]["owner"]["name"];
            assert!(last.ends_with(owner.as_str().unwrap()), "{seed}, {what}: {owner}");
            assert_eq!(session["owners"][1]["name"], *owner);
        };
        told("loose");
        let all = [SETTINGS, &[("loose_events", "0")]].concat();
        call("POST", "/api/pack").header("authorization", format!("Bearer {READ}")).answer(&store, &all);
        assert!(store.keys().iter().any(|key| key.starts_with("pack.")));
        told("packed");
    }
}

/// Bodies that named an erased session stayed: words were looked for in what was still encoded, and an id of digits only as a form's
/// variable. Each case is a body, and whether it goes (`true`) or is for a person to look at.
#[test]
fn what_was_set_aside_and_names_an_erased_session_goes_however_it_is_written() {
    const HEX: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f90";
    const DIGITS: &str = "20231114221320";
    const UUID: &str = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let form = "event=support_conference_member_added&version=1&timestamp=1700000000&type=guest&name=Jane+Doe";
    let cases: Vec<(&str, Vec<u8>, Option<bool>)> = vec![
        (HEX, format!("{form}&external_key=%7B%22lsid%22%3A+%22{HEX}%22%7D").into(), Some(true)),
        (HEX, format!("{form}&url=https%3A%2F%2Fdesk.example%2Fs%2F{HEX}%2Fview").into(), Some(true)),
        (HEX, format!("{form}&url=https%253A%252F%252Fdesk.example%252Fs%252F{HEX}%252Fview").into(), Some(true)),
        (HEX, format!("<session>{}</session>", HEX.to_uppercase()).into(), Some(true)),
        (HEX, format!("see {HEX}.").into(), Some(true)),
        (HEX, format!("call-{HEX}-1").into(), Some(true)),
        (HEX, utf16(&format!("lsid={HEX}")), Some(true)),
        (HEX, format!("session x{HEX}").into(), Some(false)),
        (HEX, "lsid=another".into(), None),
        (UUID, format!("-{UUID}-").into(), Some(true)),
        (DIGITS, format!("{{\"lsid\": \"{DIGITS}\"}}").into(), Some(true)),
        (DIGITS, format!("{{\"lsid\":{DIGITS}}}").into(), Some(true)),
        (DIGITS, format!("{form}&external_key=%7B%22lsid%22%3A%22{DIGITS}%22%7D").into(), Some(true)),
        (DIGITS, format!("<lsid>{DIGITS}</lsid>").into(), Some(true)),
        (DIGITS, format!("at={DIGITS}").into(), Some(false)),
        (DIGITS, format!("at=1{DIGITS}").into(), None),
        ("abcdef", "isid=abcdef".into(), Some(true)),
        ("abcdef", "lsid=ABCDEF".into(), Some(false)),
        ("abcdef", "mylsid=abcdef".into(), Some(false)),
        ("abcdef", "word=abcdefg".into(), None),
        ("a+b", "lsid=a%2Bb".into(), Some(true)),
    ];
    for (lsid, body, goes) in cases {
        let store = Memory::default();
        let site = format!("/events/hq?outbound_event_token={TOKEN}");
        let kept = post(&site).body(&body).answer(&store, SETTINGS);
        assert_eq!(kept.result(), "set-aside");
        let what = String::from_utf8_lossy(&body);
        let path = format!("/api/sessions/hq/{}", lsid.replace('+', "%2B"));
        let reply = api(&store, "DELETE", &path);
        let expected = match goes {
            None => (404, 1),
            Some(goes) => (200, usize::from(!goes)),
        };
        assert_eq!((reply.status, store.keys().len()), expected, "{lsid} in {what}: {}", reply.body);
        let is_told = reply.body.contains(&format!("\"perhaps\":[\"{}\"]", kept.header("event-id")));
        assert_eq!(is_told, goes == Some(false), "{lsid} in {what}: {}", reply.body);
    }
}

/// A removal of a thousand ended in a 503 on a disk of 12 ms a sync, and said nothing of what remained.
#[test]
fn a_removal_ends_in_time_on_a_slow_disk_and_says_what_remains() {
    let store = Memory::default();
    for n in 0..1_000 {
        send(&store, "hq", &form("begin", n, "many"));
    }
    for n in 0..300 {
        send(&store, "hq", &format!("lsid=many&n={n}"));
    }
    let values = store.values.take();
    for (milliseconds, path) in [
        (12, "/api/events?before=2020-01-01"),
        (100, "/api/events?before=2020-01-01"),
        (12, "/api/sessions/hq/many"),
        (100, "/api/sessions/hq/many"),
    ] {
        let store = SlowDisk::new(values.clone(), chrono::TimeDelta::milliseconds(milliseconds));
        for call_number in 1.. {
            let began = store.now();
            let request = call("DELETE", path).header("authorization", format!("Bearer {READ}"));
            let reply = request.answer_by(&store, || store.now(), SETTINGS);
            assert_eq!(reply.status, 200, "{reply:?}");
            let took = store.now() - began;
            assert!(took.num_seconds() < 10, "{path} took {took} at {milliseconds} ms a write");
            if reply.body.contains("\"remaining\":false") {
                assert!(call_number > 1, "{path} at {milliseconds} ms");
                break;
            }
        }
        let left = store.inner.keys().into_iter().filter(|key| key.starts_with("event.")).count();
        assert_eq!(left, 0, "{path} at {milliseconds} ms");
    }
}

#[test]
fn lines_are_given_to_who_wants_them_and_not_to_who_says_no() {
    let store = filled();
    for (accept, lines) in [
        ("application/x-ndjson", true),
        ("application/json, application/x-ndjson;q=0.5", true),
        ("Application/NDJSON; charset=utf-8", true),
        ("application/x-ndjson;q=0, application/json", false),
        ("application/x-ndjson; q=0.000", false),
        ("text/html;x=\"application/x-ndjson\"", false),
        ("*/*", false),
    ] {
        let request = call("GET", "/api/events").header("authorization", format!("Bearer {READ}"));
        let reply = request.header("accept", accept).answer(&store, SETTINGS);
        assert_eq!(reply.header("content-type") == "application/x-ndjson", lines, "{accept}");
    }
}

/// Browsers take `.` and `..` for steps in a path, written `%2e` too: a session of that id could be neither opened nor erased.
#[test]
fn a_session_whose_id_is_dots_has_a_path_that_browsers_leave_as_it_is() {
    let store = Memory::default();
    for (lsid, path) in [(".", "~."), ("..", "~.."), ("~..", "~~.."), ("~a", "~a"), ("...", "...")] {
        assert_eq!(send(&store, "hq", &form("begin", 1, lsid)).result(), "stored");
        assert_eq!(get(&store, &format!("/api/sessions/hq/{path}"))["lsid"], lsid);
        assert_eq!(api(&store, "DELETE", &format!("/api/sessions/hq/{path}")).status, 200);
    }
}
