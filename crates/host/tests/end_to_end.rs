//! The recipient from the view of an appliance: over real sockets, with a real store, on every host, and behind a
//! proxy. Tests that cannot run here are reported as skipped, with the reason.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../../tests/support/forms.rs"]
mod forms;
#[path = "support/proxy.rs"]
mod proxy;
mod support;
#[path = "support/trials.rs"]
mod trials;

use std::collections::BTreeSet;
use std::io::ErrorKind::{ConnectionReset, UnexpectedEof};
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::time::Duration;

use proxy::{Front, Proxy, Way};
use support::{Connection, GUARDED, Kind, OPEN, Recipient, Response, TOKEN, numbered};
use trials::{Promise, promises};

/// A target of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Recipient(Kind),
    /// Our host, over https.
    Behind(Front),
}

/// Tests for every target.
const PROMISES: &[Promise<fn(End)>] = promises![
    all_seven_events_arrive_and_repeats_are_duplicates,
    events_outlive_the_recipient,
    the_token_decides,
    a_body_in_chunks_is_one_body,
    a_client_that_expects_100_continue_gets_it,
    a_large_body_is_refused_before_it_is_sent,
    seven_hundred_megabytes_of_chunks_are_refused_and_take_no_memory,
    a_body_that_breaks_off_leaves_nothing,
    a_hundred_overlapping_repeats_make_one_key_that_a_later_one_does_not_change,
    every_event_that_was_answered_200_is_there_after_a_kill,
    hostile_requests_stop_nothing,
    health_and_problems_reach_the_wire,
    health_answers_get_and_head,
];

/// Tests for every host, without a proxy.
const OF_RECIPIENTS: &[Promise<fn(Kind)>] = promises![a_setting_that_does_not_parse_is_named];

fn main() -> ExitCode {
    let recipients = Kind::ALL.into_iter().flat_map(|kind| {
        let (name, missing) = (kind.name(), kind.missing());
        let all = trials::for_each_test(End::Recipient(kind), name, missing.clone(), PROMISES);
        all.into_iter().chain(trials::for_each_test(kind, name, missing, OF_RECIPIENTS))
    });
    let behind = Front::ALL
        .into_iter()
        .flat_map(|front| trials::for_each_test(End::Behind(front), front.name(), front.missing(), PROMISES));
    trials::run(recipients.chain(behind))
}

/// A recipient and the proxy in front of it.
struct Reached {
    recipient: Recipient,
    front: Option<(Proxy, Way)>,
}

impl Reached {
    fn start(end: End, variables: &[&str]) -> Self {
        match end {
            End::Recipient(kind) => Self { recipient: Recipient::start(kind, variables), front: None },
            End::Behind(front) => Self::behind(front, Recipient::start(Kind::Host, variables)),
        }
    }

    fn behind(front: Front, recipient: Recipient) -> Self {
        let proxy = Proxy::start(front, recipient.address);
        let way = Way::through(&proxy);
        Self { recipient, front: Some((proxy, way)) }
    }

    /// Kills the recipient and restarts it at another address. The proxy gets the new address.
    fn kill_and_restart(self) -> Self {
        let recipient = self.recipient.kill_and_restart();
        match self.front {
            Some((proxy, _)) => Self::behind(proxy.front, recipient),
            None => Self { recipient, front: None },
        }
    }

    fn connect(&self) -> Connection {
        self.front.as_ref().map_or_else(|| self.recipient.connect(), |(_, way)| way.connect())
    }

    fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Response {
        self.connect().post(path, body)
    }
}

fn assert_accepted(response: &Response, result: &str) {
    assert_eq!((response.status, response.result()), (200, result), "{response:?}");
    assert_eq!(response.header("content-length"), "0");
    assert_eq!(response.header("transfer-encoding"), "");
}

/// The final answer. Caddy sends a 100 of its own and also forwards that of the recipient.
fn receive(end: End, connection: &mut Connection) -> Response {
    loop {
        let response = connection.receive();
        if end != End::Behind(Front::Caddy) || response.status != 100 {
            return response;
        }
    }
}

