//! Forwarding by the real host, to real receivers: nothing is missing, whatever dies in between.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use appliance::receive::{Misbehaviour, Received, Receiver, Signature};
use http::StatusCode;
use serde_json::{Value, json};
use support::recipient::{Kind, OPEN, Recipient, TOKEN, numbered};
use support::{appliance, send, wait_until};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u";
const READING: &str = "read_tokens=a-token-of-24-characters";
const ADMIN: &str = "admin_tokens=a-token-of-24-characters";

/// A receiver on a thread of its own, and all that it got.
struct Desk {
    address: SocketAddr,
    receiver: Receiver,
    got: Arc<Mutex<Vec<Received>>>,
    _runtime: Runtime,
}

impl Desk {
    fn open(secrets: &[&str]) -> Self {
        let runtime = Runtime::new().unwrap();
        let got: Arc<Mutex<Vec<Received>>> = Arc::default();
        let ledger = Arc::clone(&got);
        let secrets = secrets.iter().map(|secret| (*secret).to_owned()).collect();
        let receiver =
            Receiver::new(secrets, Misbehaviour::default(), move |received| ledger.lock().unwrap().push(received));
        let receiver = receiver.unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(receiver.clone().serve(listener));
        Self { address, receiver, got, _runtime: runtime }
    }

    fn behave(&self, status: Option<u16>, delay: Duration) {
        let status = status.map(|status| StatusCode::from_u16(status).unwrap());
        self.receiver.behave(Misbehaviour { status, delay, ..Misbehaviour::default() });
    }

    fn destination(&self, name: &str) -> Value {
        json!({ "name": name, "url": format!("http://{}/in", self.address), "secret": SECRET })
    }

    /// What it took, in order.
    fn taken(&self) -> Vec<Received> {
        self.got.lock().unwrap().iter().filter(|received| received.status.is_success()).cloned().collect()
    }

    fn ids(&self) -> BTreeSet<String> {
        self.taken().iter().map(|received| received.id().unwrap().to_owned()).collect()
    }
}

fn setting(destinations: &Value) -> String {
    format!("destinations={destinations}")
}

fn start(destinations: &Value) -> Recipient {
    Recipient::start(Kind::Host, &[OPEN, READING, ADMIN, &setting(destinations)])
}

fn events(recipient: &Recipient) -> String {
    format!("http://{}/events/hq", recipient.address)
}

fn api(recipient: &Recipient, method: &str, path: &str) -> (u16, Value) {
    let mut connection = recipient.connect();
    connection.send(format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 0\r\n\r\n"
    ));
    let response = connection.receive();
    (response.status, serde_json::from_slice(&response.body).unwrap_or_default())
}

fn told(recipient: &Recipient, name: &str) -> Value {
    let all = api(recipient, "GET", "/api/destinations").1;
    all["destinations"].as_array().unwrap().iter().find(|told| told["name"] == name).unwrap().clone()
}

#[test]
fn each_event_comes_signed_in_order_and_once_also_what_came_while_nobody_took_it() {
    let desk = Desk::open(&[SECRET]);
    let recipient = start(&json!([desk.destination("desk")]));
    assert_eq!(send(&events(&recipient), &["--sessions", "20"]).code, Some(0));
    let stored = recipient.stored().len();
    wait_until("all of it arrives", || desk.ids().len() == stored);
    desk.behave(Some(503), Duration::ZERO);
    assert_eq!(send(&events(&recipient), &["--sessions", "20", "--seed", "2"]).code, Some(0));
    wait_until("it is said to fail", || told(&recipient, "desk")["state"] == "failing");
    assert_eq!(api(&recipient, "GET", "/api/stats").1["unwell"], json!([{ "name": "desk", "state": "failing" }]));
    desk.behave(None, Duration::ZERO);
    let stored = recipient.stored().len();
    wait_until("the rest arrives", || desk.ids().len() == stored);
    wait_until("it is said to work", || told(&recipient, "desk")["state"] == "working");
    let taken = desk.taken();
    assert_eq!(taken.len(), stored, "none came twice");
    assert!(taken.iter().all(|received| received.signature == Signature::Good));
    let order = |received: &Received| {
        let event: Value = serde_json::from_slice(&received.body).unwrap();
        (event["time"].as_str().unwrap().to_owned(), event["recordedtime"].as_str().unwrap().to_owned())
    };
    let first = send_order(&taken, 1);
    assert!(first.iter().map(order).is_sorted(), "the first sending came in order");
    let bodies: BTreeSet<_> = taken.iter().map(|received| received.body.to_vec()).collect();
    let records: BTreeSet<_> = recipient.stored().into_iter().map(|(_, value)| value).collect();
    assert_eq!(bodies, records, "what arrives is what is stored");
    are_verified_by_others(&taken);
}

