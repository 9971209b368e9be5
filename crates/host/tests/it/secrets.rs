//! No configured token is in the log, in an answer or in the store.

use std::collections::HashMap;
use std::net::Shutdown;

use crate::support::{self, Recipient, TOKEN, host, numbered};
use outbound_events::settings::Settings;
use outbound_events_host::guest::{Guest, Limits};
use outbound_events_host::store::KeyValueStore;

const READ: &str = "a-read-token-of-many-characters";
const SECRETS: [&str; 2] = [TOKEN, READ];

fn assert_no_secret(what: &str, text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{what} contains {secret}: {text}");
    }
}

/// Heads with a token in its place, in a mistyped place and in unexpected places, without the lines that end a head.
fn heads() -> Vec<String> {
    let line = |method: &str, uri: String| format!("{method} {uri} HTTP/1.1\r\nHost: x\r\n");
    let mut heads = Vec::new();
    for token in [TOKEN, READ, &format!("{TOKEN}X"), &format!("{TOKEN},{READ}")] {
        let bearer = format!("Authorization: Bearer {token}\r\n");
        heads.extend([
            line("POST", format!("/events/hq?outbound_event_token={token}")),
            line("POST", format!("/?token={token}&{token}={token}#{token}")),
            line("POST", format!("/events&outbound_event_token={token}")),
            line("POST", format!("/events%3Foutbound_event_token={token}")),
            line("POST", format!("http://{token}@x/events?{token}")),
            line("PUT", format!("/events?outbound_event_token={token}")),
            line("BREW", format!("/health?{token}")),
            line("POST", format!("/events?outbound_event_token={token}&q={}", "q".repeat(70_000))),
            line("POST", "/events".to_owned()) + &bearer,
            line("POST", "/events".to_owned()) + &bearer + "Content-Length: 9999999\r\n",
            line("POST", "/events".to_owned()) + &format!("Authorization: Basic {token}\r\nCookie: {token}\r\n"),
            line("GET", format!("/?{token}")),
            line("GET", format!("/api/sessions?outbound_event_token={token}")),
            line("DELETE", "/api/sessions/hq/none".to_owned()) + &bearer,
            format!("GET /events?outbound_event_token={token}\r\n"),
            format!("POST /events?outbound_event_token={token} HTTP/9.9\r\nHost: x\r\n"),
            format!("POST /events?outbound_event_token={token} {token} HTTP/1.1\r\nHost: x\r\n"),
            line("POST", "/events".to_owned()) + &format!("Authorization: Bearer \u{1}{token}\r\n"),
            line("POST", "/events".to_owned()) + &format!("{token}\r\n"),
            line("POST", format!("/events?outbound_event_token={token}\u{fffd}")),
        ]);
        for uri in ["sessions", "sessions/hq/x", "events", "events?x=1", "set-aside?cursor=x", "stats", "nowhere"] {
            heads.push(line("GET", format!("/api/{uri}")) + &bearer);
        }
    }
    heads
}

#[test]
fn no_token_is_in_a_log_an_answer_or_the_store() {
    let settings = [&format!("ingest_tokens=another-token-of-mine,{TOKEN}"), &format!("read_tokens={READ}")];
    let recipient = Recipient::start_host(&settings.map(String::as_str), |mut command| {
        command.env("RUST_LOG", "trace");
        command
    });
    let mut answered = 0;
    for head in heads() {
        for body in [numbered(1), "no event".to_owned(), String::new()] {
            let mut connection = recipient.connect();
            let length = if head.contains("Content-Length") {
                String::new()
            } else {
                format!("Content-Length: {}\r\n", body.len())
            };
            let _ = connection.try_send(format!("{head}{length}\r\n{body}"));
            let _ = connection.stream().shutdown(Shutdown::Write);
            // Some requests are not HTTP, and their connections are closed.
            let Ok(response) = connection.try_receive() else { continue };
            assert_no_secret(&head, &format!("{:?} {}", response.headers, response.text()));
            answered += 1;
        }
    }
    assert!(answered > heads().len(), "{answered} requests were answered");
    let stored = recipient.stored();
    assert_eq!(stored.len(), 4, "an event, and a body that is none, for each of two sites: {stored:?}");
    for (key, value) in stored {
        assert_no_secret("the store", &format!("{key} {}", String::from_utf8_lossy(&value)));
    }
    let log = recipient.log();
    assert!(log.contains("DEBUG") && log.contains("/api/sessions"), "the log tells nothing at all: {log}");
    assert_no_secret("the log", &log);
}

