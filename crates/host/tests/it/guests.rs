//! The limits of a guest, tried with guests that exceed them.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use crate::support::{Connection, component, numbered};
use http_body_util::{BodyExt as _, Empty, Full};
use outbound_events_host::guest::{Guest, GuestError, Limits, Used};
use outbound_events_host::server;
use outbound_events_host::store::KeyValueStore;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use wasmtime_wasi_http::WasiBody;

const LOOPS: &str = "(loop br 0)";

/// Has one page of 64 KiB and grows; traps if it cannot.
fn wants(pages: u32) -> String {
    format!("(if (i32.eq (memory.grow (i32.const {pages})) (i32.const -1)) (then unreachable))")
}

/// A component whose handler is this code, with a memory of one page. Ingest is open, so that the host reads bodies
/// without a token.
fn guest(code: &str, limits: Limits) -> Guest {
    let text = format!(
        r#"(component
            (import "wasi:http/types@0.2.0" (instance $types
                (export "incoming-request" (type (sub resource)))
                (export "response-outparam" (type (sub resource)))))
            (alias export $types "incoming-request" (type $request))
            (alias export $types "response-outparam" (type $out))
            (core module $module
                (memory (export "memory") 1)
                (func (export "handle") (param i32 i32) {code}))
            (core instance $instance (instantiate $module))
            (func $handle (param "request" (own $request)) (param "response-out" (own $out))
                (canon lift (core func $instance "handle")))
            (instance $handler (export "handle" (func $handle)))
            (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#
    );
    let settings = [("ingest_open".to_owned(), "true".to_owned())].into();
    Guest::new(&wat::parse_str(text).unwrap(), KeyValueStore::memory(), settings, limits).unwrap()
}

async fn run(guest: &Guest) -> GuestError {
    run_at(guest, "/").await
}

async fn run_at(guest: &Guest, path: &str) -> GuestError {
    let body: WasiBody = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let request = http::Request::builder().uri(path).header("host", "x").body(body).unwrap();
    match guest.handle(request).await {
        Ok(response) => panic!("a response: {response:?}"),
        Err(error) => error,
    }
}

/// Serves on its own thread until the test process ends.
fn serve(guest: impl FnOnce() -> Guest + Send + 'static) -> SocketAddr {
    let (address, bound) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        Runtime::new().unwrap().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            address.send(listener.local_addr().unwrap()).unwrap();
            server::serve(listener, guest(), server::Options::default(), std::future::pending()).await.unwrap();
        });
    });
    bound.recv().unwrap()
}

#[tokio::test]
async fn a_trap_is_an_error_and_the_next_request_gets_a_fresh_instance() {
    let guest = guest("unreachable", Limits::default());
    for _ in 0..300 {
        assert!(matches!(run(&guest).await, GuestError::Trap(_)));
    }
}

/// The pool reuses memory, and instances are made ahead of their requests.
#[tokio::test]
async fn no_request_sees_what_another_left_in_memory() {
    // Checks a word in each half of the page and one in a new page: traps if one of them is not zero.
    let word = |at: u32| {
        format!("(if (i32.load (i32.const {at})) (then unreachable)) (i32.store (i32.const {at}) (i32.const 1))")
    };
    let grow = "(drop (memory.grow (i32.const 1)))";
    let guest = guest(&[&word(16), &word(40_000), grow, &word(70_000)].concat(), Limits::default());
    for request in 0..300 {
        let error = run(&guest).await;
        assert!(matches!(error, GuestError::Silent), "request {request}: {error}");
    }
}

#[tokio::test]
async fn the_use_of_an_instance_is_measured_on_request() {
    let component = std::fs::read(component()).unwrap();
    let mut uses = Vec::new();
    for measure in [true, true, false] {
        let settings = [("ingest_open".to_owned(), "true".to_owned())].into();
        let limits = Limits { measure, ..Limits::default() };
        let guest = Guest::new(&component, KeyValueStore::memory(), settings, limits).unwrap();
        let body = Full::from(numbered(1)).map_err(|never| match never {}).boxed_unsync();
        let request = http::Request::post("/").header("host", "x").body(body).unwrap();
        uses.push(guest.handle(request).await.unwrap().extensions().get::<Used>().copied());
    }
    let Used { fuel, memory_bytes, .. } = uses[0].unwrap();
    assert!(fuel > 10_000 && memory_bytes > 256 << 10, "{uses:?}");
    assert_eq!(uses[1].unwrap().memory_bytes, memory_bytes);
    assert_eq!(uses[2], None);
}

