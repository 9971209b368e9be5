//! Crowds of unauthenticated clients that make the host buffer as much as possible: its memory stays bounded, and an
//! appliance gets through.
//!
//! This is a separate program, because it measures the host's memory, which grows if another test uses all processors.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "it/open_files.rs"]
mod open_files;
mod support;

use std::net::Shutdown;
use std::time::{Duration, Instant};

use support::{Connection, GUARDED, OPEN, Recipient, Response, numbered};

const WITH_TOKEN: &str = "/events/hq?outbound_event_token=a-token-of-24-characters";

/// The most bytes in the head of a request.
const HEAD: usize = 32 << 10;

/// The most memory of a host in these tests.
const MOST_MEMORY: u64 = 300 << 20;

/// The number of threads that send.
const SENDERS: usize = 8;

fn start(variables: &[&str]) -> Recipient {
    Recipient::start_host(variables, |host| host)
}

/// The size of a crowd: 4,000 connections, or what the limit on open files allows. The host reserves 512 files.
fn crowd() -> usize {
    let files = open_files::raise();
    let connections = files.saturating_sub(600).min(4_000);
    assert!(connections >= 1_000, "{files} open files are too few for a crowd (`ulimit -Hn`)");
    connections
}

/// Connections that have sent `request`, or as much of it as the host accepted.
fn connections(recipient: &Recipient, count: usize, request: &[u8]) -> Vec<Connection> {
    let send = || {
        let mut connection = recipient.connect();
        // The host can refuse a request and close before all of it was sent.
        let _ = connection.try_send(request);
        connection
    };
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| scope.spawn(move || (sender..count).step_by(SENDERS).map(|_| send()).collect::<Vec<_>>()))
            .collect();
        senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
    })
}

/// The answers of the connections that get one.
fn answers(connections: &mut [Connection]) -> Vec<Response> {
    connections.iter_mut().filter_map(|connection| connection.try_receive().ok()).collect()
}

fn assert_memory_is_bounded(recipient: &Recipient, what: &str) {
    let peak = recipient.peak_memory();
    println!("{what}: the host had at most {} MiB", peak.unwrap_or(0) >> 20);
    assert!(peak.is_none_or(|peak| peak <= MOST_MEMORY), "{what}: the host had {peak:?} bytes");
}

