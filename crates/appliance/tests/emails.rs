//! Emails through a real SMTP server. Python's own parser reads what the server received.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use appliance::email::{Email, Encryption, Relay};
use appliance::macros::{EmailTemplate, Macro, render};
use appliance::session::SupportSession;
use appliance::story::Story;
use chrono::DateTime;
use outbound_events::event::EventName;
use serde_json::json;
use support::authority::Authority;
use support::smtp::SmtpServer;
use support::{RunningAppliance, wait_until};

const SESSIONS: &str = "[sessions]\nper_minute = 600\nseed = 7\nspeed = 10000\n";

fn smtp(port: u16, more: &str) -> String {
    format!("[smtp]\nhost = \"127.0.0.1\"\nport = {port}\nfrom = \"Appliance <appliance@example.com>\"\n{more}\n")
}

const PLAIN: &str = "encryption = \"none\"";

fn recipient(event: &str, subject: &str, body: &str, more: &str) -> String {
    format!(
        "[[email_recipient]]\nname = \"Desk\"\naddresses = [\"desk@example.com\", \"Zoë <zoe@example.com>\"]\nevents = [\"{event}\"]\nsubject = '''{subject}'''\nbody = '''{body}'''\nretry_interval = \"50ms\"\n{more}\n"
    )
}

/// The body of a template with every macro of an event, one on each line.
fn every_macro(event: &str) -> String {
    let known = Macro::ALL.into_iter().filter(|known| known.entry().events.iter().any(|e| e.to_string() == event));
    known.map(|known| format!("{}={known}\n", known.entry().name)).collect()
}

fn session_of(email: &serde_json::Value) -> SupportSession {
    let subject = email["subject"].as_str().unwrap();
    let lsid = subject.split(' ').next().unwrap();
    (0..10_000).map(|number| SupportSession::generate(7, number)).find(|session| session.lsid == lsid).unwrap()
}

#[test]
fn macros_become_the_values_of_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let server = SmtpServer::start(folder.path());
    let template = every_macro("Support Session End");
    let subject = "%LSID% %LSEQ%: %CUSTOMER_NAME% / %PRIMARY_REP_USER_NAME% [%SESSION.CUSTOM.EXTERNAL_KEY%]";
    let config =
        [SESSIONS, &smtp(server.port, PLAIN), &recipient("Support Session End", subject, &template, "")].concat();
    let running = RunningAppliance::start(folder.path(), &config);
    let emails = server.wait_for_emails(10);
    let mut with_key = 0;
    for email in &emails {
        let session = session_of(email);
        let end = session.steps.iter().find(|step| step.event == EventName::End).unwrap();
        let key = end.external_key().unwrap_or_default();
        with_key += usize::from(!key.is_empty());
        let user = session.primary.as_ref().map_or("", |primary| primary.username.as_str());
        // A key with line breaks becomes one line in a subject.
        let key_in_subject: String = key.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let expected =
            format!("{} {}: {} / {user} [{key_in_subject}]", session.lsid, session.number + 1, session.customer);
        assert_eq!(email["subject"], expected);
        assert_eq!(email["from"], "Appliance <appliance@example.com>");
        assert_eq!(email["to"], json!(["desk@example.com", "zoe@example.com"]));
        assert_eq!(email["recipients"], email["to"]);
        // The whole body. The test cannot know the two times, and checks them against each other.
        let body = email["body"].as_str().unwrap();
        let time = |name: &str| {
            let line = body.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            DateTime::parse_from_rfc3339(line).unwrap().timestamp().unsigned_abs()
        };
        let started = time("START_TIME=");
        assert_eq!(time("END_TIME="), started + session.ended_after());
        let external_key = end.external_key();
        let story = Story { session: &session, started, ended: started + session.ended_after(), external_key };
        // The encoding can append a line break.
        assert_eq!(body.trim_end(), render(&EmailTemplate::parse(&template), &story).trim_end());
        for known in Macro::ALL {
            assert!(!body.contains(&known.to_string()), "{body:?}");
        }
    }
    assert!(with_key > 0 && with_key < emails.len(), "{with_key} of {}", emails.len());
    wait_until("the status is OK", || running.status("Desk").is_some_and(|status| status == "OK"));
}

#[test]
fn each_of_the_three_events_sends_only_its_own_emails() {
    for (event, name) in [
        ("Customer Exit Survey is Completed", EventName::CustomerExitSurveyCompleted),
        ("Representative Survey is Completed", EventName::RepExitSurveyCompleted),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let server = SmtpServer::start(folder.path());
        let config =
            [SESSIONS, &smtp(server.port, PLAIN), &recipient(event, "%LSID% %LSEQ%", &every_macro(event), "")].concat();
        let _running = RunningAppliance::start(folder.path(), &config);
        for email in server.wait_for_emails(5) {
            let session = session_of(&email);
            assert!(session.steps.iter().any(|step| step.event == name), "{session:?}");
            let body = email["body"].as_str().unwrap();
            assert!(
                body.contains("EXIT_SURVEY=How satisfied are you?") || body.contains("EXIT_SURVEY=Was the problem"),
                "{email}"
            );
        }
    }
}