#[tokio::test]
async fn a_guest_without_a_response_is_an_error() {
    assert!(matches!(run(&guest("", Limits::default())).await, GuestError::Silent));
}

#[test]
fn a_guest_that_never_ends_is_stopped() {
    let (ended, end) = std::sync::mpsc::channel();
    // A guest that is not stopped keeps its thread forever, but the test must end.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let limits = Limits { time: Duration::from_secs(3), ..Limits::default() };
            let guest = guest(LOOPS, limits);
            let mut looping = pin!(run(&guest));
            // Other tasks run on the only thread while the guest computes.
            tokio::select! {
                biased;
                error = &mut looping => panic!("nobody else had a turn before {error}"),
                () = tokio::task::yield_now() => {}
            }
            ended.send(looping.await).unwrap();
        });
    });
    let error = end.recv_timeout(Duration::from_secs(60)).expect("it was not stopped");
    assert!(matches!(error, GuestError::Slow), "{error}");
}

#[tokio::test]
async fn the_memory_of_a_guest_is_limited() {
    let limits = Limits { memory_bytes: 4 << 20, ..Limits::default() };
    assert!(matches!(run(&guest(&wants(63), limits)).await, GuestError::Silent));
    assert!(matches!(run(&guest(&wants(64), limits)).await, GuestError::Trap(_)));
}

#[tokio::test]
async fn a_request_waits_for_an_instance_with_a_timeout() {
    let limits =
        Limits { instances: 1, wait: Duration::from_millis(50), time: Duration::from_secs(3), ..Limits::default() };
    let guest = guest(LOOPS, limits);
    let first = tokio::spawn({
        let guest = guest.clone();
        async move { run(&guest).await }
    });
    tokio::task::yield_now().await;
    assert!(matches!(run(&guest).await, GuestError::Busy));
    assert!(matches!(first.await.unwrap(), GuestError::Slow));
    // The permit was returned: this request does not find it missing.
    assert!(matches!(run(&guest).await, GuestError::Slow));
}

#[tokio::test]
async fn readers_take_no_more_than_their_places_and_leave_the_others_to_events() {
    let limits =
        Limits { readers: 1, wait: Duration::from_millis(50), time: Duration::from_secs(3), ..Limits::default() };
    let guest = guest(LOOPS, limits);
    let first = tokio::spawn({
        let guest = guest.clone();
        async move { run_at(&guest, "/api/events").await }
    });
    tokio::task::yield_now().await;
    assert!(matches!(run_at(&guest, "/api/sessions").await, GuestError::Readers));
    // This guest runs until its time limit.
    assert!(matches!(run(&guest).await, GuestError::Slow));
    assert!(matches!(first.await.unwrap(), GuestError::Slow));
    assert!(matches!(run_at(&guest, "/api/sessions").await, GuestError::Slow));
}

#[tokio::test]
async fn a_reader_that_disconnects_returns_its_permit() {
    let limits = Limits { readers: 1, wait: Duration::from_secs(1), time: Duration::from_secs(4), ..Limits::default() };
    let guest = guest(LOOPS, limits);
    tokio::time::timeout(Duration::from_millis(200), run_at(&guest, "/api/events")).await.unwrap_err();
    // It did not wait until the time limit of the first request.
    assert!(matches!(run_at(&guest, "/api/events").await, GuestError::Slow));
}