/// Waits until something happens. The minute is only a bound for failures.
fn wait_until(what: &str, mut happened: impl FnMut() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < Duration::from_secs(60), "it never happened: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A head of `bytes` bytes for a body of this length: the request line, then headers.
type Shape = fn(length: usize, bytes: usize) -> String;

/// `before`, padding and `after`, together `bytes` bytes.
fn padded(before: &str, after: &str, bytes: usize) -> String {
    format!("{before}{}{after}", "x".repeat(bytes - before.len() - after.len()))
}

const SHAPES: [(&str, Shape); 3] = [
    ("one long header", |length, bytes| {
        padded(&format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nX-Long: "), "\r\n\r\n", bytes)
    }),
    ("a long query", |length, bytes| {
        padded("POST /?q=", &format!(" HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"), bytes)
    }),
    ("many headers", |length, bytes| {
        let long = format!("X-Long: {}\r\n", "x".repeat(400)).repeat(70);
        let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{long}X-Last: ");
        padded(&head, "\r\n\r\n", bytes)
    }),
];

#[test]
fn a_head_of_32_kib_is_served_and_a_longer_one_is_431_however_it_is_sent() {
    let recipient = start(&[OPEN]);
    let body = numbered(1);
    for (shape, head) in SHAPES {
        for (bytes, status) in [(HEAD - 1024, 200), (HEAD, 200), (HEAD + 1, 431), (HEAD + 1024, 431), (2 * HEAD, 431)] {
            let request = head(body.len(), bytes) + &body;
            for part in [request.len(), 1_000] {
                let mut connection = recipient.connect();
                // The refusal can arrive before the last part was sent.
                let _ = request.as_bytes().chunks(part).try_for_each(|part| connection.try_send(part));
                let response = connection.receive();
                assert_eq!(response.status, status, "{shape}, {bytes} bytes, {part} at a time: {response:?}");
                if status == 431 {
                    assert_eq!(response.header("connection"), "close", "{response:?}");
                    // The host drains the connection until the client closes it, or for two seconds.
                    let _ = connection.stream().shutdown(Shutdown::Write);
                    assert!(connection.is_at_its_end());
                } else {
                    assert_eq!(connection.post("/", &body).result(), "duplicate");
                }
            }
        }
    }
    wait_until("a line in the log", || recipient.log().contains("a request was refused unread"));
}

/// Without the limit, the host took 1.6 GB.
#[test]
fn endless_heads_take_little_memory_and_an_appliance_gets_through() {
    let _alone = open_files::alone();
    let never_ends = |bytes| padded("POST /events HTTP/1.1\r\nHost: x\r\nX-Long: ", "", bytes);
    for (what, bytes, status) in
        [("400 KB of a head", 400_000, Some(431)), ("just under 32 KiB of a head", HEAD - 1, None)]
    {
        let recipient = start(&[GUARDED]);
        let mut appliance = recipient.connect();
        assert_eq!(appliance.post(WITH_TOKEN, numbered(1)).result(), "stored");
        let mut held = connections(&recipient, crowd(), never_ends(bytes).as_bytes());
        assert_eq!(recipient.post(WITH_TOKEN, numbered(2)).result(), "stored", "{what}");
        assert_eq!(appliance.post(WITH_TOKEN, numbered(3)).result(), "stored", "{what}");
        if let Some(status) = status {
            let answers = answers(&mut held);
            assert!(!answers.is_empty() && answers.iter().all(|answer| answer.status == status), "{what}: {answers:?}");
            println!("{what}: {} of {} got the answer", answers.len(), held.len());
        }
        assert_memory_is_bounded(&recipient, what);
        assert!(
            !recipient.log().contains("was closed for a new one"),
            "{what}: there was no crowd: {}",
            recipient.log()
        );
    }
}

#[test]
fn without_a_token_a_body_is_not_waited_for_and_takes_no_memory() {
    let _alone = open_files::alone();
    let head = "POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let lengths = ["Content-Length: 250000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n3d090\r\n"];
    for (variables, status) in [(&[GUARDED][..], 401), (&[], 503)] {
        let recipient = start(variables);
        for (length, sent) in lengths.into_iter().flat_map(|length| [(length, 0), (length, 200_000), (length, 250_000)])
        {
            let request = format!("{head}{length}{}", "x".repeat(sent));
            let mut refused = connections(&recipient, 500, request.as_bytes());
            for connection in &mut refused {
                let response = connection.receive();
                assert_eq!(response.status, status, "{variables:?}, {sent} bytes sent: {response:?}");
                assert_eq!(response.header("content-type"), "application/problem+json");
            }
        }
        assert_memory_is_bounded(&recipient, &format!("{variables:?}: bodies without a token"));
        assert!(recipient.stored().is_empty());
    }
}

/// An event of `bytes` bytes, padded with custom fields.
fn large_event(n: usize, bytes: usize) -> String {
    let fields: String = (0..20).map(|field| format!("&field{field}={}", "x".repeat(bytes / 20))).collect();
    numbered(n) + &fields
}

#[test]
fn bodies_of_unauthenticated_clients_share_64_mib_and_a_sender_with_a_token_is_not_limited() {
    let _alone = open_files::alone();
    const READ: &str = "a-read-token-of-many-characters";
    let recipient = start(&[OPEN, &format!("read_tokens={READ}")]);
    let with_token = |n| {
        let body = large_event(n, 100_000);
        let head = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {READ}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut connection = recipient.connect();
        connection.send(head + &body);
        connection.receive()
    };
    let unfinished = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 250000\r\n\r\n{}", "x".repeat(200_000));
    let mut held = connections(&recipient, crowd(), unfinished.as_bytes());
    assert_eq!(with_token(1).result(), "stored");
    let answers = answers(&mut held);
    assert_memory_is_bounded(&recipient, "bodies of unauthenticated clients");
    let (refused, given_up): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 503);
    println!("{} were refused, {} given up", refused.len(), given_up.len());
    assert!(given_up.iter().all(|answer| answer.status == 408), "{given_up:?}");
    assert!(!refused.is_empty(), "there was room for all");
    for answer in &refused {
        assert_eq!((answer.header("retry-after"), answer.header("connection")), ("5", "close"), "{answer:?}");
        assert!(answer.text().contains("too many bodies of unauthenticated clients"), "{}", answer.text());
    }
    assert!(recipient.log().contains("too many bodies of unauthenticated clients"), "{}", recipient.log());
    drop(held);
    wait_until("an event is taken again", || recipient.post("/", large_event(2, 100_000)).result() == "stored");
}
