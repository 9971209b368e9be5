//! The command: its arguments, its output and its exit codes.

use std::io::Write as _;
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use crate::authority::Authority;
use crate::support::{GUARDED, Kind, OPEN, Recipient, TOKEN, component, host, numbered, to_its_end};
use serde_json::{Value, json};

/// Runs the host to its end, which must be a failure, and returns its error output.
fn fails(arguments: &[&str]) -> String {
    let mut host = host();
    host.args(arguments);
    let output = to_its_end(host);
    assert!(!output.status.success(), "{arguments:?} succeeded");
    assert!(output.stdout.is_empty(), "{arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn bad_arguments_say_what_is_expected() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (component, no_component) = (component().display().to_string(), file("not.wasm", "no component"));
    let mistyped = file("mistyped.env", "SPIN_VARIABLE_INGEST_TOKEN=a-token-of-24-characters\n");
    let broken = file("broken.env", "SPIN_VARIABLE_INGEST_TOKENS\n");
    let no_prefix = file("no-prefix.env", &format!("INGEST_TOKENS={TOKEN}\n"));
    let lower_case = file("lower-case.env", &format!("SPIN_VARIABLE_ingest_tokens={TOKEN}\n"));
    let taken = Recipient::start(Kind::Host, &[OPEN]);
    let address = taken.address.to_string();
    let cases: &[(&[&str], &str)] = &[
        (&["serve", "--variable", "ingest_token=x"], "the settings are ingest_tokens, ingest_open"),
        (&["serve", "--variable", "ingest_open"], "is not NAME=VALUE"),
        (&["serve", "--variable", "max_body_bytes=1e5"], "max_body_bytes"),
        (&["serve", "--store", "memory", "--component", &component, "--listen", "localhost"], "--listen"),
        (&["serve", "--component", "nowhere.wasm"], "cargo xtask build"),
        (&["serve", "--store", "memory", "--component", &no_component], "not.wasm cannot be served"),
        (
            &["serve", "--store", "memory", "--component", &component, "--listen", &address],
            "an address or a name, and a port",
        ),
        (&["serve", "--env-file", "nowhere.env"], "nowhere.env cannot be read"),
        (&["serve", "--env-file", &mistyped], "the settings are ingest_tokens"),
        (&["serve", "--env-file", &broken], "broken.env"),
        (&["serve", "--env-file", &no_prefix], "there is no setting INGEST_TOKENS"),
        (&["serve", "--env-file", &lower_case], "SPIN_VARIABLE_INGEST_TOKENS"),
        (&["serve", "--variable", "bucket=other"], "bucket must be default"),
        (&["serve", "--trust-forwarded", "proxy"], "neither an address nor a network"),
        (&["serve", "--bogus"], "--bogus"),
    ];
    for (arguments, expected) in cases {
        let says = fails(arguments);
        assert!(says.contains(expected), "{arguments:?}: {says}");
        assert!(!says.contains(TOKEN), "the error contains a token: {says}");
        let parts: Vec<_> = says.trim().split(": ").collect();
        assert!(parts.windows(2).all(|two| two[0] != two[1]), "a repetition: {says}");
    }
}

#[test]
fn a_mistyped_setting_in_the_environment_is_named() {
    let mut host = host();
    host.arg("serve").env("SPIN_VARIABLE_INGEST_TOKEN", TOKEN);
    let output = to_its_end(host);
    let says = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && says.contains("there is no setting \"ingest_token\""), "{says}");
    assert!(!says.contains(TOKEN), "the error contains a token: {says}");
}

#[test]
fn settings_come_from_the_command_the_environment_and_a_file_in_that_order() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("settings.env");
    let of = |place: &str| format!("the-token-of-the-{place}");
    // Starts with a byte order mark, as some editors write it.
    std::fs::write(&file, format!("\u{feff}SPIN_VARIABLE_INGEST_TOKENS={}\n# a comment\n\n", of("file"))).unwrap();
    let argument = format!("ingest_tokens={}", of("command"));
    let cases = [(true, true, "command"), (false, true, "environment"), (false, false, "file")];
    for (in_command, in_environment, expected) in cases {
        let recipient = Recipient::start_host(&[], |mut command| {
            command.arg("--env-file").arg(&file);
            if in_environment {
                command.env("SPIN_VARIABLE_INGEST_TOKENS", of("environment"));
            }
            if in_command {
                command.args(["--variable", &argument]);
            }
            command
        });
        for place in ["command", "environment", "file"] {
            let uri = format!("/?outbound_event_token={}", of(place));
            let status = recipient.post(&uri, numbered(1)).status;
            assert_eq!(status, if place == expected { 200 } else { 401 }, "{place} where {expected} counts");
        }
    }
}

