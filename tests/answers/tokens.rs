//! Requests with and without a token.

use super::harness::{WITH_TOKEN, assert_accepted, assert_refused};
use crate::support::{BEGIN, Call, GUARDED, Memory, OPEN, TOKEN, post};
use outbound_events::settings::Settings;

#[test]
fn a_token_is_accepted_in_the_url_and_in_a_header() {
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
fn each_of_several_tokens_is_accepted() {
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
fn without_a_token_the_body_is_not_read() {
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
fn tokens_are_required_even_with_ingest_open() {
    let both = [("ingest_tokens", TOKEN), ("ingest_open", "true")];
    let store = Memory::default();
    assert_refused("without a token", &post("/").body(BEGIN).answer(&store, &both), 401, &store);
}

#[test]
fn an_unauthenticated_client_gets_every_problem_and_stores_nothing() {
    let store = Memory::default();
    let reply = post("/events").body("event=support_conference_begin&lsid=x").answer(&store, OPEN);
    assert_refused("an invalid event", &reply, 400, &store);
    assert_eq!(reply.at_fault(), ["version", "timestamp"]);
}

#[test]
fn an_unauthenticated_client_must_send_forms() {
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
fn no_token_is_ever_shown() {
    let store = Memory::default();
    let reject = [("ingest_tokens", TOKEN), ("invalid_events", "reject")];
    let body = format!("event={TOKEN}&version={TOKEN}&timestamp={TOKEN}&lsid=+{TOKEN}&type={TOKEN}&x={TOKEN}%");
    let reply = post(WITH_TOKEN).body(body).answer(&store, &reject);
    assert_eq!(reply.at_fault(), ["x", "event", "timestamp", "lsid"]);
    let settings = Settings::from_variables(|name| {
        Ok(GUARDED.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
    });
    assert!(!format!("{settings:?}").contains(TOKEN));
    assert!(!format!("{reply:?}").contains(TOKEN));
}