fn all_seven_events_arrive_and_repeats_are_duplicates(end: End) {
    let reached = Reached::start(end, &[OPEN]);
    let mut connection = reached.connect();
    for (_, form) in forms::seven() {
        let stored = connection.post("/events/hq", &form);
        assert_accepted(&stored, "stored");
        let duplicate = connection.post("/events/hq", &form);
        assert_accepted(&duplicate, "duplicate");
        assert_eq!(stored.header("event-id"), duplicate.header("event-id"));
    }
    let stored = reached.recipient.stored();
    assert_eq!(stored.len(), 7);
    for (key, value) in stored {
        let record: serde_json::Value = serde_json::from_slice(&value).unwrap();
        assert_eq!(record["specversion"], "1.0");
        assert_eq!(record["source"], "/beyondtrust/hq");
        assert!(key.ends_with(record["id"].as_str().unwrap()), "{key}");
    }
}

fn events_outlive_the_recipient(end: End) {
    let reached = Reached::start(end, &[OPEN]);
    assert_accepted(&reached.post("/", numbered(1)), "stored");
    let reached = reached.kill_and_restart();
    assert_accepted(&reached.post("/", numbered(1)), "duplicate");
}

fn the_token_decides(end: End) {
    let reached = Reached::start(end, &[GUARDED]);
    let with_token = format!("/events?outbound_event_token={TOKEN}");
    assert_eq!(reached.post("/events", numbered(1)).status, 401);
    assert_accepted(&reached.post(&with_token, numbered(1)), "stored");
    let invalid = "event=support_conference_begin&lsid=x";
    assert_eq!(reached.post("/events", invalid).status, 401);
    assert_accepted(&reached.post(&with_token, invalid), "set-aside");
    let mut connection = reached.connect();
    connection.send(format!(
        "POST /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 1\r\n\r\n\0"
    ));
    assert_accepted(&connection.receive(), "set-aside");
    assert_eq!(reached.recipient.stored().len(), 3);
}

fn a_body_in_chunks_is_one_body(end: End) {
    let reached = Reached::start(end, &[OPEN]);
    let mut connection = reached.connect();
    connection.send("POST /events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for chunk in numbered(1).as_bytes().chunks(7) {
        connection.send(format!("{:x}\r\n{}\r\n", chunk.len(), std::str::from_utf8(chunk).unwrap()));
    }
    connection.send("0\r\n\r\n");
    assert_accepted(&connection.receive(), "stored");
    assert_accepted(&connection.post("/events", numbered(1)), "duplicate");
}

fn a_client_that_expects_100_continue_gets_it(end: End) {
    let reached = Reached::start(end, &[OPEN]);
    let mut connection = reached.connect();
    let (body, head) = (numbered(1), "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length:");
    connection.send(format!("{head} {}\r\n\r\n", body.len()));
    assert_eq!(connection.receive().status, 100);
    connection.send(&body);
    assert_accepted(&receive(end, &mut connection), "stored");
}

fn a_large_body_is_refused_before_it_is_sent(end: End) {
    let reached = Reached::start(end, &[OPEN]);
    // Also a length of more than 32 bits, the size of the component's own numbers.
    for length in ["700000000", "5000000000"] {
        let mut connection = reached.connect();
        let head = "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length:";
        connection.send(format!("{head} {length}\r\n\r\n"));
        let refused = receive(end, &mut connection);
        assert_eq!(refused.status, 413, "{length}: {refused:?}");
    }
}

fn seven_hundred_megabytes_of_chunks_are_refused_and_take_no_memory(end: End) {
    let reached = Reached::start(end, &[OPEN]);
    assert_accepted(&reached.post("/", numbered(1)), "stored");
    let before = reached.recipient.peak_memory();
    let mut connection = reached.connect();
    let mut sender = connection.stream().try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        let chunk = [b"100000\r\n".as_slice(), &vec![b'x'; 1 << 20], b"\r\n"].concat();
        sender.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        (0..700).try_for_each(|_| sender.write_all(&chunk))
    });
    let refused = connection.receive();
    assert_eq!(refused.status, 413, "{refused:?}");
    assert!(connection.is_at_its_end(), "nothing more is taken on this connection");
    let _ = sending.join().unwrap();
    if let (Some(before), Some(after)) = (before, reached.recipient.peak_memory()) {
        let grown = after - before;
        assert!(grown < 64 << 20, "{end:?} grew by {grown} bytes");
    }
    assert_accepted(&reached.post("/", numbered(2)), "stored");
    assert_eq!(reached.recipient.stored().len(), 2);
}

