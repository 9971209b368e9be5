//! How requests show who sends them: `auth` with its three forms, access tokens, and that nobody sees them.

use std::time::Duration;

use super::recipient::{ForwardingRecipient, event};
use crate::support::{Rest, Says, ScriptedAnswer};
use serde_json::{Value, json};

const SECRET: &str = "s3cret/ä+:%&=";
const ENCODED_SECRET: &str = "s3cret%2F%C3%A4%2B%3A%25%26%3D";

fn with_auth(auth: &Value) -> ForwardingRecipient {
    ForwardingRecipient::new(json!([{ "name": "desk", "url": "https://desk.example/in", "auth": auth }]))
}

fn with_oauth(more: &Value) -> ForwardingRecipient {
    let mut oauth = json!({
        "token_url": "https://login.example/tenant/token?v=2", "client_id": "a client", "client_secret": SECRET,
    });
    oauth.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    with_auth(&json!({ "oauth2": oauth }))
}

fn token(text: &str) -> Says {
    ScriptedAnswer::new(200)
        .body(json!({ "access_token": text, "token_type": "Bearer", "expires_in": 3599 }).to_string())
        .into()
}

/// Each request: its URL, and the given header.
fn sent(recipient: &ForwardingRecipient, header: &str) -> Vec<(String, String)> {
    let requests = std::mem::take(&mut *recipient.ways.got.borrow_mut());
    let header = |request: &http::Request<Vec<u8>>| {
        let value = request.headers().get(header).map(|value| value.to_str().unwrap().to_owned());
        (request.uri().to_string(), value.unwrap_or_default())
    };
    requests.iter().map(header).collect()
}

