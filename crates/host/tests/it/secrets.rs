//! No token that the host is configured with is ever told: not in its log, not in an answer, not in what it stores.

use std::collections::HashMap;
use std::net::Shutdown;

use crate::support::{self, Recipient, TOKEN, host, numbered};
use outbound_events::settings::Settings;
use outbound_events_host::guest::{Guest, Limits};
use outbound_events_host::store::KeyValueStore;

const READ: &str = "a-read-token-of-many-characters";
const SECRETS: [&str; 2] = [TOKEN, READ];

fn assert_untold(what: &str, told: &str) {
    for secret in SECRETS {
        assert!(!told.contains(secret), "{what} tells {secret}: {told}");
    }
}

/// Heads that carry a token: where it belongs, where it was mistyped to, and where nobody would look for it. All but the last
/// lines, which end a head.
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
            // Some of them are no HTTP, and are hung up on.
            let Ok(response) = connection.try_receive() else { continue };
            assert_untold(&head, &format!("{:?} {}", response.headers, response.text()));
            answered += 1;
        }
    }
    assert!(answered > heads().len(), "{answered} requests were answered");
    let stored = recipient.stored();
    assert_eq!(stored.len(), 4, "an event, and a body that is none, for each of two sites: {stored:?}");
    for (key, value) in stored {
        assert_untold("the store", &format!("{key} {}", String::from_utf8_lossy(&value)));
    }
    let log = recipient.log();
    assert!(log.contains("DEBUG") && log.contains("/api/sessions"), "the log tells nothing at all: {log}");
    assert_untold("the log", &log);
}

#[test]
fn a_body_that_holds_a_token_is_kept_as_it_came_and_told_to_nobody() {
    let settings = [&format!("ingest_tokens={TOKEN}"), "invalid_events=reject"];
    let recipient = Recipient::start_host(&settings, |mut command| {
        command.env("RUST_LOG", "trace");
        command
    });
    let uri = format!("/events?outbound_event_token={TOKEN}");
    for body in [format!("{}&note={TOKEN}", numbered(1)), format!("event={TOKEN}&timestamp={TOKEN}&lsid=+{TOKEN}")] {
        let response = recipient.post(&uri, body);
        assert_untold("the answer", &format!("{:?} {}", response.headers, response.text()));
    }
    assert!(recipient.stored().iter().all(|(_, value)| String::from_utf8_lossy(value).contains(TOKEN)));
    assert_eq!(recipient.stored().len(), 2);
    assert_untold("the log", &recipient.log());
}

#[test]
fn what_is_wrong_with_the_settings_is_told_without_what_they_hold() {
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
        assert_untold(&format!("{arguments:?}"), &says);
    }
    let mut host = host();
    host.arg("serve").env("SPIN_VARIABLE_INGEST_TOKENS", format!("{TOKEN},short"));
    let environment = support::to_its_end(host);
    let says = String::from_utf8_lossy(&environment.stderr);
    assert!(says.contains("ingest_tokens"), "{says}");
    assert_untold("the environment", &says);
}

#[test]
fn debug_shows_no_token() {
    let read = |tokens: &str| Settings::read(|name| Ok(name.ends_with("_tokens").then(|| tokens.to_owned())));
    let good = read(&SECRETS.join(",")).unwrap();
    let bad = read(&format!("{TOKEN},short")).unwrap_err();
    let variables = HashMap::from([("ingest_tokens".to_owned(), TOKEN.to_owned())]);
    let no_guest = Guest::new(b"(component", KeyValueStore::memory(), variables, Limits::default());
    assert_untold("Settings", &format!("{good:?}"));
    assert_untold("Ingest", &format!("{:?}", good.ingest));
    assert_untold("Tokens", &format!("{:?}", good.read_tokens));
    assert_untold("SettingsError", &format!("{bad:?} {bad}"));
    assert_untold("what makes no guest", &format!("{:?}", no_guest.err().unwrap()));
}