fn a_body_that_breaks_off_leaves_nothing(end: End) {
    let heads = ["Content-Length: 4000", "Transfer-Encoding: chunked"];
    let reached = Reached::start(end, &[GUARDED]);
    for head in heads {
        let mut connection = reached.connect();
        let uri = format!("/events?outbound_event_token={TOKEN}");
        connection.send(format!("POST {uri} HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n64\r\n{}", numbered(1)));
        connection.stream().shutdown(Shutdown::Write).unwrap();
        // Any answer must not be 200.
        assert!(connection.try_receive().map_or(true, |response| response.status >= 400));
    }
    let mut gone = reached.connect();
    let uri = format!("/events?outbound_event_token={TOKEN}");
    gone.send(format!("POST {uri} HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\nevent="));
    drop(gone);
    let whole = reached.post(&format!("/?outbound_event_token={TOKEN}"), numbered(9));
    assert_accepted(&whole, "stored");
    assert_eq!(reached.recipient.stored().len(), 1);
}

fn a_hundred_overlapping_repeats_make_one_key_that_a_later_one_does_not_change(end: End) {
    let reached = Reached::start(end, &[OPEN]);
    // The file for nginx limits the requests of an address to this number.
    let senders = if end == End::Behind(Front::Nginx) { 32 } else { 100 };
    let together = Barrier::new(senders);
    std::thread::scope(|scope| {
        for _ in 0..senders {
            let mut connection = reached.connect();
            let together = &together;
            scope.spawn(move || {
                together.wait();
                let response = connection.post("/", numbered(1));
                assert_eq!(response.status, 200, "{response:?}");
            });
        }
    });
    let stored = reached.recipient.stored();
    assert_eq!(stored.len(), 1);
    assert_accepted(&reached.post("/", numbered(1)), "duplicate");
    assert_eq!(reached.recipient.stored(), stored);
}

fn every_event_that_was_answered_200_is_there_after_a_kill(end: End) {
    const SENDERS: usize = 8;
    let reached = Reached::start(end, &[OPEN]);
    let acknowledged = Mutex::new(BTreeSet::new());
    let (count, killed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let reached = std::thread::scope(|scope| {
        let mut senders = Vec::new();
        for sender in 0..SENDERS {
            let mut connection = reached.connect();
            let (acknowledged, count, killed) = (&acknowledged, &count, &killed);
            senders.push(scope.spawn(move || {
                for n in 0.. {
                    let Ok(response) = connection.try_post("/", numbered(n * SENDERS + sender)) else { break };
                    // The proxy answers while the recipient is down.
                    if matches!(end, End::Behind(_)) && response.status == 502 {
                        break;
                    }
                    assert_accepted(&response, "stored");
                    acknowledged.lock().unwrap().insert(response.header("event-id").to_owned());
                    count.fetch_add(1, Ordering::SeqCst);
                }
                assert!(killed.load(Ordering::SeqCst), "the connection ended before the kill");
            }));
        }
        // Kills the recipient in the middle: by count, not by time.
        while count.load(Ordering::SeqCst) < 300 && !senders.iter().any(|sender| sender.is_finished()) {
            std::thread::sleep(Duration::from_millis(1));
        }
        killed.store(true, Ordering::SeqCst);
        reached.kill_and_restart()
    });
    let stored: Vec<_> = reached.recipient.stored().into_iter().map(|(key, _)| key).collect();
    let ids: BTreeSet<_> = stored.iter().map(|key| key.rsplit('.').next().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), stored.len(), "an event is there twice");
    let acknowledged = acknowledged.into_inner().unwrap();
    let missing: Vec<_> = acknowledged.difference(&ids).collect();
    assert!(missing.is_empty(), "{} of {} are missing", missing.len(), acknowledged.len());
    assert_accepted(&reached.post("/", numbered(0)), "duplicate");
}

