//! What others have made reads what is sent: OpenTelemetry's own definitions, and a server of OAuth 2.0.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::desk::{TestDestination, api, events, start, status_of};
use crate::support::otlp::{agrees, id_of, log_records};
use crate::support::recipient::{Connection, numbered, root};
use crate::support::{send, wait_until};

#[test]
fn opentelemetrys_own_definitions_read_every_log_record() {
    let logs = TestDestination::open(&[]);
    let url = format!("http://{}/v1/logs", logs.address);
    let recipient =
        start(&json!([{ "name": "logs", "url": url, "format": "otlp", "batch": { "max_wait_seconds": 1 } }]));
    assert_eq!(send(&events(&recipient), &["--sessions", "30"]).code, Some(0));
    wait_until("all are delivered", || status_of(&recipient, "logs")["pending"] == 0);
    let taken = logs.taken();
    let records = log_records(taken.iter().map(|received| received.body.as_ref()));
    assert!(records.len() > 150 && taken.len() < records.len() / 3, "{} in {} requests", records.len(), taken.len());
    for record in &records {
        agrees(record, &api(&recipient, "GET", &format!("/api/events/{}", id_of(record))).1);
        assert_eq!(record["name"], record["attributes"]["event.name"]);
    }
}

/// A process that is killed when this is dropped.
struct OauthServer {
    child: Child,
    address: SocketAddr,
}

impl OauthServer {
    fn start(lifetime: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/oauth_server.py");
        let mut server = Command::new(root().join("target/python/bin/python"));
        let mut child = server.args([script, lifetime]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port: u16 = line.trim().parse().expect("the server prints its port");
        Self { child, address: ([127, 0, 0, 1], port).into() }
    }

    fn ask(&self, method: &str, path: &str) -> Value {
        let mut connection = Connection::open(self.address);
        connection
            .send(format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
        serde_json::from_slice(&connection.receive().body).unwrap_or_default()
    }

    fn destination(&self, more: &Value) -> Value {
        let mut oauth = json!({
            "token_url": format!("http://{}/token", self.address), "client_id": "desk", "client_secret": "s3cret/+ä",
            "scope": "events:write",
        });
        oauth.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([{ "name": "desk", "url": format!("http://{}/in", self.address), "auth": { "oauth2": oauth } }])
    }

    fn delivered(&self) -> usize {
        self.ask("GET", "/figures")["ids"].as_array().unwrap().len()
    }
}

impl Drop for OauthServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The host keeps a token, so one serves many delivery runs; a token that the server forgot is replaced.
#[test]
fn a_token_of_an_oauth_server_is_kept_and_replaced_when_it_is_rejected() {
    for place in ["body", "header"] {
        let server = OauthServer::start("3600");
        let recipient = start(&server.destination(&json!({ "credentials_in": place })));
        for number in 0..5 {
            assert_eq!(recipient.post("/events/hq", numbered(number)).status, 200);
            wait_until("it is delivered", || server.delivered() == number + 1);
        }
        let figures = server.ask("GET", "/figures");
        assert_eq!((&figures["issued"], &figures["rejected"]), (&json!(1), &json!(0)), "{place}");
        server.ask("POST", "/revoke");
        assert_eq!(recipient.post("/events/hq", numbered(9)).status, 200);
        wait_until("it is delivered", || server.delivered() == 6);
        let figures = server.ask("GET", "/figures");
        assert_eq!((&figures["issued"], &figures["rejected"]), (&json!(2), &json!(1)), "{place}");
    }
}

/// With a lifetime of 62 seconds the host keeps a token for two: it is never used in its last minute.
#[test]
fn a_token_is_renewed_a_minute_before_it_expires() {
    let server = OauthServer::start("62");
    let recipient = start(&server.destination(&json!({})));
    recipient.post("/events/hq", numbered(1));
    wait_until("it is delivered", || server.delivered() == 1);
    std::thread::sleep(Duration::from_millis(2_100));
    recipient.post("/events/hq", numbered(2));
    wait_until("it is delivered", || server.delivered() == 2);
    let figures = server.ask("GET", "/figures");
    assert_eq!((&figures["issued"], &figures["rejected"]), (&json!(2), &json!(0)));
}

#[test]
fn a_wrong_secret_is_named_and_never_shown() {
    let server = OauthServer::start("3600");
    for (more, expected) in [
        (json!({ "client_secret": "XYZZY-is-wrong" }), "correct auth.oauth2.client_id and client_secret"),
        (json!({ "scope": "events:read" }), "invalid_scope"),
    ] {
        let recipient = start(&server.destination(&more));
        recipient.post("/events/hq", numbered(1));
        wait_until("it fails", || status_of(&recipient, "desk")["state"] == "failing");
        let error = status_of(&recipient, "desk")["last_error"].as_str().unwrap().to_owned();
        assert!(error.contains(expected) && !error.contains("XYZZY"), "{error}");
        assert!(!recipient.log().contains("XYZZY"));
    }
    assert_eq!(server.delivered(), 0);
}
