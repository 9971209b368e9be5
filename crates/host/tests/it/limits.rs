//! Limits for unauthenticated clients. An appliance gets through: limits never apply to a client with a valid token.

use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::open_files;
use crate::support::{self, Connection, GUARDED, OPEN, Recipient, Response, TOKEN, host, numbered};

const WITH_TOKEN: &str = "/events/hq?outbound_event_token=a-token-of-24-characters";

fn start(variables: &[&str], arguments: &[&str]) -> Recipient {
    Recipient::start_host(variables, |mut host| {
        host.args(arguments);
        host
    })
}

/// Waits until something happens. The minute is only a bound for failures.
fn wait_until(what: &str, happened: impl Fn() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < Duration::from_secs(60), "it never happened: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

type Action = fn(&mut Connection);

/// Ends the background threads, also if the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// What an unauthenticated client does with a connection. `crowd.rs` has the case of an incomplete body.
const ACTIONS: [(&str, Action); 3] = [
    ("silent", |_| {}),
    ("in the middle of a head", |connection| connection.send("POST /events?outbound_event_token=")),
    ("answered, and kept alive", |connection| assert_eq!(connection.post("/events", numbered(0)).status, 401)),
];

fn unauthenticated(recipient: &Recipient, act: Action) -> Connection {
    let mut connection = recipient.connect();
    act(&mut connection);
    connection
}

/// The number of connections that are closed now.
fn closed(connections: &[Connection]) -> usize {
    connections.iter().filter(|connection| is_closed(connection.stream())).count()
}

fn is_closed(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let closed = match stream.peek(&mut [0]) {
        Ok(bytes) => bytes == 0,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    };
    stream.set_nonblocking(false).unwrap();
    closed
}

#[test]
fn an_appliance_gets_through_while_unauthenticated_clients_hold_all_connections() {
    let _alone = open_files::alone();
    for (what, act) in ACTIONS {
        let recipient = start(&[GUARDED], &["--max-connections", "500"]);
        let mut crowd: Vec<_> = (0..500).map(|_| unauthenticated(&recipient, act)).collect();
        // They hold all connections, and none was closed.
        assert!(!recipient.log().contains("was closed for a new one"), "{what}: {}", recipient.log());
        let mut appliance = recipient.connect();
        assert_eq!(appliance.post(WITH_TOKEN, numbered(1)).result(), "stored", "{what}");
        // As many connections again, one after the other, and further connections of the appliance among them.
        for n in 0..500 {
            crowd.push(unauthenticated(&recipient, act));
            if n % 50 == 0 {
                assert_eq!(recipient.post(WITH_TOKEN, numbered(10 + n)).result(), "stored", "{what}");
            }
        }
        assert_eq!(appliance.post(WITH_TOKEN, numbered(2)).result(), "stored", "{what}");
        wait_until("the excess connections are closed", || closed(&crowd) >= 501);
        assert_eq!(recipient.stored().len(), 12, "{what}");
        assert!(recipient.log().contains("all 500 connections are in use"), "{what}: {}", recipient.log());
    }
}

/// The clients connect as fast as they can, again and again.
#[test]
fn an_appliance_gets_through_a_flood_of_connections() {
    let _alone = open_files::alone();
    let recipient = start(&[GUARDED], &["--max-connections", "500"]);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _over = Over(&over);
        for _ in 0..2 {
            scope.spawn(|| {
                let mut held = Vec::new();
                while !over.load(Ordering::SeqCst) {
                    held.push(TcpStream::connect(recipient.address));
                    if held.len() == 600 {
                        held.clear();
                    }
                }
            });
        }
        wait_until("connections are closed", || recipient.log().contains("was closed for a new one"));
        let mut kept = recipient.connect();
        for n in 0..100 {
            assert_eq!(kept.post(WITH_TOKEN, numbered(n)).result(), "stored");
            assert_eq!(recipient.post(WITH_TOKEN, numbered(n)).result(), "duplicate");
        }
    });
    assert_eq!(recipient.stored().len(), 100);
}

#[test]
fn a_new_connection_waits_while_authenticated_clients_hold_all() {
    let recipient = start(&[GUARDED], &["--max-connections", "2"]);
    let (mut first, mut second) = (recipient.connect(), recipient.connect());
    for appliance in [&mut first, &mut second] {
        assert_eq!(appliance.post(WITH_TOKEN, numbered(1)).status, 200);
    }
    let mut third = recipient.connect();
    let body = numbered(2);
    third.send(format!("POST {WITH_TOKEN} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    wait_until("the log says that all are held", || {
        recipient.log().contains("authenticated clients hold all 2 connections")
    });
    for appliance in [&mut first, &mut second] {
        assert_eq!(appliance.post(WITH_TOKEN, numbered(1)).result(), "duplicate");
    }
    third.stream().set_nonblocking(true).unwrap();
    assert!(third.stream().peek(&mut [0]).is_err(), "it was answered");
    third.stream().set_nonblocking(false).unwrap();
    drop(first);
    assert_eq!(third.receive().result(), "stored");
    assert_eq!(second.post(WITH_TOKEN, numbered(1)).result(), "duplicate");
}