/// The part of what came that one `appliance send` has sent: both end with the same times.
fn send_order(taken: &[Received], part: usize) -> &[Received] {
    &taken[..taken.len() * part / 3]
}

/// Python's own libraries verify and parse what arrived.
fn are_verified_by_others(taken: &[Received]) {
    let python = support::recipient::root().join("target/python/bin/python");
    assert!(python.is_file(), "{} is not there; `cargo xtask test` installs it", python.display());
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/verify.py");
    let child =
        Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap();
    let mut input = child.stdin.take().unwrap();
    let lines: String = taken
        .iter()
        .map(|received| {
            let headers: serde_json::Map<String, Value> = received
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap())))
                .collect();
            let body = std::str::from_utf8(&received.body).unwrap();
            format!("{}\n", json!({ "headers": headers, "body": body, "secret": SECRET }))
        })
        .collect();
    let writes = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    writes.join().unwrap().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let ids: Vec<_> = printed.lines().map(|line| line.split(' ').next().unwrap()).collect();
    let sent: Vec<_> = taken.iter().map(|received| received.id().unwrap()).collect();
    assert_eq!(ids, sent);
}

#[test]
fn a_chain_of_two_recipients_ends_with_equal_stores() {
    let second = Recipient::start(Kind::Host, &["ingest_tokens=another-token-of-mine"]);
    let url = format!("http://{}/events/hq?outbound_event_token=another-token-of-mine", second.address);
    let first = start(&json!([{ "name": "second", "url": url, "format": "form" }]));
    assert_eq!(send(&events(&first), &["--sessions", "30", "--custom-fields"]).code, Some(0));
    let without_recording = |recipient: &Recipient| {
        let events = recipient.stored().into_iter().map(|(key, value)| {
            let mut record: Value = serde_json::from_slice(&value).unwrap();
            record.as_object_mut().unwrap().remove("recordedtime");
            (key, record.to_string())
        });
        events.collect::<BTreeSet<_>>()
    };
    let expected = without_recording(&first);
    assert!(expected.len() > 200);
    wait_until("the second has what the first has", || without_recording(&second) == expected);
}

#[test]
fn nothing_is_missing_after_fifty_kills_under_load() {
    let desk = Desk::open(&[SECRET]);
    let mut recipient = start(&json!([desk.destination("desk")]));
    let mut answered: BTreeSet<String> = BTreeSet::new();
    let (path, mut number) = (recipient.store_path(), 0);
    for life in 0..50_u64 {
        let over = Arc::new(AtomicBool::new(false));
        let senders: Vec<_> = (0..4)
            .map(|_| {
                let (from, over, address) = (number, Arc::clone(&over), recipient.address);
                number += 1_000_000;
                std::thread::spawn(move || {
                    let mut ids = Vec::new();
                    let Ok(stream) = std::net::TcpStream::connect(address) else { return ids };
                    drop(stream);
                    let mut connection = support::recipient::Connection::to(address);
                    for number in from.. {
                        // What a kill leaves unanswered is not on the ledger.
                        let Ok(response) = connection.try_post("/events/hq", numbered(number)) else { break };
                        assert_eq!(response.status, 200);
                        ids.push(response.header("event-id").to_owned());
                        if over.load(Ordering::Relaxed) {
                            break;
                        }
                    }
                    ids
                })
            })
            .collect();
        // No two lives are alike: what is under way when it ends is never the same.
        std::thread::sleep(Duration::from_millis(40 + life * 97 % 260));
        recipient = recipient.kill_and_restart_by(|command| {
            expire_leases(&path);
            command
        });
        over.store(true, Ordering::Relaxed);
        for sender in senders {
            answered.extend(sender.join().unwrap());
        }
    }
    // A look at all of it costs the machine that it waits for.
    wait_until("nothing is owed", || {
        std::thread::sleep(Duration::from_millis(500));
        told(&recipient, "desk")["owed"] == 0
    });
    let missing = answered.difference(&desk.ids()).count();
    assert_eq!(missing, 0, "of {} that were answered 200", answered.len());
    let (taken, unique) = (desk.taken().len(), desk.ids().len());
    println!("{} answered 200, {unique} delivered, {} of them again", answered.len(), taken - unique);
    assert!(answered.len() > 1_000, "{}", answered.len());
    // Each kill may repeat what was sent and not yet written down, and no more.
    assert!(taken - unique <= 50 * 70, "{} came again", taken - unique);
}