fn hostile_requests_stop_nothing(end: End) {
    let reached = Reached::start(end, &[GUARDED]);
    let uri = format!("/events?outbound_event_token={TOKEN}");
    let many: String = (0..10_000).map(|n| format!("v{n}=&")).collect();
    let bodies: [(&str, Vec<u8>, &[u16]); 6] = [
        ("a million &", vec![b'&'; 1_000_000], &[413]),
        ("as many & as fit", vec![b'&'; 131_072], &[200]),
        ("10,000 variables", many.into_bytes(), &[200]),
        ("NUL bytes", vec![0; 131_072], &[200]),
        ("dots and slashes", format!("{}&lsid={}", numbered(1), "../".repeat(20)).into_bytes(), &[200]),
        ("no text", vec![0xff; 4096], &[200]),
    ];
    for (what, body, statuses) in bodies {
        let response = reached.post(&uri, body);
        assert!(statuses.contains(&response.status), "{end:?}, {what}: {response:?}");
    }
    // The HTTP server can refuse some of them. The next request must be answered.
    let heads = [
        format!("POST {uri}&q={} HTTP/1.1\r\nHost: x\r\n", "q".repeat(64 * 1024)).into_bytes(),
        [format!("POST {uri} HTTP/1.1\r\nHost: x\r\nX-Odd: ").as_bytes(), b"\xff\xfe\r\n"].concat(),
        format!("POST {uri} HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n", "h".repeat(64 * 1024)).into_bytes(),
        format!("POST {uri} HTTP/1.1\r\nHost: \u{fffd}\r\n").into_bytes(),
        format!("POST {uri} HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n").into_bytes(),
        b"POST http://x:y:z/ HTTP/1.1\r\nHost: x\r\n".to_vec(),
    ];
    for head in heads {
        let mut connection = reached.connect();
        let body = numbered(7);
        let more = format!("Content-Length: {}\r\n\r\n{body}", body.len());
        let _ = connection.try_send([head.as_slice(), more.as_bytes()].concat());
        match connection.try_receive() {
            Ok(response) => {
                let is_answered = (400..500).contains(&response.status) || response.result() != "";
                assert!(is_answered || is_spins_own_refusal(end, &head, &response), "{end:?}: {response:?}")
            }
            Err(error) => assert!(matches!(error.kind(), ConnectionReset | UnexpectedEof), "{end:?}: {error}"),
        }
    }
    for junk in [b"\0\0\0\0\r\n\r\n".as_slice(), b"GET", b"\x16\x03\x01\x02\x00\x01"] {
        let mut connection = reached.connect();
        connection.send(junk);
        connection.stream().shutdown(Shutdown::Write).unwrap();
        let _ = connection.stream().read(&mut [0; 1024]);
    }
    assert_accepted(&reached.post(&uri, numbered(8)), "stored");
}

/// Only Spin 4.0.2 can answer so: it answers a header that is not UTF-8 with 500 and no body, without the component.
fn is_spins_own_refusal(end: End, head: &[u8], response: &Response) -> bool {
    let is_spin = end == End::Recipient(Kind::Spin);
    is_spin && std::str::from_utf8(head).is_err() && response.status == 500 && response.body.is_empty()
}

fn health_and_problems_reach_the_wire(end: End) {
    let reached = Reached::start(end, &[]);
    let mut connection = reached.connect();
    connection.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(connection.receive().status, 503);
    let shut = connection.post("/events", numbered(1));
    assert_eq!((shut.status, shut.header("retry-after")), (503, "5"));
    assert_eq!(shut.header("content-type"), "application/problem+json");
    assert!(shut.text().contains("ingest_open=true"), "{}", shut.text());
    assert!(end == End::Recipient(Kind::Spin) || reached.recipient.stored().is_empty());
}

fn health_answers_get_and_head(end: End) {
    let reached = Reached::start(end, &[OPEN]);
    let mut connection = reached.connect();
    connection.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(connection.receive().text(), r#"{"ready":true,"ingest":"open"}"#);
    // The answer can have the length that GET would have, but no body. The next answer shows that none was sent.
    connection.send("HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(connection.receive_head().status, 200);
    assert_accepted(&connection.post("/", numbered(1)), "stored");
    assert!(!reached.recipient.log().contains("was not sent"), "{}", reached.recipient.log());
}

fn a_setting_that_does_not_parse_is_named(kind: Kind) {
    match kind {
        // Only our host can check settings before it starts.
        Kind::Host | Kind::HostWasi => {
            let mut host = support::host();
            host.args(["serve", "--variable", "ingest_open=yes"]);
            let refused = support::to_its_end(host);
            let says = String::from_utf8_lossy(&refused.stderr);
            assert!(!refused.status.success() && says.contains("ingest_open"), "{says}");
        }
        Kind::Spin | Kind::Wash => {
            let recipient = Recipient::start(kind, &["ingest_open=yes"]);
            assert_eq!(recipient.post("/", numbered(1)).status, 503);
            assert!(recipient.log().contains("ingest_open"), "{}", recipient.log());
        }
    }
}