#[test]
fn the_limit_per_address_applies_only_to_connections_without_a_token() {
    let recipient = start(&[GUARDED], &["--max-connections-per-address", "3"]);
    let mut appliances: Vec<_> = (0..10).map(|_| recipient.connect()).collect();
    for appliance in &mut appliances {
        assert_eq!(appliance.post(WITH_TOKEN, numbered(1)).status, 200);
    }
    let connect = |(_, act): &(&str, Action)| [unauthenticated(&recipient, *act), unauthenticated(&recipient, *act)];
    let others: Vec<_> = ACTIONS.iter().flat_map(connect).collect();
    wait_until("all but three are closed", || closed(&others) >= 3);
    assert_eq!(closed(&others), 3, "{}", recipient.log());
    for appliance in &mut appliances {
        assert_eq!(appliance.post(WITH_TOKEN, numbered(1)).result(), "duplicate");
    }
}

fn get(connection: &mut Connection, path: &str, more: &str) -> Response {
    connection.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n"));
    connection.receive()
}

#[test]
fn a_flood_of_requests_is_answered_429_and_an_appliance_of_the_same_address_200() {
    let recipient = start(&[GUARDED], &["--unauthenticated-requests-per-second", "5"]);
    let (over, refused) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let _over = Over(&over);
        for sender in 0..4 {
            let (recipient, over, refused) = (&recipient, &over, &refused);
            scope.spawn(move || {
                let wrong =
                    ["/events?outbound_event_token=a-wrong-token-of-mine", "/events", "/health", "/nowhere"][sender];
                let mut connection = recipient.connect();
                while !over.load(Ordering::SeqCst) {
                    let response = connection.post(wrong, numbered(1));
                    match response.status {
                        429 => {
                            assert_eq!(response.header("retry-after"), "1");
                            assert_eq!(response.header("content-type"), "application/problem+json");
                            assert!(response.text().contains("without a valid token"), "{}", response.text());
                            refused.fetch_add(1, Ordering::SeqCst);
                        }
                        status => assert!([401, 404, 405].contains(&status), "{response:?}"),
                    }
                }
            });
        }
        wait_until("some are refused", || refused.load(Ordering::SeqCst) > 100);
        let mut appliance = recipient.connect();
        for n in 0..200 {
            assert_eq!(appliance.post(WITH_TOKEN, numbered(n)).result(), "stored");
        }
    });
    assert_eq!(recipient.stored().len(), 200);
    // The refused requests do not fill the log.
    let log = recipient.log();
    let refused = refused.into_inner();
    let lines = log.lines().filter(|line| line.contains("429")).count();
    assert!(lines > 0 && lines < 20 && refused > 100, "{lines} lines of {refused}: {log}");
}

#[test]
fn a_client_with_a_token_of_any_kind_is_not_limited() {
    let destinations =
        r#"destinations=[{"name": "puller", "format": "pull", "secret": "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u"}]"#;
    let settings = [
        GUARDED,
        "read_tokens=a-read-token-of-many-characters",
        "admin_tokens=an-admin-token-of-many",
        "tick_token=a-tick-token-of-many",
        destinations,
    ];
    let recipient = start(&settings, &["--unauthenticated-requests-per-second", "1"]);
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let mut connection = recipient.connect();
    for (path, more) in [
        ("/api/stats", bearer("a-read-token-of-many-characters")),
        ("/tick", bearer("a-tick-token-of-many")),
        ("/tick?tick_token=a-tick-token-of-many", String::new()),
        ("/api/destinations/puller/pending", bearer("whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u")),
        ("/health", bearer(TOKEN)),
    ] {
        for _ in 0..20 {
            let response = get(&mut connection, path, &more);
            assert_eq!(response.status, 200, "{path}: {response:?}");
        }
    }
    for _ in 0..20 {
        connection.send(format!("POST /api/pack HTTP/1.1\r\nHost: x\r\n{}\r\n", bearer("an-admin-token-of-many")));
        assert_eq!(connection.receive().status, 200);
    }
    let wrong = (0..20).map(|_| get(&mut connection, "/health", &bearer("a-wrong-token-of-many")).status);
    assert!(wrong.filter(|status| *status == 429).count() > 10);
}

#[test]
fn behind_a_trusted_proxy_each_client_is_limited_and_the_proxy_is_not() {
    let arguments = ["--trust-forwarded", "127.0.0.1", "--unauthenticated-requests-per-second", "3"];
    let recipient = start(&[GUARDED], &[&arguments[..], &["--max-connections-per-address", "1"]].concat());
    let mut from_proxy: Vec<_> = (0..5).map(|_| recipient.connect()).collect();
    for client in 1..4 {
        let forwarded = format!("X-Forwarded-For: 198.51.100.{client}\r\n");
        let statuses: Vec<_> = (0..20).map(|n| get(&mut from_proxy[n % 5], "/nowhere", &forwarded).status).collect();
        assert_eq!(statuses[..3], [404; 3], "client {client}: {statuses:?}");
        assert!(statuses.contains(&429), "client {client}: {statuses:?}");
    }
}

