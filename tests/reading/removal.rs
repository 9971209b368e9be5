//! Erasing sessions, removing by age, and bodies that were set aside.

use super::harness::{READ, SETTINGS, api, filled, form, get, send};
use crate::support::{Memory, SlowDisk, TOKEN, call, now, post, seven};
use outbound_events::store::Store as _;
use serde_json::{Value, json};

#[test]
fn a_body_set_aside_is_listed_retried_and_removed() {
    let store = filled();
    let list = get(&store, "/api/set-aside");
    let body = &list["set_aside"][0];
    assert_eq!((list["set_aside"].as_array().unwrap().len(), &body["site"]), (1, &json!("hq")));
    assert_eq!(body["body"], "event=support_conference_begin&lsid=two");
    let id = body["id"].as_str().unwrap().to_owned();
    // The body is still invalid.
    let reply = api(&store, "POST", &format!("/api/set-aside/{id}/retry"));
    assert_eq!((reply.status, reply.at_fault()), (409, vec!["version".to_owned(), "timestamp".to_owned()]));
    assert_eq!(get(&store, "/api/stats")["set_aside"], 1);
    // This body is an event by the current rules: it was set aside when they were stricter.
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
    let result = |events, set_aside| {
        format!("{{\"events\":{events},\"set_aside\":{set_aside},\"perhaps\":[\"{longer}\"],\"remaining\":false}}")
    };
    assert_eq!((reply.status, reply.body), (200, result(7, 2)));
    // A tombstone replaced the session.
    assert_eq!(store.keys().len(), before - 9 + 1);
    // Only the doubtful body remains, for a person to look at.
    let again = api(&store, "DELETE", &format!("/api/sessions/hq/{lsid}"));
    assert_eq!(again.body, result(0, 0));
    // A short lsid counts only next to its name.
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
    // No pack and no key has its data.
    let values = store.values.borrow();
    assert!(
        values.keys().all(|key| key.starts_with("erased.hq.many.") || key.starts_with("index.")),
        "{:?}",
        values.keys()
    );
}

#[test]
fn events_before_a_time_are_removed_for_good() {
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
    // An event that arrives later is not removed, however old it is.
    let late = post(&format!("/events/hq?outbound_event_token={TOKEN}"))
        .body(form("begin", 1_999, "late"))
        .at(now() + chrono::TimeDelta::milliseconds(1));
    assert_eq!(late.answer(&store, SETTINGS).result(), "stored");
    assert_eq!(api(&store, "GET", "/api/sessions/hq/late").status, 200);
    // An event recorded later than the clock reads is kept and counted.
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

/// Bodies that named an erased session stayed: the search missed encoded text, and found an id of digits only as a
/// variable of a form. Each case is a body, and whether it is removed (`true`), doubtful (`false`) or kept (`None`).
#[test]
fn bodies_that_name_an_erased_session_are_removed_in_every_encoding() {
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

/// Removing a thousand events ended in a 503 on a disk with 12 ms per sync, without a word about the rest.
#[test]
fn a_removal_on_a_slow_disk_ends_in_time_and_reports_the_rest() {
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