#[test]
fn the_component_beside_the_program_is_the_default() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let program = folder.path().join("outbound-events-host");
    std::fs::copy(host().get_program(), &program).unwrap();
    std::fs::copy(component(), folder.path().join("outbound-events.component.wasm")).unwrap();
    let recipient = Recipient::start_host(&[], |_| {
        let mut command = Command::new(&program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--store", "memory", "--variable", OPEN]);
        command.env_clear().current_dir(elsewhere.path());
        command
    });
    assert_eq!(recipient.post("/", numbered(1)).result(), "stored");
}

#[test]
fn the_start_prints_the_address_and_an_example() {
    let recipient = Recipient::start(Kind::Host, &[OPEN]);
    recipient.post("/", numbered(1));
    let log = recipient.log();
    let address = recipient.address;
    assert!(log.contains(&format!("The appliance's URL:   http://{address}/events")), "{log}");
    assert!(log.contains("curl -i -d 'event=support_conference_begin&"), "{log}");
}

#[test]
fn without_tokens_the_start_prints_what_to_set() {
    let log = Recipient::start(Kind::Host, &[]).log();
    assert!(log.contains("not taking events") && log.contains("ingest_open=true"), "{log}");
    assert!(!log.contains("curl") && !log.contains("/events"), "what would be answered 503: {log}");
}

#[test]
fn open_ingest_is_warned_of_where_other_machines_can_reach_it() {
    let cases = [("0.0.0.0:0", OPEN, true), ("127.0.0.1:0", OPEN, false), ("0.0.0.0:0", GUARDED, false)];
    for (address, ingest, is_warned_of) in cases {
        let component = component();
        let recipient = Recipient::start_host(&[], |_| {
            let mut command = host();
            command.args(["serve", "--listen", address, "--store", "memory", "--variable", ingest, "--component"]);
            command.arg(component);
            command
        });
        let log = recipient.log();
        let warned = log.lines().find(|line| line.contains("WARN") && line.contains("without a token"));
        assert_eq!(warned.is_some(), is_warned_of, "{address}, {ingest}: {log}");
        assert!(warned.is_none_or(|line| line.contains("set ingest_tokens")), "{log}");
    }
}

#[test]
fn a_name_can_be_listened_on() {
    let component = component();
    let recipient = Recipient::start_host(&[], |_| {
        let mut command = host();
        command.args(["serve", "--listen", "localhost:0", "--store", "memory", "--variable", OPEN, "--component"]);
        command.arg(component);
        command
    });
    assert!(recipient.address.ip().is_loopback(), "{}", recipient.address);
    assert_eq!(recipient.post("/", numbered(1)).status, 200);
}

#[test]
fn a_second_host_on_a_store_is_refused_unless_shared() {
    let first = Recipient::start(Kind::Host, &[OPEN]);
    let component = component().display().to_string();
    let store = first.store_path().display().to_string();
    let second = ["serve", "--listen", "127.0.0.1:0", "--component", &component, "--store", &store];
    let says = fails(&second);
    assert!(says.contains(&format!("another host uses it, process {}", first.child.id())), "{says}");
    let shared = Recipient::start_host(&[], |_| {
        let mut command = host();
        command.args(second).args(["--shared", "--variable", OPEN]);
        command
    });
    assert_eq!(first.post("/", numbered(1)).result(), "stored");
    assert_eq!(shared.post("/", numbered(1)).result(), "duplicate");
}