#[test]
fn a_body_with_a_token_is_stored_and_not_shown() {
    let settings = [&format!("ingest_tokens={TOKEN}"), "invalid_events=reject"];
    let recipient = Recipient::start_host(&settings, |mut command| {
        command.env("RUST_LOG", "trace");
        command
    });
    let uri = format!("/events?outbound_event_token={TOKEN}");
    for body in [format!("{}&note={TOKEN}", numbered(1)), format!("event={TOKEN}&timestamp={TOKEN}&lsid=+{TOKEN}")] {
        let response = recipient.post(&uri, body);
        assert_no_secret("the answer", &format!("{:?} {}", response.headers, response.text()));
    }
    assert!(recipient.stored().iter().all(|(_, value)| String::from_utf8_lossy(value).contains(TOKEN)));
    assert_eq!(recipient.stored().len(), 2);
    assert_no_secret("the log", &recipient.log());
}

#[test]
fn errors_of_settings_do_not_contain_their_values() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let tokens = format!("ingest_tokens={TOKEN}");
    let misnamed = format!("ingest_token={TOKEN}");
    let list = format!("ingest_tokens={TOKEN},short");
    let spaced = format!("read_tokens={READ} ");
    let no_name = file("no-name.env", format!("{TOKEN}\n"));
    let quoted = file("quoted.env", format!("SPIN_VARIABLE_INGEST_TOKENS=\"{TOKEN}\nSPIN_VARIABLE_INGEST_OPEN=true\n"));
    let blank = file("blank.env", format!("SPIN_VARIABLE_INGEST_TOKENS={TOKEN} {READ}\n"));
    let mistyped = file("mistyped.env", format!("SPIN_VARIABLE_INGEST_TOKEN={TOKEN}\n"));
    let short = file("short.env", format!("SPIN_VARIABLE_READ_TOKENS={READ},short\n"));
    let cases: [&[&str]; 10] = [
        &["--variable", &misnamed],
        &["--variable", TOKEN],
        &["--variable", &list],
        &["--variable", &spaced],
        &["--variable", &tokens, "--variable", "ingest_open=yes"],
        &["--env-file", &no_name],
        &["--env-file", &quoted],
        &["--env-file", &blank],
        &["--env-file", &mistyped],
        &["--env-file", &short],
    ];
    for arguments in cases {
        let mut host = host();
        host.arg("serve").args(arguments).env("RUST_LOG", "trace");
        let output = support::to_its_end(host);
        let says = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!output.status.success() && says.contains("error: "), "{arguments:?}: {says}");
        assert_no_secret(&format!("{arguments:?}"), &says);
    }
    let mut host = host();
    host.arg("serve").env("SPIN_VARIABLE_INGEST_TOKENS", format!("{TOKEN},short"));
    let environment = support::to_its_end(host);
    let says = String::from_utf8_lossy(&environment.stderr);
    assert!(says.contains("ingest_tokens"), "{says}");
    assert_no_secret("the environment", &says);
}

#[test]
fn debug_shows_no_token() {
    let read = |tokens: &str| Settings::from_variables(|name| Ok(name.ends_with("_tokens").then(|| tokens.to_owned())));
    let good = read(&SECRETS.join(",")).unwrap();
    let bad = read(&format!("{TOKEN},short")).unwrap_err();
    let variables = HashMap::from([("ingest_tokens".to_owned(), TOKEN.to_owned())]);
    let no_guest = Guest::new(b"(component", KeyValueStore::memory(), variables, Limits::default());
    assert_no_secret("Settings", &format!("{good:?}"));
    assert_no_secret("Ingest", &format!("{:?}", good.ingest));
    assert_no_secret("Tokens", &format!("{:?}", good.read_tokens));
    assert_no_secret("SettingsError", &format!("{bad:?} {bad}"));
    assert_no_secret("what makes no guest", &format!("{:?}", no_guest.err().unwrap()));
}
