//! The effect of each answer, the text that is shown of it, and the timeouts.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::Request;
use outbound_events::forward::destination::{DeliveryMode, Destination};
use outbound_events::forward::outcome::{DeliveryFailure, DeliveryOutcome, SentRequest, wait};
use outbound_events::http_client::HttpClient;
use serde_json::{Value, json};

use super::recipient::{ForwardingRecipient, SECRET, event};
use crate::support::{Rest, Says, ScriptedAnswer, Ways};

/// The outcome of a request to this destination.
fn outcome_at(destination: &Value, says: Says, ways: &Ways) -> DeliveryOutcome {
    let destination = Destination::read_all(&json!([destination]).to_string()).unwrap().remove(0);
    let DeliveryMode::Push(push) = &destination.mode else { panic!("nothing is sent to {destination:?}") };
    ways.say([says]);
    pollster::block_on(async {
        let answer = ways.send(Request::new(Vec::new())).await;
        let sent = SentRequest { push, secrets: &destination.secrets, token: None, events: 1 };
        sent.outcome(ways, answer, ways.now()).await
    })
}

fn outcome(destination: &Value, says: impl Into<Says>) -> DeliveryOutcome {
    outcome_at(destination, says.into(), &Ways::default())
}

fn desk() -> Value {
    json!({ "name": "desk", "url": "https://desk.example/in" })
}