#[test]
fn a_request_is_one_log_line_without_token_query_or_body() {
    let recipient = Recipient::start(Kind::Host, &[GUARDED]);
    let uri = format!("/events/hq?outbound_event_token={TOKEN}&q=a-query");
    let stored = recipient.post(&uri, format!("{}&note=a-body", numbered(1)));
    recipient.post(&uri, "a-body");
    recipient.post("/events/hq?outbound_event_token=a-wrong-token-of-mine", numbered(1));
    drop(recipient.connect());
    let log = recipient.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("request")).collect();
    assert_eq!(lines.len(), 3, "{log}");
    assert!(lines[0].contains(stored.header("event-id")) && lines[0].contains("stored"), "{log}");
    assert!(lines[1].contains("set-aside") && lines[2].contains("401"), "{log}");
    assert!(lines.iter().all(|line| line.contains("/events/hq")), "{log}");
    for secret in [TOKEN, "a-query", "a-body", "a-wrong-token-of-mine"] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}

/// The log lines of requests as JSON.
fn request_lines(recipient: &Recipient) -> Vec<Value> {
    let log = recipient.log();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["fields"]["message"] == "request").map(|mut line| line["fields"].take()).collect()
}

#[test]
fn numbers_in_a_json_log_are_numbers() {
    let recipient = Recipient::start_host(&[OPEN], |mut host| {
        host.arg("--log-json");
        host
    });
    recipient.post("/events/hq", numbered(1));
    let lines = request_lines(&recipient);
    let [line] = lines.as_slice() else { panic!("{}", recipient.log()) };
    assert!(line["status"] == 200 && line["microseconds"].is_u64(), "{line}");
    assert_eq!(
        (&line["client"], &line["method"], &line["path"]),
        (&json!("127.0.0.1"), &json!("POST"), &json!("/events/hq"))
    );
}

#[test]
fn the_log_has_the_client_address_that_a_trusted_proxy_reports() {
    for (trusted, expected) in
        [(Some("127.0.0.1"), "198.51.100.1"), (Some("10.0.0.0/8"), "127.0.0.1"), (None, "127.0.0.1")]
    {
        let recipient = Recipient::start_host(&[OPEN], |mut host| {
            host.arg("--log-json").args(trusted.iter().flat_map(|proxy| ["--trust-forwarded", *proxy]));
            host
        });
        let mut connection = recipient.connect();
        connection.send("GET /health HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.66, 198.51.100.1\r\n\r\n");
        assert_eq!(connection.receive().status, 200);
        assert_eq!(request_lines(&recipient)[0]["client"], expected, "{trusted:?} is trusted: {}", recipient.log());
    }
}