/// As if time had passed while it was down: a round in the next life need not wait for what died in this one.
fn expire_leases(path: &std::path::Path) {
    let store = rusqlite::Connection::open(path).unwrap();
    let expire = "UPDATE spin_key_value SET value = CAST(json_remove(CAST(value AS TEXT), '$.rest') AS BLOB) WHERE key LIKE 'round.%'";
    store.execute(expire, []).unwrap();
}

/// Who ended first was to wait for a lease of its own: forwarding rested for five seconds after each start.
#[test]
fn a_host_that_is_stopped_during_a_delivery_gives_the_lease_back() {
    for (what, delay) in [("slow", Duration::from_millis(200)), ("hanging", Duration::from_secs(60))] {
        let desk = Desk::open(&[]);
        desk.behave(None, delay);
        let mut recipient = start(&json!([desk.destination("desk")]));
        assert_eq!(send(&events(&recipient), &["--sessions", "10"]).code, Some(0));
        let round = |path: &std::path::Path| {
            let store = rusqlite::Connection::open(path).unwrap();
            let round = "SELECT CAST(value AS TEXT) FROM spin_key_value WHERE key = 'round.desk'";
            let text: String = store.query_row(round, [], |row| row.get(0)).unwrap_or_default();
            serde_json::from_str::<Value>(&text).unwrap_or_default()
        };
        wait_until("a round is under way", || round(&recipient.store_path())["rest"].is_object());
        let pid = recipient.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert!(recipient.child.wait().unwrap().success(), "{what}: {}", recipient.log());
        let left = round(&recipient.store_path());
        assert!(left["owner"].is_number() && left["rest"].is_null(), "{what}: {left}; {}", recipient.log());
    }
}

#[test]
fn who_hangs_holds_up_nobody_and_what_stops_in_order_repeats_nothing() {
    let (slow, desk) = (Desk::open(&[]), Desk::open(&[]));
    slow.behave(None, Duration::from_secs(60));
    let mut recipient = start(&json!([slow.destination("slow"), desk.destination("desk")]));
    assert_eq!(send(&events(&recipient), &["--sessions", "10"]).code, Some(0));
    let stored = recipient.stored().len();
    wait_until("the other has all", || desk.ids().len() == stored);
    assert!(slow.taken().is_empty());
    wait_until("it is said to fail", || {
        told(&recipient, "slow")["last_error"].as_str().is_some_and(|error| error.contains("15 s"))
    });
    slow.behave(None, Duration::ZERO);
    assert_eq!(api(&recipient, "POST", "/api/destinations/slow/resume").0, 200);
    wait_until("it has all", || slow.ids().len() == stored);
    let pid = recipient.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    while recipient.child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let recipient = recipient.kill_and_restart();
    assert_eq!(send(&events(&recipient), &["--sessions", "1", "--seed", "9"]).code, Some(0));
    let stored = recipient.stored().len();
    wait_until("the new ones are there", || desk.ids().len() == stored);
    assert_eq!(desk.taken().len(), stored, "none came twice");
}

#[test]
fn nothing_secret_is_in_a_log_an_answer_or_the_store() {
    let desk = Desk::open(&[]);
    let url = format!("http://{}/services/XYZZY-path?key=XYZZY-query", desk.address);
    let header = json!({ "authorization": "Bearer XYZZY-header" });
    let destinations = json!([
        { "name": "desk", "url": url, "secret": SECRET, "headers": header },
        { "name": "gone", "url": "http://127.0.0.1:9/XYZZY-closed", "headers": header },
        { "name": "puller", "format": "pull", "secret": SECRET },
    ]);
    let recipient = Recipient::start_host(&[OPEN, READING, ADMIN, &setting(&destinations)], |mut command| {
        command.env("RUST_LOG", "trace");
        command
    });
    recipient.post("/events/hq", numbered(1));
    wait_until("it arrives", || desk.taken().len() == 1);
    assert_eq!(desk.taken()[0].headers["authorization"], "Bearer XYZZY-header");
    desk.behave(Some(400), Duration::ZERO);
    recipient.post("/events/hq", numbered(2));
    wait_until("it is refused", || told(&recipient, "desk")["refused"] == 1);
    wait_until("the other fails", || told(&recipient, "gone")["state"] == "failing");
    let mut shown = recipient.log();
    for path in ["/api/destinations", "/api/destinations/desk/refused", "/api/stats", "/health"] {
        shown += &api(&recipient, "GET", path).1.to_string();
    }
    let store = rusqlite::Connection::open(recipient.store_path()).unwrap();
    let mut statement = store.prepare("SELECT key || ' ' || CAST(value AS TEXT) FROM spin_key_value").unwrap();
    for row in statement.query_map([], |row| row.get::<_, String>(0)).unwrap() {
        shown += &row.unwrap();
    }
    assert!(shown.contains("round.desk"));
    for secret in ["XYZZY", SECRET, "MDEyMzQ1Njc4OWFi"] {
        assert!(!shown.contains(secret), "{secret} is shown: {shown}");
    }
}

