//! Clients that pull, the scheduler's request, and permissions.

use super::recipient::{ForwardingRecipient, OTHER_SECRET, SECRET, event};
use crate::support::{Memory, TOKEN, call};
use serde_json::{Value, json};

#[test]
fn pending_events_are_returned_until_they_are_acknowledged() {
    let recipient = ForwardingRecipient::new(
        json!([{ "name": "puller", "format": "pull", "secret": SECRET, "external_key": "absent" }]),
    );
    let ids: Vec<_> = (0..5).map(|number| recipient.take(&event(number))).collect();
    recipient.take(&format!("{}&external_key=INC1", event(9)));
    let ask = |method: &str, uri: &str, secret: &str, body: &str| {
        recipient.answer(call(method, uri).header("authorization", format!("Bearer {secret}")).body(body))
    };
    let pending = || {
        let reply = ask("GET", "/api/destinations/puller/pending?limit=3", SECRET, "");
        let events: Vec<Value> = serde_json::from_str(&reply.body).unwrap();
        events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(pending(), ids[..3]);
    assert_eq!(pending(), ids[..3], "the same until it is acknowledged");
    let late = recipient.take(&event(0).replace("session0", "late"));
    let sent =
        |ids: &[String]| ask("POST", "/api/destinations/puller/sent", SECRET, &json!({ "ids": ids }).to_string());
    let unknown = "0".repeat(32);
    assert_eq!(
        sent(&[ids[0].clone(), ids[1].clone(), unknown]).body,
        "{\"sent\":2,\"pending\":5}",
        "one more is not looked at yet"
    );
    assert_eq!(pending(), [late.clone(), ids[2].clone(), ids[3].clone()], "what came late is not missed");
    assert_eq!(sent(&[late, ids[2].clone(), ids[3].clone(), ids[4].clone()]).status, 200);
    assert!(pending().is_empty());
    recipient.pack(0);
    assert_eq!(recipient.loose(), 0);
    for (method, uri) in [("GET", "pending"), ("POST", "sent")] {
        let uri = format!("/api/destinations/puller/{uri}");
        for wrong in [TOKEN, OTHER_SECRET, ""] {
            assert_eq!(ask(method, &uri, wrong, "{\"ids\":[]}").status, 401, "{uri} {wrong}");
        }
        assert_eq!(ask(method, &uri.replace("puller", "other"), SECRET, "{\"ids\":[]}").status, 401);
    }
    for wrong in ["", "x", "{}", "{\"ids\":[1]}", "{\"ids\":[\"x\"]}"] {
        let status = ask("POST", "/api/destinations/puller/sent", SECRET, wrong).status;
        assert_eq!(status, 400, "{wrong}");
    }
}

#[test]
fn with_on_ticks_an_answer_begins_no_delivery_run() {
    let mut recipient = ForwardingRecipient::with_desk();
    recipient.more = vec![("delivery_runs", "on-ticks")];
    let id = recipient.take(&event(1));
    assert!(recipient.ways.ids().is_empty());
    let reply = recipient.answer(call("POST", "/tick").header("authorization", format!("Bearer {TOKEN}")));
    assert_eq!((reply.status, reply.body.as_str()), (200, ""));
    assert_eq!(recipient.ways.ids(), [id]);
}

#[test]
fn authorization_is_checked_first() {
    let recipient = ForwardingRecipient::with_desk();
    for (method, uri) in [
        ("GET", "/api/destinations"),
        ("GET", "/api/destinations/desk/refused"),
        ("POST", "/api/destinations/desk/pause"),
        ("POST", "/api/destinations/desk/resume"),
        ("POST", "/api/destinations/desk/replay?from=2026-01-01&to=2026-01-02"),
        ("POST", "/api/destinations/desk/refused/retry"),
        ("GET", "/tick"),
        ("POST", "/tick?tick_token=not-the-token-of-anyone"),
    ] {
        let reply = recipient.answer(call(method, uri));
        assert_eq!(reply.status, 401, "{uri}: {reply:?}");
    }
    assert_eq!(recipient.api("POST", "/api/destinations/nobody/pause").status, 404);
    assert_eq!(recipient.api("DELETE", "/api/destinations").status, 405);
    assert_eq!(recipient.api("PUT", "/tick").status, 405);
    let closed = call("GET", "/tick").answer(&Memory::default(), crate::support::OPEN);
    assert_eq!(closed.status, 503);
    assert_eq!(recipient.api("POST", "/api/destinations/desk/pause").status, 202);
    recipient.take(&event(1));
    assert!(recipient.ways.ids().is_empty());
}