#[cfg(unix)]
#[test]
fn told_to_stop_it_finishes_what_it_accepted() {
    let mut recipient = Recipient::start(Kind::Host, &[OPEN]);
    let mut idle = recipient.connect();
    assert_eq!(idle.post("/", numbered(1)).status, 200);
    let (mut half, body) = (recipient.connect(), numbered(2));
    half.send(format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\nevent", body.len()));
    // An answer on a later connection shows that the incomplete request was accepted, too.
    assert_eq!(recipient.post("/", numbered(3)).status, 200);
    assert!(Command::new("kill").arg(recipient.child.id().to_string()).status().unwrap().success());
    assert!(idle.is_at_its_end(), "a connection that waits for nothing is closed");
    while TcpStream::connect(recipient.address).is_ok() {
        std::thread::yield_now();
    }
    half.send(&body.as_bytes()[5..]);
    assert_eq!(half.receive().result(), "stored");
    assert!(half.is_at_its_end());
    assert!(recipient.child.wait().unwrap().success(), "{}", recipient.log());
    assert_eq!(recipient.stored().len(), 3);
}

#[test]
fn a_client_that_closes_its_half_or_uses_http_1_0_is_answered() {
    let recipient = Recipient::start(Kind::Host, &[OPEN]);
    let body = numbered(1);
    let mut half_closed = recipient.connect();
    half_closed.send(format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    half_closed.stream().shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(half_closed.receive().result(), "stored");
    let mut old = recipient.connect();
    old.send(format!("POST / HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    assert_eq!(old.receive().result(), "duplicate");
    assert!(old.is_at_its_end());
}

#[test]
fn a_refused_client_can_finish_its_body_and_read_the_reason() {
    let recipient = Recipient::start(Kind::Host, &[OPEN]);
    let mut connection = recipient.connect();
    connection.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
    // The answer is sent before the body arrives, but many clients read it only after sending everything.
    assert!(connection.stream().peek(&mut [0]).unwrap() > 0);
    for _ in 0..50 {
        connection.send([b'x'; 20_000]);
    }
    assert_eq!(connection.receive().status, 413);
    assert!(connection.is_at_its_end());
}

/// Caddy answered 502 in place of our 413 when its writing failed before it had read the answer.
#[test]
fn a_refused_client_that_sends_on_can_read_the_reason_before_its_writing_fails() {
    let recipient = Recipient::start(Kind::Host, &[OPEN]);
    let mut connection = recipient.connect();
    connection.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n");
    assert!(connection.stream().peek(&mut [0]).unwrap() > 0);
    connection.stream().set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    // Until the host reads no more and all buffers are full.
    let failed = loop {
        if let Err(error) = connection.stream().write_all(&[b'x'; 20_000]) {
            break error;
        }
    };
    assert_eq!(failed.kind(), std::io::ErrorKind::WouldBlock, "{failed}");
    assert_eq!(connection.receive().status, 413);
    assert!(connection.is_at_its_end());
}

/// Runs `health`. Returns its exit code and its output.
fn health(arguments: &[&str]) -> (Option<i32>, String) {
    let output = host().arg("health").args(arguments).output().unwrap();
    let says = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code(), says)
}

#[test]
fn the_health_command_reports_a_running_host() {
    let (open, shut) = (Recipient::start(Kind::Host, &[OPEN]), Recipient::start(Kind::Host, &[]));
    let address = format!("http://{}", open.address);
    for path in ["", "/", "/health"] {
        let (code, says) = health(&[&format!("{address}{path}")]);
        assert!(code == Some(0) && says.contains("\"ready\":true"), "{path}: {says}");
    }
    let (code, says) = health(&[&format!("http://{}", shut.address)]);
    assert!(code == Some(1) && says.contains("ingest_tokens"), "{says}");
    for wrong in ["", "ftp://"] {
        let (code, says) = health(&[&format!("{wrong}{}", open.address)]);
        assert!(code == Some(2) && says.contains("does not begin with http:// or https://"), "{says}");
    }
    drop(open);
    let (code, says) = health(&[&address]);
    assert!(code == Some(2) && says.contains(&address) && says.contains("refused"), "{says}");
}

#[test]
fn an_answer_that_is_not_of_the_health_check_is_not_ready() {
    let recipient = Recipient::start(Kind::Host, &[OPEN]);
    for (path, expected) in [
        ("/index.html", "404"),
        ("/api/stats", "application/problem+json"),
        ("/openapi.yaml", "200 OK, application/yaml"),
        ("/?", "ready"),
    ] {
        let (code, says) = health(&[&format!("http://{}{path}", recipient.address)]);
        assert!(says.contains(expected), "{path}: {says}");
        assert_eq!(code, Some(if path == "/?" { 0 } else { 2 }), "{path}: {says}");
        assert!(code == Some(0) || says.contains("give the URL of the host"), "{path}: {says}");
    }
}

#[test]
fn the_health_command_asks_over_https() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), Authority::new("own"));
    let (certificate, key) = authority.certificate();
    std::fs::write(folder.path().join("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
    let authorities = authority.file(folder.path(), "ca.pem").display().to_string();
    let recipient = Recipient::start_host(&[OPEN], |mut host| {
        let file = |name| folder.path().join(name);
        host.arg("--tls-cert").arg(file("cert.pem")).arg("--tls-key").arg(file("key.pem"));
        host
    });
    let port = recipient.address.port();
    let (code, says) = health(&[&format!("https://127.0.0.1:{port}"), "--ca-certificate", &authorities]);
    assert!(code == Some(0) && says.contains("\"ready\":true"), "{says}");
    for (url, expected) in [
        (format!("https://127.0.0.1:{port}"), "unknown issuer"),
        (format!("https://localhost:{port}"), "unknown issuer"),
        (format!("http://127.0.0.1:{port}"), "must begin with https:"),
    ] {
        let (code, says) = health(&[&url]);
        assert!(code == Some(2) && says.contains(expected), "{url}: {says}");
    }
    let (code, says) = health(&[&format!("https://localhost:{port}"), "--ca-certificate", &authorities]);
    assert!(code == Some(2) && says.contains("certificate is for 127.0.0.1, not localhost"), "{says}");
}
