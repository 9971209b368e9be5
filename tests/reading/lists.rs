//! Lists, sessions, events and statistics.

use super::harness::{READ, SETTINGS, api, filled, form, get, lsids, send};
use crate::support::{Memory, TOKEN, call, now, post, seven};
use outbound_events::store::Store as _;
use serde_json::{Value, json};

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
            "start": start, "end": end, "duration_seconds": length, "announced": true, "customers": [], "owner": null, "external_keys": []})
    };
    let west = row("west", "one", "incomplete", "1970-01-01T01:06:40Z", "1970-01-01T01:06:40Z", 1, Value::Null);
    let two = row("hq", "two", "open", "1970-01-01T00:50:00Z", "1970-01-01T00:50:00Z", 1, Value::Null);
    let one = row("hq", "one", "ended", "1970-01-01T00:16:40Z", "1970-01-01T00:33:20Z", 2, json!(1_000));
    let next = list["next"].clone();
    let through = "1970-01-01T00:50:00Z";
    let first = json!({"sessions": [west, two], "next": next, "searched_through": through, "unreadable": []});
    assert_eq!(list, first);
    let rest = get(&store, &format!("/api/sessions?cursor={}", next.as_str().unwrap()));
    assert_eq!(rest, json!({"sessions": [one], "next": null, "searched_through": null, "unreadable": []}));
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

/// All pages of a list, each with `limit` rows.
pub(super) fn all_sessions(store: &Memory, limit: usize) -> Vec<String> {
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
fn pages_cover_the_whole_list_while_events_arrive() {
    let store = Memory::default();
    for n in 0..25_u64 {
        // Five start in the same second, and one lsid is escaped in its key.
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
fn a_session_has_its_timeline_and_its_events() {
    let store = Memory::default();
    for (_, body) in seven() {
        send(&store, "hq", &body);
    }
    let session = get(&store, "/api/sessions/hq/c69a8e10bea9428f816cfababe9815fe");
    assert_eq!((&session["site"], &session["state"]), (&json!("hq"), &json!("ended")));
    assert_eq!(session["external_keys"][0]["external_key"], "INC-1");
    let types: Vec<_> =
        session["events"].as_array().unwrap().iter().map(|event| event["data"]["event"].as_str().unwrap()).collect();
    // All in one second: in their logical order.
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
    // Any lsid can be requested.
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
fn events_are_paged_oldest_first_as_a_batch_or_as_lines() {
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
fn stats_count_keys_with_few_reads() {
    let store = filled();
    pollster::block_on(store.set("theirs", b"x")).unwrap();
    store.calls.borrow_mut().clear();
    assert_eq!(
        get(&store, "/api/stats"),
        json!({
            "keys": 6, "loose": 4, "packs": 0, "events": 4, "sessions": 3, "set_aside": 1, "other": 1,
            "key_budget": 1024, "unwell": [], "clock_faults": [], "admin": true, "unreadable": [],
            "sites": [
                {"site": "hq", "events": 3, "last_event": "2026-01-02T03:04:05.678Z", "complete_through": null, "missed": null},
                {"site": "west", "events": 1, "last_event": "2026-01-02T03:04:05.678Z", "complete_through": null, "missed": null},
            ],
        })
    );
    // The clock faults, a list of keys, and the last few records of each site.
    assert_eq!(*store.calls.borrow(), ["get", "get_keys", "get", "get", "get", "get"]);
}

/// The last owner was arbitrary, and a participant who left and returned in one second was shown as gone: the order
/// of events with one time depended on hashes or on a general rule.
#[test]
fn events_of_one_second_keep_the_order_in_which_they_were_sent() {
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
            // Its 200 was lost. It is sent again, and later events must not precede it.
            if random.bool() {
                assert_eq!(deliver(random.choice(&sent[..=number]).unwrap(), number + 100).result(), "duplicate");
            }
        }
        let assert_order = |what: &str| {
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
        assert_order("loose");
        let all = [SETTINGS, &[("loose_events", "0")]].concat();
        call("POST", "/api/pack").header("authorization", format!("Bearer {READ}")).answer(&store, &all);
        assert!(store.keys().iter().any(|key| key.starts_with("pack.")));
        assert_order("packed");
    }
}

#[test]
fn lines_are_returned_only_if_accept_names_them() {
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

/// Browsers treat `.` and `..`, and `%2e`, as path segments to resolve: a session with such an id could be neither
/// opened nor erased.
#[test]
fn a_session_id_of_dots_has_a_path_that_browsers_keep() {
    let store = Memory::default();
    for (lsid, path) in [(".", "~."), ("..", "~.."), ("~..", "~~.."), ("~a", "~a"), ("...", "...")] {
        assert_eq!(send(&store, "hq", &form("begin", 1, lsid)).result(), "stored");
        assert_eq!(get(&store, &format!("/api/sessions/hq/{path}"))["lsid"], lsid);
        assert_eq!(api(&store, "DELETE", &format!("/api/sessions/hq/{path}")).status, 200);
    }
}