#[test]
fn a_trial_on_this_machine_is_not_limited() {
    for (variables, status) in [(&[GUARDED][..], 401), (&[OPEN], 200), (&[], 503)] {
        let recipient = start(variables, &[]);
        let mut connections: Vec<_> = (0..100).map(|_| recipient.connect()).collect();
        for connection in &mut connections {
            assert_eq!(connection.post("/events", numbered(1)).status, status, "{variables:?}");
        }
    }
}

#[test]
fn with_open_ingest_an_explicit_limit_applies_to_all_clients() {
    let recipient = start(&[OPEN], &["--unauthenticated-requests-per-second", "3"]);
    let mut connection = recipient.connect();
    let statuses: Vec<_> = (0..20).map(|_| connection.post("/events", numbered(1)).status).collect();
    assert!(statuses[..3] == [200; 3] && statuses.contains(&429), "{statuses:?}");
}

#[test]
fn the_body_of_a_refused_request_is_not_waited_for_and_not_read_as_a_request() {
    let recipient = start(&[GUARDED], &["--unauthenticated-requests-per-second", "1"]);
    let mut connection = recipient.connect();
    while connection.post("/events", numbered(1)).status != 429 {}
    connection
        .send("POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(connection.receive().status, 429);
    connection.stream().shutdown(Shutdown::Write).unwrap();
    assert!(connection.is_at_its_end());
}

/// The host in a shell that sets limits first.
fn limited(recipient_limits: &str, host: &Command) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{recipient_limits}; exec \"$0\" \"$@\"")]);
    command.arg(host.get_program()).args(host.get_args());
    command
}

#[test]
fn the_limit_on_open_files_is_raised_or_reported() {
    let _alone = open_files::alone();
    let recipient = Recipient::start_host(&[GUARDED], |host| limited("ulimit -Sn 64", &host));
    let mut clients: Vec<_> = (0..300).map(|_| recipient.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.post("/events", numbered(1)).status, 401, "{}", recipient.log());
    }
    // With a hard limit, too.
    let appliance_gets_through = |limits: &str, places: usize| {
        let recipient = Recipient::start_host(&[GUARDED], |host| limited(limits, &host));
        assert!(recipient.log().contains(&format!("allows only {places} connections")), "{}", recipient.log());
        let clients: Vec<_> = (0..2 * places).map(|_| recipient.connect()).collect();
        assert_eq!(recipient.post(WITH_TOKEN, numbered(1)).status, 200, "{}", recipient.log());
        drop(clients);
        assert!(!recipient.log().contains("was not accepted"), "{}", recipient.log());
    };
    appliance_gets_through("ulimit -n 600", 88);
    let mut asked = host();
    asked.args(["serve", "--variable", GUARDED, "--max-connections", "100", "--store", "memory"]);
    let output = support::to_its_end(limited("ulimit -n 600", &asked));
    let says = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{says}");
    assert!(says.contains("--max-connections 100 needs 612 open files, and the limit is 600"), "{says}");
}

#[test]
fn a_request_with_an_ambiguous_head_is_refused_and_logged() {
    let recipient = start(&[OPEN], &[]);
    let body = numbered(1);
    let post = |head: &str| format!("POST {head}Content-Length: {}\r\n\r\n{body}", body.len());
    let long = "x".repeat(500_000);
    let cases = [
        ("no Host", post("/events HTTP/1.1\r\n"), 400, true),
        ("two Hosts", post("/events HTTP/1.1\r\nHost: a\r\nHost: a\r\n"), 400, true),
        ("no Host in HTTP/1.0", post("/events HTTP/1.0\r\n"), 200, true),
        ("an empty path", post("http://recipient?x=1 HTTP/1.1\r\nHost: recipient\r\n"), 200, true),
        (
            "another transfer coding",
            "POST /events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n".to_owned(),
            501,
            true,
        ),
        ("not HTTP", "GET\r\n\r\n".to_owned(), 400, false),
        ("an invalid header name", post("/events HTTP/1.1\r\nHost: a\r\na b: c\r\n"), 400, false),
        ("a long path", post(&format!("/{long} HTTP/1.1\r\nHost: a\r\n")), 431, false),
        ("too many headers", post(&format!("/events HTTP/1.1\r\nHost: a\r\n{}", "X: y\r\n".repeat(200))), 431, false),
    ];
    for (what, request, status, has_body) in cases {
        let mut connection = recipient.connect();
        // The host can answer before it has read everything.
        let _ = connection.try_send(&request);
        let response = connection.receive();
        assert_eq!(response.status, status, "{what}: {response:?}");
        let problem = response.header("content-type") == "application/problem+json";
        assert_eq!(problem, has_body && status >= 400, "{what}: {response:?}");
    }
    wait_until("a line in the log", || recipient.log().contains("a request was refused unread"));
}