#[test]
fn a_file_of_destinations_is_checked_and_tried() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("destinations.json");
    let check = |destinations: &Value, arguments: &[&str]| {
        std::fs::write(&file, destinations.to_string()).unwrap();
        let output = appliance().arg("check-destinations").arg(&file).args(arguments).output().unwrap();
        support::Sent::new(output)
    };
    let desk = Desk::open(&[SECRET]);
    let slack = json!({ "name": "chat", "url": format!("http://{}/x", desk.address), "format": "template", "template": "slack" });
    let good = json!([desk.destination("desk"), slack]);
    let checked = check(&good, &[]);
    assert_eq!((checked.code, desk.taken().len()), (Some(0), 0), "{checked:?}");
    let checked = check(&good, &["--send"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.stdout.contains("desk: 200 support_conference_begin"), "{checked:?}");
    assert!(desk.taken().iter().any(|received| received.body.starts_with(b"{\n  \"text\"")));
    desk.behave(Some(404), Duration::ZERO);
    let checked = check(&good, &["--send"]);
    assert_eq!(checked.code, Some(1));
    assert!(checked.stdout.contains("chat: 404 support_conference_end"), "{checked:?}");
    let checked = check(&json!([{ "name": "a b", "url": "http://example.com/XYZZY", "secret": "XYZZY" }]), &[]);
    assert_eq!(checked.code, Some(1));
    assert_eq!(checked.stdout.lines().count(), 3, "{checked:?}");
    assert!(checked.stdout.contains("destinations[0].name is not") && !checked.stdout.contains("XYZZY"), "{checked:?}");
    let quoted_twice = json!({ "body": "{\"text\": \"{{ title }}\"}" });
    let own = json!([{ "name": "own", "url": "http://127.0.0.1:9/", "format": "template", "template": quoted_twice }]);
    let checked = check(&own, &["--send"]);
    assert_eq!((checked.code, checked.stdout.lines().count()), (Some(1), 1), "{checked:?}");
    assert!(
        checked.stdout.contains("destinations[0].template.body makes no valid JSON of support_conference_begin: ")
            && checked.stdout.contains("a placeholder brings its own quotes"),
        "{checked:?}"
    );
    let closed = json!([{ "name": "closed", "url": "http://127.0.0.1:9/XYZZY" }]);
    let checked = check(&closed, &["--send"]);
    assert_eq!(checked.code, Some(1));
    assert!(
        checked.stdout.contains("closed: support_conference_begin: cannot connect: ")
            && !checked.stdout.contains("XYZZY"),
        "{checked:?}"
    );
    assert_eq!(check(&json!([]), &[]).code, Some(0));
    let missing = appliance().args(["check-destinations", "none.json"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(2));
}

#[test]
fn the_receiver_prints_what_comes_and_misbehaves_on_demand() {
    let folder = tempfile::tempdir().unwrap();
    let out = std::fs::File::create(folder.path().join("out")).unwrap();
    let arguments = [
        "receive",
        "--listen",
        "127.0.0.1:0",
        "--secret",
        SECRET,
        "--status",
        "503",
        "--for",
        "3s",
        "--retry-after",
        "1",
    ];
    let mut receiver = appliance().args(arguments).stdout(out).spawn().unwrap();
    let printed = || std::fs::read_to_string(folder.path().join("out")).unwrap();
    wait_until("it listens", || printed().contains("Listening on http://"));
    let address = printed().split("http://").nth(1).unwrap().split(';').next().unwrap().to_owned();
    let recipient = start(&json!([{ "name": "desk", "url": format!("http://{address}/in"), "secret": SECRET }]));
    let id = recipient.post("/events/hq", numbered(1)).header("event-id").to_owned();
    wait_until("it takes it in the end", || {
        printed().contains(&format!("200 support_conference_begin c69a8e10bea9428f816cfababe9815fe {id} signed"))
    });
    assert!(printed().contains(&format!("503 support_conference_begin c69a8e10bea9428f816cfababe9815fe {id} signed")));
    receiver.kill().unwrap();
    receiver.wait().unwrap();
    let wrong = appliance().args(["receive", "--secret", "XYZZY!"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(!String::from_utf8_lossy(&wrong.stderr).contains("XYZZY"));
}