#[test]
fn a_server_that_was_down_gets_every_email_once() {
    let folder = tempfile::tempdir().unwrap();
    // A free port below the range from which the system assigns ports.
    let port = (20_000..30_000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap();
    let desk = recipient("Support Session End", "%LSID%", "ended", "");
    let running = RunningAppliance::start(folder.path(), &[SESSIONS, &smtp(port, PLAIN), &desk].concat());
    wait_until("emails are queued", || running.queued("Desk") > 5);
    let status = running.status("Desk").unwrap();
    assert!(status.contains("Connection refused"), "{status}");
    assert_eq!(running.stop(), Some(0));
    let server = SmtpServer::start_with(folder.path(), port, &[]);
    let running = RunningAppliance::start(folder.path(), &[&smtp(port, PLAIN), desk.as_str()].concat());
    wait_until("the queue is empty", || running.lines_of("Desk").pop() == Some(("OK".to_owned(), 0)));
    let emails = server.emails();
    let lsids: BTreeSet<_> = emails.iter().map(|email| email["subject"].to_string()).collect();
    assert_eq!(lsids.len(), emails.len(), "an email came twice");
    assert!(emails.len() > 5);
}

#[test]
fn the_status_quotes_the_server_and_a_failing_email_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let server = SmtpServer::start(folder.path());
    let desk = recipient("Support Session End", "%LSID%", "ended", "retry_duration = \"100ms\"")
        .replace("desk@example.com", "nobody@example.com")
        .replace(", \"Zoë <zoe@example.com>\"", "");
    let running = RunningAppliance::start(folder.path(), &[SESSIONS, &smtp(server.port, PLAIN), &desk].concat());
    wait_until("an email is dropped", || running.stderr().contains("email/Desk: dropped an email: "));
    let words = "nobody@example.com was refused: permanent error (550): 5.1.1 There is nobody of that name";
    wait_until("the status says why", || running.status("Desk").is_some_and(|status| status == words));
    assert_eq!(server.emails().len(), 0);
}

#[test]
fn a_refused_address_is_named_and_the_others_get_the_email_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = SmtpServer::start(folder.path());
    let desk = recipient("Support Session End", "%LSID%", "ended", "")
        .replace("desk@example.com", "nobody@example.com\", \"nobody.else@example.com");
    let running = RunningAppliance::start(folder.path(), &[SESSIONS, &smtp(server.port, PLAIN), &desk].concat());
    let emails = server.wait_for_emails(5);
    let lsids: BTreeSet<_> = emails.iter().map(|email| email["subject"].to_string()).collect();
    assert_eq!(lsids.len(), emails.len(), "an email came twice");
    for email in &emails {
        assert_eq!(email["recipients"], json!(["zoe@example.com"]));
        // The header still names all addressees.
        assert_eq!(email["to"], json!(["nobody@example.com", "nobody.else@example.com", "zoe@example.com"]));
    }
    let because = "was refused: permanent error (550): 5.1.1 There is nobody of that name";
    let status = format!("OK, but nobody@example.com {because}; nobody.else@example.com {because}");
    wait_until("the status names both", || running.status("Desk").is_some_and(|known| known == status));
    let log = running.stderr();
    for address in ["nobody@example.com", "nobody.else@example.com"] {
        let line = format!("email/Desk: sent an email, but {address} {because}\n");
        assert_eq!(log.matches(&line).count(), 1, "not once for each email: {log}");
    }
}

#[tokio::test]
async fn a_temporary_refusal_of_one_address_fails_the_attempt_for_all() {
    let folder = tempfile::tempdir().unwrap();
    let server = SmtpServer::start(folder.path());
    let from = "appliance@example.com".parse().unwrap();
    let to = ["desk@example.com", "later@example.com"].map(|address| address.parse().unwrap());
    let relay = Relay::new("127.0.0.1", server.port, Encryption::None, None, Duration::from_secs(60)).unwrap();
    let failure = relay.send(&Email::new(&from, &to, "subject", "body").unwrap()).await.unwrap_err();
    assert_eq!(failure.to_string(), "transient error (450): 4.2.1 Try again later");
    assert_eq!(server.emails().len(), 0);
}

