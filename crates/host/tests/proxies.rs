//! The host behind Caddy and nginx with the files of `deploy/`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/proxy.rs"]
mod proxy;
mod support;
#[path = "support/trials.rs"]
mod trials;

#[path = "../../../tests/support/forms.rs"]
mod forms;

use std::net::{Ipv4Addr, Shutdown};
use std::process::ExitCode;

use proxy::{Front, Proxy, Way};
use support::{Connection, GUARDED, Kind, Recipient, Response, TOKEN, numbered};
use trials::{Promise, promises};

const READ: &str = "a-read-token-of-27-letters_";
const READ_TOKENS: &str = "read_tokens=a-read-token-of-27-letters_";
const WITH_TOKEN: &str = "/events/hq?outbound_event_token=a-token-of-24-characters";

/// An address outside the allowed networks.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Tests for both.
const PROMISES: &[Promise<fn(Front)>] = promises![
    all_seven_events_arrive_on_one_connection_and_repeats_are_duplicates,
    no_log_contains_a_token,
    a_request_for_another_host_is_answered_by_the_recipient_or_refused,
    clients_outside_the_networks_reach_only_events,
    the_host_logs_the_real_client_address,
    a_stalled_body_is_answered_408,
];

/// Tests for nginx only: Caddy without modules has no limits.
const OF_NGINX: &[Promise<fn(Front)>] = promises![the_limit_of_requests_applies_per_address];

fn main() -> ExitCode {
    let every =
        Front::ALL.into_iter().flat_map(|front| trials::for_each_test(front, front.name(), front.missing(), PROMISES));
    let nginx = Front::Nginx;
    trials::run(every.chain(trials::for_each_test(nginx, nginx.name(), nginx.missing(), OF_NGINX)))
}

fn assert_accepted(response: &Response, result: &str) {
    assert_eq!((response.status, response.result()), (200, result), "{response:?}");
    assert_eq!(response.header("content-length"), "0", "{response:?}");
    assert_eq!(response.header("transfer-encoding"), "", "{response:?}");
}

fn all_seven_events_arrive_on_one_connection_and_repeats_are_duplicates(front: Front) {
    let recipient = Recipient::start(Kind::Host, &[GUARDED]);
    let proxy = Proxy::start(front, recipient.address);
    let way = Way::through(&proxy);
    let mut connection = way.connect();
    for (_, form) in forms::seven() {
        let stored = connection.post(WITH_TOKEN, &form);
        assert_accepted(&stored, "stored");
        let duplicate = connection.post(WITH_TOKEN, &form);
        assert_accepted(&duplicate, "duplicate");
        assert_eq!(stored.header("event-id"), duplicate.header("event-id"));
    }
    assert_eq!(recipient.stored().len(), 7);
}