fn failure(destination: &Value, says: impl Into<Says>) -> DeliveryFailure {
    match outcome(destination, says) {
        DeliveryOutcome::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_status_line_decides_regardless_of_the_body() {
    let two = || ScriptedAnswer::new(200).body("ok");
    let cases = [
        ("two bytes of ten, and it hangs", two().header("content-length", "10").then(Rest::Hangs), 1),
        ("nothing, and it hangs", ScriptedAnswer::new(200).then(Rest::Hangs), 1),
        ("chunks without an end", two().then(Rest::NeverEnds), 0),
        ("an event stream that waits", two().header("content-type", "text/event-stream").then(Rest::Hangs), 1),
        ("a reset after the status line", ScriptedAnswer::new(200).header("content-length", "10"), 0),
        ("a large chunk", ScriptedAnswer::new(200).body("x".repeat(1 << 20)).then(Rest::Hangs), 0),
        ("empty chunks without an end", (0..5_000).fold(ScriptedAnswer::new(200), |answer, _| answer.body("")), 0),
        ("all of it", two(), 0),
        ("nothing", ScriptedAnswer::new(204), 0),
    ];
    for (what, answer, seconds) in cases {
        let recipient = ForwardingRecipient::with_desk();
        recipient.ways.say([answer]);
        let began = recipient.ways.now();
        let first = recipient.take(&event(1));
        let took = (recipient.ways.now() - began).num_milliseconds();
        assert!((seconds * 1_000..seconds * 1_000 + 900).contains(&took), "{what}: {took} ms");
        let second = recipient.take(&event(2));
        recipient.tick();
        assert_eq!(recipient.ways.take_ids(), [first, second], "{what}: each once");
        assert_eq!(recipient.status("desk")["state"], "working", "{what}");
        let taken = recipient.ways.taken.get();
        assert!(taken <= 4_096 || what == "a large chunk", "{what}: {taken} bytes");
    }
    // A failure counts before its body ends, too.
    let slow = ScriptedAnswer::new(503).header("retry-after", "7").body("later").then(Rest::Hangs);
    assert_eq!(failure(&desk(), slow).retry_after, Some(Duration::from_secs(7)));
}

#[test]
fn the_beginning_of_an_answer_is_shown() {
    let (long, shown, faces) = ("ä".repeat(5_000), "ä".repeat(200), "\u{1f600}".repeat(200));
    let more_faces = faces.repeat(2);
    let cases: [(&[u8], Option<&str>); 13] = [
        (br#"{"errors":["issue is locked"]}"#, Some(r#"{"errors":["issue is locked"]}"#)),
        (b"<html><body>\r\n\t<h1>No</h1></body></html>\n", Some("<html><body> <h1>No</h1></body></html>")),
        (b"  a\0b\x1b[31mc\x7f\n\n\r\nd  ", Some("a b [31mc d")),
        ("a\u{2028}b\u{202e}c\u{feff}d\u{85}e".as_bytes(), Some("a b c d e")),
        (b"\xffa\xfe", Some("\u{fffd}a\u{fffd}")),
        (long.as_bytes(), Some(&shown)),
        (more_faces.as_bytes(), Some(&faces)),
        (b"one", Some("one")),
        (b"", None),
        (b" \r\n\0\t", None),
        (b"https://desk.example/in", Some("https://desk.example/in")),
        (b"a / b", Some("a / b")),
        (b"in the inbox", Some("in the inbox")),
    ];
    for (body, said) in cases {
        let shown = String::from_utf8_lossy(body);
        let said = said.map(str::to_owned);
        assert_eq!(
            outcome(&desk(), ScriptedAnswer::new(200).body(body)),
            DeliveryOutcome::Delivered { answer: said.clone() },
            "{shown}"
        );
        let after = said.map(|said| format!(": {said}")).unwrap_or_default();
        let refused = DeliveryOutcome::Refused(format!("it answered 400 Bad Request{after}"));
        assert_eq!(outcome(&desk(), ScriptedAnswer::new(400).body(body)), refused, "{shown}");
        let failure = failure(&desk(), ScriptedAnswer::new(500).body(body));
        assert_eq!(failure.reason, format!("it answered 500 Internal Server Error{after}"), "{shown}");
    }
    assert_eq!(failure(&desk(), ScriptedAnswer::new(599)).reason, "it answered 599");
    // The list of refused events and the last error show it.
    let recipient = ForwardingRecipient::with_desk();
    recipient.ways.say([ScriptedAnswer::new(400).body("issue is ").body("locked")]);
    recipient.take(&event(1));
    let list = recipient.api("GET", "/api/destinations/desk/refused").body;
    assert!(list.contains("it answered 400 Bad Request: issue is locked"), "{list}");
    assert_eq!(recipient.status("desk")["last_error"], "it answered 400 Bad Request: issue is locked");
}

#[test]
fn secrets_that_an_answer_repeats_are_hidden() {
    let destination = json!({
        "name": "desk",
        "url": "https://desk.example/services/T0000/B0000/XYZZYxyzzyXYZZYxyzzy?token=PLUGH%20plugh&a=b",
        "secret": SECRET,
        "headers": { "Authorization": "Basic ZnJvYm96ejpwbG92ZXI=", "X-Key": "key/to the=kingdom" },
    });
    let secrets =
        ["XYZZY", "PLUGH", "whsec", "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u", "ZnJv", "plover", "kingdom", "T0000", "B0000"];
    let bodies = [
        "POST /services/T0000/B0000/XYZZYxyzzyXYZZYxyzzy?token=PLUGH%20plugh&a=b",
        "no hook /services/T0000/B0000/XYZZYxyzzyXYZZYxyzzy here",
        r#"{"path":"\/services\/T0000\/B0000\/XYZZYxyzzyXYZZYxyzzy"}"#,
        "no hook XYZZYxyzzyXYZZYxyzzy",
        "query token=PLUGH%20plugh&a=b",
        "no token PLUGH%20plugh",
        "no token PLUGH plugh",
        "Authorization: Basic ZnJvYm96ejpwbG92ZXI=",
        "credentials ZnJvYm96ejpwbG92ZXI= of frobozz:plover",
        "password plover is wrong",
        "x-key: key/to the=kingdom",
        "x-key:\nkey/to\nthe=kingdom",
        r#"{"x-key":"key\/to the=kingdom"}"#,
        "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u",
        "secret MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u",
        "no hook XYZZYxyzzyX",
    ];
    for body in bodies {
        for status in [200, 400, 401, 503] {
            let shown = format!("{:?}", outcome(&destination, ScriptedAnswer::new(status).body(body)));
            let leaked = secrets.iter().find(|secret| shown.contains(*secret));
            assert!(leaked.is_none() && shown.contains('…'), "{status} {body:?}: {shown}");
        }
    }
    // The first 200 characters end within the secret.
    let cut = format!("{}ZnJvYm96ejpwbG92ZXI=", "x".repeat(190));
    let shown = format!("{:?}", outcome(&destination, ScriptedAnswer::new(400).body(cut)));
    assert!(!shown.contains("ZnJv"), "{shown}");
    // The value in the path is the event's. The text around it is secret.
    let templated = json!({
        "name": "desk", "format": "template", "template": "jira", "url":
        "https://desk.example/plughplugh/{{ event.data.external_key }}/comment?key=xyzzy",
    });
    let echo = "no /plughplugh/INC1/comment?key=xyzzy";
    let shown = format!("{:?}", outcome(&templated, ScriptedAnswer::new(404).body(echo)));
    assert!(!shown.contains("plugh") && !shown.contains("xyzzy") && shown.contains("INC1"), "{shown}");
}

#[test]
fn a_misconfigured_destination_fails_with_advice() {
    let with = |field: &str, value: Value| {
        let mut destination = desk();
        destination[field] = value;
        destination
    };
    let key = with("headers", json!({ "Authorization": "Bearer abcdefgh" }));
    let signed = with("secret", json!(SECRET));
    let put = json!({ "name": "desk", "url": "https://desk.example/in", "format": "template",
        "template": { "method": "PUT", "body": "{{ title }}" } });
    let location =
        |status, location: &str| ScriptedAnswer::new(status).header("location", location).body("<a href=/PLUGH>");
    let redirects = |to: &str| format!("it redirects to {to}, and redirects are not followed: correct url");
    let cases = [
        (desk(), location(308, "https://new.example/PLUGH?PLUGH"), redirects("https://new.example")),
        (desk(), location(301, "https://NEW.example:8443/PLUGH"), redirects("https://new.example:8443")),
        (desk(), location(302, "http://desk.example/PLUGH"), redirects("http://desk.example")),
        (desk(), location(303, "https://user:PLUGH@new.example/"), redirects("https://new.example")),
        (desk(), location(307, "//new.example/PLUGH"), redirects("https://new.example")),
        (desk(), location(308, "/PLUGH"), redirects("another path of its own")),
        (desk(), location(308, "PLUGH/PLUGH?PLUGH=https://x.example"), redirects("another path of its own")),
        (desk(), location(308, "?PLUGH"), redirects("another path of its own")),
        (desk(), location(308, ""), redirects("another path of its own")),
        (desk(), location(308, "https://desk.example:443/PLUGH"), redirects("another path of its own")),
        (desk(), location(308, "javascript:PLUGH"), redirects("a missing or invalid Location")),
        (desk(), location(308, "ftp://new.example/PLUGH"), redirects("a missing or invalid Location")),
        (desk(), location(308, "https://new.example:99999/PLUGH"), redirects("a missing or invalid Location")),
        (desk(), location(308, "https://PLUGH PLUGH/"), redirects("a missing or invalid Location")),
        (desk(), location(308, "https://"), redirects("a missing or invalid Location")),
        (desk(), ScriptedAnswer::new(300).body("PLUGH"), redirects("a missing or invalid Location")),
        (desk(), ScriptedAnswer::new(304), redirects("a missing or invalid Location")),
        (desk(), ScriptedAnswer::new(401), "it requires credentials: set auth or headers.Authorization".to_owned()),
        (
            key.clone(),
            ScriptedAnswer::new(401),
            "it does not accept the credentials: correct headers.Authorization".to_owned(),
        ),
        (signed.clone(), ScriptedAnswer::new(401), "it does not accept the credentials: correct secret".to_owned()),
        (
            with("headers", json!({ "X-Key": "abcdefgh" })),
            ScriptedAnswer::new(401),
            "it does not accept the credentials: correct headers".to_owned(),
        ),
        (
            key,
            ScriptedAnswer::new(403),
            "it forbids this request: check url and headers.Authorization, and whether a firewall blocks it".to_owned(),
        ),
        (desk(), ScriptedAnswer::new(405), "it does not accept the method POST: correct url".to_owned()),
        (put, ScriptedAnswer::new(405), "it does not accept the method PUT: correct url or template.method".to_owned()),
        (
            desk(),
            ScriptedAnswer::new(407),
            "a proxy requires credentials: set them where the host's proxy is set (HTTPS_PROXY)".to_owned(),
        ),
    ];
    for (destination, answer, advice) in cases {
        let failure = failure(&destination, answer.clone());
        assert!(failure.reason.ends_with(&format!("; {advice}")), "{answer:?}: {}", failure.reason);
        assert!(!failure.reason.contains("PLUGH"), "{answer:?}: {}", failure.reason);
        assert!(failure.may_be_of_the_event(), "{answer:?}");
    }
    let words = failure(&signed, ScriptedAnswer::new(401).body("signature is too old"));
    assert_eq!(
        words.reason,
        "it answered 401 Unauthorized; it does not accept the credentials: correct secret: signature is too old"
    );
    // It fails at once, and refuses nothing.
    for status in [301, 308, 401, 403, 405, 407] {
        let recipient = ForwardingRecipient::with_desk();
        *recipient.ways.always.borrow_mut() = Says::Status(status);
        let ids: Vec<_> = (0..3).map(|number| recipient.take(&event(number))).collect();
        let shown_status = recipient.status("desk");
        assert_eq!(
            (&shown_status["state"], &shown_status["refused"]),
            (&json!("failing"), &json!(0)),
            "{status}: {shown_status}"
        );
        assert_eq!(recipient.ways.take_ids(), ids[..1], "{status}");
        *recipient.ways.always.borrow_mut() = Says::Status(200);
        recipient.ways.pass_time(Duration::from_secs(6));
        recipient.tick();
        assert_eq!(recipient.ways.take_ids(), ids, "{status}: all of it once that is set right");
    }
}

#[test]
fn retry_after_is_obeyed_in_all_forms() {
    let now: DateTime<Utc> = "2026-11-28T13:43:51Z".parse().unwrap();
    let cases: [(&[&str], Option<u64>); 33] = [
        (&["Sat, 28 Nov 2026 13:44:51 GMT"], Some(60)),
        (&["Saturday, 28-Nov-26 13:44:51 GMT"], Some(60)),
        (&["Sat Nov 28 13:44:51 2026"], Some(60)),
        (&["Tue Dec  1 13:43:51 2026"], Some(259_200)),
        (&[" Sat, 28 Nov 2026 13:44:51 GMT "], Some(60)),
        (&["Sat, 28 Nov 2026 13:00:00 GMT"], Some(0)),
        (&["Sunday, 06-Nov-94 08:49:37 GMT"], Some(0)),
        (&["Fri, 31 Dec 9999 23:59:59 GMT"], Some(251_606_427_368)),
        (&["Sat, 28 Nov 2026 25:44:51 GMT"], None),
        (&["Sat, 31 Feb 2026 13:44:51 GMT"], None),
        (&["Sat, 28 Nov 2026"], None),
        (&["2026-11-28T13:44:51Z"], None),
        (&["77"], Some(77)),
        (&["0"], Some(0)),
        (&["007"], Some(7)),
        (&["1.5"], Some(2)),
        (&["1.000"], Some(1)),
        (&["0.001"], Some(1)),
        (&["99999999999999999999"], Some(u64::MAX)),
        (&["99999999999999999999.5"], Some(u64::MAX)),
        (&["-1"], None),
        (&["+5"], None),
        (&["1e3"], None),
        (&["1."], None),
        (&[".5"], None),
        (&["1.5.5"], None),
        (&["1,5"], None),
        (&["10 s"], None),
        (&["soon"], None),
        (&[""], None),
        (&["soon", "5"], Some(5)),
        (&["5", "Sat, 28 Nov 2026 13:44:51 GMT", "7"], Some(60)),
        (&[], None),
    ];
    for (texts, seconds) in cases {
        let ways = Ways::default();
        ways.time.set(now - TimeDelta::milliseconds(1));
        let answer = texts.iter().fold(ScriptedAnswer::new(503), |answer, text| answer.header("retry-after", *text));
        let DeliveryOutcome::Failed(failure) = outcome_at(&desk(), answer.into(), &ways) else { panic!("{texts:?}") };
        assert_eq!(failure.retry_after.map(|wait| wait.as_secs()), seconds, "{texts:?}");
        let waited = wait(1, failure.retry_after).as_secs();
        assert_eq!(waited, seconds.map_or(5, |seconds| seconds.clamp(1, 86_400)), "{texts:?}");
    }
    for status in [308, 401, 403, 408, 425, 429, 500] {
        let waits = failure(&desk(), Says::Later(status, "9")).retry_after;
        assert_eq!(waits, Some(Duration::from_secs(9)), "{status}");
    }
}

#[test]
fn failures_that_may_be_caused_by_the_event_are_recognised() {
    let cases = [
        (Says::Status(500), true),
        (Says::Status(502), true),
        (Says::Status(403), true),
        (Says::Status(308), true),
        (Says::Status(102), true),
        (Says::Later(500, "soon"), true),
        (Says::Later(500, "5"), false),
        (Says::Later(403, "5"), false),
        (Says::Status(408), false),
        (Says::Status(425), false),
        (Says::Status(429), false),
        (Says::NoConnection, false),
    ];
    for (says, may_be) in cases {
        assert_eq!(failure(&desk(), says.clone()).may_be_of_the_event(), may_be, "{says:?}");
    }
    assert_eq!(failure(&desk(), Says::NoConnection).reason, "nobody is there");
}
