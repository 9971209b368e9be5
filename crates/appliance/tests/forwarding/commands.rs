//! `appliance check-destinations` and `appliance receive`.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::desk::{SECRET, TestDestination, start};
use crate::support::recipient::{Connection, numbered};
use crate::support::{SendOutput, appliance, wait_until};

#[test]
fn check_destinations_finds_faults_and_sends_events() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("destinations.json");
    let check = |destinations: &Value, arguments: &[&str]| {
        std::fs::write(&file, destinations.to_string()).unwrap();
        let output = appliance().arg("check-destinations").arg(&file).args(arguments).output().unwrap();
        SendOutput::new(output)
    };
    let desk = TestDestination::open(&[SECRET]);
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
        checked.stdout.contains("destinations[0].template.body does not make valid JSON of support_conference_begin: ")
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
fn receive_prints_requests_and_misbehaves_on_demand() {
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
    wait_until("it accepts the event", || {
        printed().contains(&format!("200 support_conference_begin c69a8e10bea9428f816cfababe9815fe {id} signed"))
    });
    assert!(printed().contains(&format!("503 support_conference_begin c69a8e10bea9428f816cfababe9815fe {id} signed")));
    receiver.kill().unwrap();
    receiver.wait().unwrap();
    let wrong = appliance().args(["receive", "--secret", "XYZZY!"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(!String::from_utf8_lossy(&wrong.stderr).contains("XYZZY"));
}

/// The answers that hyper cannot write, byte for byte.
#[test]
fn receive_frames_answers_as_its_options_say() {
    for (options, expected) in [
        (&["--hang-body"][..], "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok"),
        (&["--reset-after-head", "--status", "201"], "HTTP/1.1 201 Created\r\nContent-Length: 10\r\n\r\n"),
        (&["--http10", "--body", "ok"], "HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nok"),
        (
            &["--early-hints", "--status", "308", "--location", "https://new.example/in"],
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n\
             HTTP/1.1 308 Permanent Redirect\r\nlocation: https://new.example/in\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            &["--event-stream", "--retry-after", "1.5"],
            "HTTP/1.1 200 OK\r\nretry-after: 1.5\r\nContent-Type: text/event-stream\r\n\
             Transfer-Encoding: chunked\r\n\r\n10\r\ndata: accepted\n\n\r\n",
        ),
    ] {
        let receiver = ReceiveCommand::start(options);
        let mut connection = Connection::open(receiver.address);
        connection.send("POST /in HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi");
        let mut answer = vec![0; expected.len()];
        connection.stream().read_exact(&mut answer).unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), expected, "{options:?}");
    }
}

#[test]
fn receive_fails_on_one_text_and_closes_connections() {
    let receiver = ReceiveCommand::start(&["--refuse-containing", "Jane", "--status", "500", "--body-bytes", "3"]);
    let mut connection = Connection::open(receiver.address);
    let refused = connection.post("/in", "name=Jane");
    assert_eq!((refused.status, refused.text().as_str()), (500, "xxx"));
    assert_eq!(connection.post("/in", "name=John").status, 200);
    let receiver = ReceiveCommand::start(&["--close-when-asked"]);
    let mut connection = Connection::open(receiver.address);
    assert_eq!(connection.post("/in", "x").status, 200);
    assert!(connection.try_post("/in", "x").is_err());
    let receiver = ReceiveCommand::start(&["--close-idle-after", "50ms"]);
    let mut connection = Connection::open(receiver.address);
    assert_eq!(connection.post("/in", "x").status, 200);
    assert!(connection.is_at_its_end());
}

/// An `appliance receive` that is killed when it is dropped.
struct ReceiveCommand {
    address: SocketAddr,
    child: Child,
}

impl ReceiveCommand {
    fn start(options: &[&str]) -> Self {
        let arguments = ["receive", "--listen", "127.0.0.1:0"];
        let mut child = appliance().args(arguments).args(options).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).unwrap().split(';').next().unwrap().parse().unwrap();
        Self { address, child }
    }
}

impl Drop for ReceiveCommand {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