fn no_log_contains_a_token(front: Front) {
    let recipient = Recipient::start(Kind::Host, &[GUARDED]);
    let mut proxy = Proxy::start(front, recipient.address);
    let (way, elsewhere) = (Way::through(&proxy), Way::from(ELSEWHERE.into(), &proxy));
    let mut statuses = Vec::new();
    let mut answered = |response: std::io::Result<Response>| {
        statuses.extend(response.map(|response| response.status.to_string()));
    };
    // Stored, unknown, mistyped, too large, from outside the allowed networks.
    answered(Ok(way.connect().post(WITH_TOKEN, numbered(1))));
    answered(Ok(way.connect().post(&format!("/events?outbound_event_token={TOKEN}x"), numbered(1))));
    for path in ["/events&outbound_event_token=", "/events/%20", "/events/hq%3Foutbound_event_token=", "/nothing?"] {
        answered(Ok(way.connect().post(&format!("{path}{TOKEN}"), numbered(1))));
        answered(Ok(elsewhere.connect().post(&format!("{path}{TOKEN}"), numbered(1))));
    }
    answered(way.connect().try_post(WITH_TOKEN, vec![b'x'; 1 << 20]));
    // In headers, and in invalid requests.
    let heads = [
        format!("POST /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}x\r\nContent-Length: 0\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: x\r\nReferer: https://x{WITH_TOKEN}\r\nUser-Agent: {TOKEN}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: x\r\nCookie: {TOKEN}\r\nX-Forwarded-For: {TOKEN}\r\n\r\n"),
        format!("POST {WITH_TOKEN} HTTP/1.1\r\n\r\n"),
        format!("POST {WITH_TOKEN} HTTP/1.1\r\nHost: x\r\nHost: {TOKEN}\r\nContent-Length: 0\r\n\r\n"),
        format!("POST {WITH_TOKEN} HTTP/1.1\r\nHost: x\r\nContent-Length: {TOKEN}\r\n\r\n"),
        format!("POST {WITH_TOKEN} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: {TOKEN}\r\n\r\n"),
        format!("POST {WITH_TOKEN} HTTP/1.1\r\nHost: x\r\n{TOKEN}\r\n\r\n"),
        format!("POST {WITH_TOKEN} HTTP/9.1\r\nHost: x\r\n\r\n"),
        format!("POST {WITH_TOKEN}\0 HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("POST {WITH_TOKEN} and more HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("BREW {WITH_TOKEN} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("POST https://{TOKEN}:x{WITH_TOKEN} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("POST {WITH_TOKEN}&q={} HTTP/1.1\r\nHost: x\r\n\r\n", "q".repeat(64 * 1024)),
        format!("POST {WITH_TOKEN} HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "h".repeat(64 * 1024)),
    ];
    for head in heads {
        let mut connection = way.connect();
        let _ = connection.try_send(head);
        answered(connection.try_receive());
    }
    // Plain HTTP on the TLS port.
    let mut plain = Connection::open(proxy.address);
    plain.send(format!("POST {WITH_TOKEN} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"));
    answered(plain.try_receive());
    // A body that breaks off, and a malformed one.
    for rest in ["Content-Length: 4000\r\n\r\nevent=", "Transfer-Encoding: chunked\r\n\r\nno-length\r\n"] {
        let mut connection = way.connect();
        connection.send(format!("POST {WITH_TOKEN} HTTP/1.1\r\nHost: x\r\n{rest}"));
        connection.stream().shutdown(Shutdown::Write).unwrap();
        answered(connection.try_receive());
    }
    let log = recipient.log();
    drop(recipient);
    // To a host that is down.
    assert_eq!(way.connect().post(WITH_TOKEN, numbered(2)).status, 502);
    let logs = proxy.logs_to_the_end();
    assert!(!log.contains(TOKEN), "the host's log holds the token: {log}");
    for (file, text) in &logs {
        assert!(!text.contains(TOKEN), "{file} holds the token: {text}");
    }
    // The requests are in the log.
    let text: String = logs.into_iter().map(|(_, text)| text).collect();
    for status in ["200", "401", "404", "413", "502"] {
        assert!(statuses.iter().any(|answered| answered == status) || status == "502", "{status}: {statuses:?}");
        assert!(text.contains(&format!("status={status}")) || text.contains(&format!("\"status\":{status}")), "{text}");
    }
}

fn a_request_for_another_host_is_answered_by_the_recipient_or_refused(front: Front) {
    let recipient = Recipient::start(Kind::Host, &[GUARDED]);
    let proxy = Proxy::start(front, recipient.address);
    let way = Way::through(&proxy);
    for (n, host) in
        ["other.example.com", "127.0.0.1", "127.0.0.1:1", "", "events.example.com."].into_iter().enumerate()
    {
        let (mut connection, body) = (way.connect(), numbered(n));
        let head = format!("POST {WITH_TOKEN} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n", body.len());
        connection.send(head + &body);
        let response = connection.receive();
        assert!(response.status >= 400 || response.result() == "stored", "{host:?}: {response:?}");
    }
}

fn clients_outside_the_networks_reach_only_events(front: Front) {
    let recipient = Recipient::start(Kind::Host, &[GUARDED, READ_TOKENS]);
    let proxy = Proxy::start(front, recipient.address);
    let (way, elsewhere) = (Way::through(&proxy), Way::from(ELSEWHERE.into(), &proxy));
    let status = |way: &Way, path: &str| {
        let mut connection = way.connect();
        connection.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {READ}\r\n\r\n"));
        connection.receive().status
    };
    for path in ["/", "/health", "/api/sessions", "/api/stats", "/openapi.yaml"] {
        assert_eq!((status(&way, path), status(&elsewhere, path)), (200, 403), "{path}");
    }
    // A path that the proxy counts as one of events must not be another one for the host.
    for path in [
        "//api/sessions",
        "/events/../api/sessions",
        "/events/%2e%2e/api/sessions",
        "/events/..%2fapi/sessions",
        "/api/sessions/../../events",
        "/api/sessions/%2e%2e/%2e%2e/events",
        "/api/sessions/..%2f..%2f..%2f/events/hq",
        "/api/events/..%2f..%2f..%2fevents%2fhq",
        "/EVENTS/../api/sessions",
    ] {
        assert!((400..500).contains(&status(&elsewhere, path)), "{path}");
    }
    assert_accepted(&elsewhere.connect().post(WITH_TOKEN, numbered(1)), "stored");
    assert_accepted(&elsewhere.connect().post(&WITH_TOKEN.replace("/hq", ""), numbered(1)), "stored");
}

fn the_host_logs_the_real_client_address(front: Front) {
    let recipient = Recipient::start_host(&[GUARDED], |mut host| {
        host.args(["--trust-forwarded", "127.0.0.1"]);
        host
    });
    let proxy = Proxy::start(front, recipient.address);
    let elsewhere = Way::from(ELSEWHERE.into(), &proxy);
    let mut connection = elsewhere.connect();
    let (claims, body) = ("X-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.1", numbered(1));
    connection.send(format!(
        "POST {WITH_TOKEN} HTTP/1.1\r\nHost: x\r\n{claims}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert_accepted(&connection.receive(), "stored");
    let log = recipient.log();
    let client = format!("client={ELSEWHERE}");
    assert!(log.lines().any(|line| line.contains("path=/events/hq") && line.contains(&client)), "{log}");
    assert!(!log.contains("192.0.2.1"), "{log}");
}

fn a_stalled_body_is_answered_408(front: Front) {
    let recipient = Recipient::start(Kind::Host, &[GUARDED]);
    let proxy = Proxy::start(front, recipient.address);
    let way = Way::through(&proxy);
    let mut connection = way.connect();
    connection.send(format!("POST {WITH_TOKEN} HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\nevent="));
    assert_eq!(connection.receive().status, 408);
    assert!(recipient.stored().is_empty());
}

fn the_limit_of_requests_applies_per_address(front: Front) {
    let recipient = Recipient::start(Kind::Host, &[GUARDED]);
    let proxy = Proxy::start(front, recipient.address);
    let (way, elsewhere) = (Way::through(&proxy), Way::from(ELSEWHERE.into(), &proxy));
    let begin = || {
        let mut connection = elsewhere.connect();
        // With a token: otherwise the recipient refuses the request without waiting for the body.
        connection.send(format!(
            "POST {WITH_TOKEN} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4000\r\n\r\n"
        ));
        let status = connection.receive().status;
        (connection, status)
    };
    // A request counts once its body is requested.
    let held: Vec<_> = (0..32).map(|_| begin()).collect();
    assert!(held.iter().all(|(_, status)| *status == 100), "{:?}", held.iter().map(|held| held.1).collect::<Vec<_>>());
    assert_eq!(begin().1, 429);
    assert_accepted(&way.connect().post(WITH_TOKEN, numbered(1)), "stored");
}