#[test]
fn a_silent_server_is_a_timeout() {
    let folder = tempfile::tempdir().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let desk = recipient("Support Session End", "%LSID%", "ended", "retry_duration = \"100ms\"");
    let config = [SESSIONS, &smtp(port, "encryption = \"none\"\ntimeout = \"200ms\""), &desk].concat();
    let running = RunningAppliance::start(folder.path(), &config);
    wait_until("an email is dropped", || running.stderr().contains("dropped an email: no answer within 200ms"));
    wait_until("the status says why", || {
        running.status("Desk").is_some_and(|status| status == "no answer within 200ms")
    });
}

#[test]
fn tls_and_credentials_are_required_as_configured() {
    let folder = tempfile::tempdir().unwrap();
    let own = Authority::new("own");
    let text = |path: PathBuf| path.to_str().unwrap().to_owned();
    let ca = text(own.file(folder.path(), "own.pem"));
    let other_ca = text(Authority::new("other").file(folder.path(), "other.pem"));
    let (certificate, key) = own.certificate();
    let [certificate, key] = [("certificate", certificate.pem()), ("key", key.serialize_pem())].map(|(name, pem)| {
        let path = folder.path().join(name);
        std::fs::write(&path, pem).unwrap();
        text(path)
    });
    let desk = recipient("Support Session End", "%LSID%", "ended", "");
    let login = |password: &str| format!("username = \"appliance\"\npassword = \"{password}\"\n");
    for (encryption, more, without) in
        [("starttls", &[][..], "530"), ("implicit", &["--implicit"], "no answer within 500ms")]
    {
        let arguments = [&["--tls", &certificate, &key, "--login", "appliance", "sesame"], more].concat();
        let folder = tempfile::tempdir().unwrap();
        let server = SmtpServer::start_with(folder.path(), 0, &arguments);
        let with_ca = |ca: &str| format!("encryption = \"{encryption}\"\nca_certificate = '{ca}'\n");
        for (more, expected) in [
            (format!("{PLAIN}\ntimeout = \"500ms\"\n"), without),
            (format!("{}{}", with_ca(&other_ca), login("sesame")), "invalid peer certificate"),
            (format!("encryption = \"{encryption}\"\n{}", login("sesame")), "invalid peer certificate"),
            (format!("{}{}", with_ca(&ca), login("wrong")), "535"),
        ] {
            let running =
                RunningAppliance::start(folder.path(), &[SESSIONS, &smtp(server.port, &more), &desk].concat());
            wait_until(expected, || running.status("Desk").is_some_and(|status| status.contains(expected)));
            running.kill();
            assert_eq!(server.emails().len(), 0);
        }
        let right = format!("{}{}", with_ca(&ca), login("sesame"));
        let _running = RunningAppliance::start(folder.path(), &[SESSIONS, &smtp(server.port, &right), &desk].concat());
        for email in server.wait_for_emails(3) {
            assert_eq!((&email["encrypted"], &email["login"]), (&json!(true), &json!(true)));
        }
    }
}

#[test]
fn implicit_tls_to_a_server_without_it_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let server = SmtpServer::start(folder.path());
    let desk = recipient("Support Session End", "%LSID%", "ended", "");
    let config = [SESSIONS, &smtp(server.port, "encryption = \"implicit\""), &desk].concat();
    let running = RunningAppliance::start(folder.path(), &config);
    wait_until("the status says why", || {
        running.status("Desk").is_some_and(|status| status.contains("received corrupt message"))
    });
    assert_eq!(server.emails().len(), 0);
}

#[tokio::test]
async fn a_value_adds_no_header_no_recipient_and_no_second_email() {
    let folder = tempfile::tempdir().unwrap();
    let server = SmtpServer::start(folder.path());
    let (from, to) = ("appliance@example.com".parse().unwrap(), ["desk@example.com".parse().unwrap()]);
    let hostile =
        "x\r\nBcc: evil@example.com\r\nSubject: other\r\n\r\nbody\r\n.\r\nMAIL FROM:<evil@example.com>\r\n%LSID%";
    let relay = Relay::new("127.0.0.1", server.port, Encryption::None, None, Duration::from_secs(60)).unwrap();
    let refused = relay.send(&Email::new(&from, &to, hostile, hostile).unwrap()).await.unwrap();
    assert!(refused.is_empty(), "{refused:?}");
    let emails = server.emails();
    assert_eq!(emails.len(), 1);
    assert_eq!(emails[0]["recipients"], json!(["desk@example.com"]));
    let expected =
        ["content-transfer-encoding", "content-type", "date", "from", "message-id", "mime-version", "subject", "to"];
    let headers: Vec<_> =
        emails[0]["headers"].as_array().unwrap().iter().filter(|name| *name != "mime-version").collect();
    assert_eq!(headers, expected.iter().filter(|name| **name != "mime-version").collect::<Vec<_>>());
    assert_eq!(emails[0]["subject"], hostile.replace(['\r', '\n'], " "));
    assert_eq!(emails[0]["body"].as_str().unwrap().trim_end(), hostile.replace("\r\n", "\n"));
}