const DESK: &str = "https://desk.example/in";
const LOGIN: &str = "https://login.example/tenant/token?v=2";

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(url, value)| ((*url).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn basic_and_bearer_are_headers() {
    let cases = [
        (json!({ "basic": { "username": "jürgen", "password": "p:w" } }), "Basic asO8cmdlbjpwOnc="),
        (json!({ "bearer": "abc.DEF-~+/=" }), "Bearer abc.DEF-~+/="),
    ];
    for (auth, expected) in cases {
        let recipient = with_auth(&auth);
        recipient.take(&event(1));
        assert!(recipient.ways.got.borrow()[0].headers()["authorization"].is_sensitive());
        assert_eq!(sent(&recipient, "authorization"), pairs(&[(DESK, expected)]));
    }
}

#[test]
fn a_run_gets_one_token_for_all_its_events() {
    let recipient = with_oauth(&json!({ "scope": "https://x.example/.default", "audience": "urn:desk" }));
    (0..3).for_each(|number| _ = recipient.take_and_die(&event(number)));
    recipient.ways.say([token("T-1")]);
    recipient.tick();
    {
        let requests = recipient.ways.got.borrow();
        let form = String::from_utf8(requests[0].body().clone()).unwrap();
        assert_eq!(
            form,
            format!(
                "grant_type=client_credentials&scope=https%3A%2F%2Fx.example%2F.default&audience=urn%3Adesk\
                 &client_id=a+client&client_secret={ENCODED_SECRET}"
            )
        );
        assert_eq!(requests[0].headers()["content-type"], "application/x-www-form-urlencoded");
        assert!(!requests[0].headers().contains_key("cache-control"), "a kept token is welcome");
        assert!(requests[1].headers()["authorization"].is_sensitive());
    }
    let bearer = (DESK, "Bearer T-1");
    assert_eq!(sent(&recipient, "authorization"), pairs(&[(LOGIN, ""), bearer, bearer, bearer]));
    // The next run gets its own: nothing is stored.
    let stored: Vec<_> =
        recipient.store.values.borrow().values().map(|value| String::from_utf8_lossy(value).into_owned()).collect();
    assert!(stored.iter().all(|value| !value.contains("T-1") && !value.contains("s3cret")));
    recipient.ways.say([token("T-2")]);
    recipient.take(&event(5));
    assert_eq!(sent(&recipient, "authorization"), pairs(&[(LOGIN, ""), (DESK, "Bearer T-2")]));
}

#[test]
fn credentials_can_be_in_the_header() {
    let recipient = with_oauth(&json!({ "credentials_in": "header" }));
    recipient.ways.say([token("T")]);
    recipient.take(&event(1));
    assert_eq!(recipient.ways.got.borrow()[0].body(), b"grant_type=client_credentials");
    // RFC 6749, 2.3.1: both are encoded before they are joined.
    let basic = base64(&format!("a+client:{ENCODED_SECRET}"));
    assert_eq!(sent(&recipient, "authorization")[0], (LOGIN.to_owned(), format!("Basic {basic}")));
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// A server may forget a token before it expires. A kept one must not be used again then.
#[test]
fn a_rejected_token_is_replaced_once() {
    let recipient = with_oauth(&json!({}));
    (0..2).for_each(|number| _ = recipient.take_and_die(&event(number)));
    recipient.ways.say([token("old"), Says::Status(200), Says::Status(401), token("new"), Says::Status(200)]);
    recipient.tick();
    let cache = sent(&recipient, "cache-control");
    assert_eq!(cache, pairs(&[(LOGIN, ""), (DESK, ""), (DESK, ""), (LOGIN, "no-cache"), (DESK, "")]));
    assert_eq!(recipient.status("desk")["pending"], 0);
    // If the new one is rejected too, the destination is set up wrongly: no endless loop.
    recipient.ways.say([token("a"), Says::Status(401), token("b"), Says::Status(401)]);
    recipient.take(&event(5));
    assert_eq!(sent(&recipient, "authorization").len(), 4);
    let status = recipient.status("desk");
    assert_eq!((&status["state"], &status["refused"]), (&json!("failing"), &json!(0)));
    assert!(status["last_error"].as_str().unwrap().contains("correct auth.oauth2"), "{status}");
}

#[test]
fn without_a_token_nothing_is_sent_and_the_reason_is_known() {
    let said = |status: u16, body: &str| Says::from(ScriptedAnswer::new(status).body(body));
    let cases = [
        (
            said(401, r#"{"error":"invalid_client"}"#),
            "401 Unauthorized; correct auth.oauth2.client_id and client_secret",
        ),
        (
            said(400, r#"{"error":"invalid_client"}"#),
            "400 Bad Request; correct auth.oauth2.client_id and client_secret",
        ),
        (
            said(400, r#"{"error":"invalid_scope"}"#),
            "400 Bad Request; correct auth.oauth2: {\"error\":\"invalid_scope\"}",
        ),
        (said(404, "no such tenant"), "404 Not Found; correct auth.oauth2: no such tenant"),
        (said(302, ""), "302 Found; correct auth.oauth2"),
        (said(500, "oops"), "500 Internal Server Error: oops"),
        (said(200, "<html>sign in</html>"), "200 OK without one; correct auth.oauth2.token_url"),
        (said(200, r#"{"access_token":"line\nbreak"}"#), "200 OK without one"),
        (said(200, r#"{"access_token":""}"#), "200 OK without one"),
        (ScriptedAnswer::new(200).body("{\"access_token\"").then(Rest::Hangs).into(), "200 OK without one"),
        (Says::NoConnection, "nobody is there"),
        (Says::Hangs, "it did not answer within 5 s"),
    ];
    for (says, reason) in cases {
        let recipient = with_oauth(&json!({}));
        recipient.ways.say([says.clone()]);
        recipient.take(&event(1));
        assert_eq!(sent(&recipient, "authorization"), pairs(&[(LOGIN, "")]), "{says:?}");
        let status = recipient.status("desk");
        let error = status["last_error"].as_str().unwrap();
        assert!(error.starts_with("no access token from https://login.example: ") && error.contains(reason), "{error}");
        assert_eq!(
            (&status["state"], &status["pending"], &status["refused"]),
            (&json!("failing"), &json!(1), &json!(0))
        );
        // However often it fails, no event is to blame.
        for _ in 0..8 {
            recipient.ways.pass_time(Duration::from_secs(4_000));
            recipient.ways.say([says.clone()]);
            recipient.tick();
        }
        assert!(sent(&recipient, "authorization").iter().all(|(url, _)| url == LOGIN), "{says:?}");
        assert_eq!(recipient.status("desk")["refused"], 0, "{says:?}");
    }
}

/// What a server says of the token's life is not ours to judge, and concerns the host alone.
#[test]
fn an_odd_life_of_a_token_does_not_make_it_useless() {
    for life in ["3599.0", "-1", "null", "\"soon\"", "[]", "1e30"] {
        let recipient = with_oauth(&json!({}));
        let body = format!(r#"{{"access_token":"T","expires_in":{life}}}"#);
        recipient.ways.say([ScriptedAnswer::new(200).body(body)]);
        recipient.take(&event(1));
        assert_eq!(sent(&recipient, "authorization"), pairs(&[(LOGIN, ""), (DESK, "Bearer T")]), "{life}");
    }
}

#[test]
fn a_token_endpoint_that_asks_to_wait_is_obeyed() {
    let recipient = with_oauth(&json!({}));
    recipient.ways.say([Says::Later(429, "120")]);
    recipient.take(&event(1));
    recipient.ways.pass_time(Duration::from_secs(110));
    recipient.tick();
    assert_eq!(sent(&recipient, "authorization").len(), 1);
    recipient.ways.pass_time(Duration::from_secs(20));
    recipient.ways.say([token("T")]);
    recipient.tick();
    assert_eq!(recipient.status("desk")["pending"], 0);
}

/// A token counts as a request. With fewer than four an hour nothing would be delivered, or no token replaced.
#[test]
fn a_token_is_a_request_of_the_hour() {
    for (allowed, expected) in [("1", 4), ("4", 4), ("5", 5)] {
        let mut recipient = with_oauth(&json!({}));
        recipient.more = vec![("max_requests_per_hour", allowed)];
        (0..5).for_each(|number| _ = recipient.take_and_die(&event(number)));
        recipient.ways.say([token("T")]);
        recipient.tick();
        assert_eq!(sent(&recipient, "authorization").len(), expected, "{allowed} an hour");
    }
}

/// A receiver, or a token endpoint, may repeat what it was sent.
#[test]
fn no_answer_shows_a_secret() {
    let basic = base64(&format!("a client:{SECRET}"));
    let echo = format!("you sent {SECRET}, {ENCODED_SECRET}, {basic}");
    let echo_of_token = format!("{echo}, T-0123456789");
    let (oauth, username) =
        (with_oauth(&json!({})), json!({ "basic": { "username": "jane", "password": "pass-word" } }));
    let credentials = base64("jane:pass-word");
    let cases = [
        (oauth, vec![token("T-0123456789"), ScriptedAnswer::new(503).body(&echo_of_token).into()]),
        (with_oauth(&json!({})), vec![token("T-0123456789"), ScriptedAnswer::new(200).body(&echo_of_token).into()]),
        (with_oauth(&json!({})), vec![ScriptedAnswer::new(400).body(&echo).into()]),
        (
            with_auth(&username),
            vec![ScriptedAnswer::new(401).body(format!("you sent {credentials}, pass-word")).into()],
        ),
        (
            with_auth(&json!({ "bearer": "T-0123456789" })),
            vec![ScriptedAnswer::new(401).body("you sent T-0123456789").into()],
        ),
    ];
    for (recipient, says) in cases {
        recipient.ways.say(says);
        recipient.take(&event(1));
        let status = recipient.status("desk").to_string();
        assert!(status.contains("you sent"), "{status}");
        for secret in ["0123456789", "s3cret", ENCODED_SECRET, &basic, &credentials, "pass-word"] {
            assert!(!status.contains(secret), "{secret}: {status}");
        }
    }
}