/// Otherwise the client would get 2.7 of 4 MB, and the log would report a slow component.
#[test]
fn a_slow_reader_gets_its_whole_answer_and_delays_nobody() {
    const READ: &str = "a-read-token-of-many-characters";
    let address = serve(|| {
        let component = std::fs::read(component()).unwrap();
        let limits = Limits { instances: 1, time: Duration::from_secs(2), ..Limits::default() };
        let settings = [("ingest_open".to_owned(), "true".to_owned()), ("read_tokens".to_owned(), READ.to_owned())];
        Guest::new(&component, KeyValueStore::memory(), settings.into(), limits).unwrap()
    });
    let mut sender = Connection::open(address);
    // Each event occurs twice: in the timeline and in the list.
    for n in 0..250 {
        let form = format!("{MEMBER}&timestamp={}&lsid=one&name={}", 1_700_000_000 + n, "x".repeat(16_000));
        assert_eq!(sender.post("/", form).result(), "stored");
    }
    let mut reader = Connection::over(reads_little_at_a_time(address));
    let path = "/api/sessions/default/one";
    reader.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {READ}\r\n\r\n"));
    reader.stream().peek(&mut [0]).unwrap();
    // The only instance is free before the client reads on.
    assert_eq!(sender.post("/", numbered(0)).result(), "stored");
    std::thread::sleep(Duration::from_secs(4));
    let answer = reader.receive();
    assert_eq!(answer.status, 200);
    // More than the kernel buffers for a client.
    assert!(answer.body.len() > 8_000_000, "{}", answer.body.len());
    serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap();
}

const MEMBER: &str = "event=support_conference_member_added&version=1&type=customer";

/// A connection with a window of a few kilobytes.
fn reads_little_at_a_time(address: SocketAddr) -> std::net::TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(address).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream
}

#[test]
fn a_failing_guest_is_answered_500_or_503_and_the_connection_stays_usable() {
    for (code, status, retry_after) in [
        ("unreachable".to_owned(), 500, ""),
        // Grows page by page as long as it can.
        (format!("(loop {} br 0)", wants(1)), 500, ""),
        (LOOPS.to_owned(), 503, "5"),
    ] {
        let limits = Limits { time: Duration::from_secs(2), ..Limits::default() };
        let address = serve(move || guest(&code, limits));
        for _ in 0..2 {
            let mut connection = Connection::open(address);
            for _ in 0..2 {
                let response = connection.post("/", numbered(1));
                assert_eq!((response.status, response.header("retry-after")), (status, retry_after), "{response:?}");
                assert_eq!(response.header("content-type"), "application/problem+json");
                assert!(!response.text().contains("unreachable"), "{}", response.text());
            }
        }
    }
}

/// Without a total limit, a client that sends a byte every nine seconds would go on forever.
#[test]
fn a_body_that_never_ends_is_refused() {
    let limits = Limits { body: Duration::from_secs(1), ..Limits::default() };
    let address = serve(move || guest("unreachable", limits));
    let mut connection = Connection::open(address);
    connection.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
    connection.stream().set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut bytes = 0;
    // Sends a byte at a time until the answer begins.
    while bytes < 500 && connection.stream().peek(&mut [0]).is_err() {
        connection.send("x");
        bytes += 1;
    }
    assert!(bytes < 500, "it would go on forever");
    let response = connection.receive();
    assert_eq!((response.status, response.header("connection")), (408, "close"));
}

#[test]
fn an_unknown_import_is_an_error_at_the_start() {
    let text = r#"(component (import "wasi:filesystem/preopens@0.2.0" (instance (export "get-directories" (func)))))"#;
    let component = wat::parse_str(text).unwrap();
    let error = Guest::new(&component, KeyValueStore::memory(), [].into(), Limits::default());
    let error = format!("{:#}", error.err().unwrap());
    assert!(error.contains("wasi:filesystem/preopens"), "{error}");
}

#[test]
fn slow_senders_cost_no_instances_and_are_told_408() {
    let address = serve(|| {
        let component = std::fs::read(component()).unwrap();
        let limits = Limits { instances: 1, ..Limits::default() };
        let settings = [("ingest_open".to_owned(), "true".to_owned())].into();
        Guest::new(&component, KeyValueStore::memory(), settings, limits).unwrap()
    });
    let mut slow: Vec<_> = (0..20).map(|_| Connection::open(address)).collect();
    for connection in &mut slow {
        connection.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nevent=");
    }
    // One instance, and twenty clients with incomplete bodies: the next request does not wait for them.
    let mut quick = Connection::open(address);
    for n in 0..50 {
        assert_eq!(quick.post("/", numbered(n)).status, 200);
    }
    for connection in &mut slow {
        let response = connection.receive();
        assert_eq!((response.status, response.header("connection")), (408, "close"));
    }
}
