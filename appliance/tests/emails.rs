//! Emails through a real SMTP server, and what it received, parsed by a parser that is not ours.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::path::Path;

use appliance::email::{Email, Encryption, Relay};
use appliance::session::Session;
use outbound_events::event::EventName;
use outbound_events::macros::Macro;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::json;
use support::smtp::SmtpServer;
use support::{Running, wait_until};

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

/// A template with every macro that the event and the place may have, each on a line of its own.
fn every_macro(event: &str) -> String {
    let known = Macro::ALL.into_iter().filter(|known| known.entry().events.iter().any(|e| e.to_string() == event));
    known.map(|known| format!("{}={known}\n", known.entry().name)).collect()
}

fn session_of(email: &serde_json::Value) -> Session {
    let subject = email["subject"].as_str().unwrap();
    let lsid = subject.split(' ').next().unwrap();
    (0..10_000).map(|number| Session::make(7, number)).find(|session| session.lsid == lsid).unwrap()
}

#[test]
fn an_email_holds_what_its_macros_stand_for() {
    let folder = tempfile::tempdir().unwrap();
    let server = SmtpServer::start(folder.path());
    let body = every_macro("Support Session End");
    let subject = "%LSID% %LSEQ%: %CUSTOMER_NAME% / %PRIMARY_REP_USER_NAME% [%SESSION.CUSTOM.EXTERNAL_KEY%]";
    let config = [SESSIONS, &smtp(server.port, PLAIN), &recipient("Support Session End", subject, &body, "")].concat();
    let running = Running::start(folder.path(), &config);
    let emails = server.wait_for_emails(10);
    let mut with_key = 0;
    for email in &emails {
        let session = session_of(email);
        let end = session.steps.iter().find(|step| step.event() == Ok(EventName::End)).unwrap();
        let key = end.external_key().unwrap_or_default();
        with_key += usize::from(!key.is_empty());
        let user = session.primary.as_ref().map_or("", |primary| primary.username.as_str());
        // A key with line breaks in it is one line in a subject.
        let key_in_subject: String = key.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let expected =
            format!("{} {}: {} / {user} [{key_in_subject}]", session.lsid, session.number + 1, session.customer);
        assert_eq!(email["subject"], expected);
        assert_eq!(email["from"], "Appliance <appliance@example.com>");
        assert_eq!(email["to"], json!(["desk@example.com", "zoe@example.com"]));
        assert_eq!(email["recipients"], email["to"]);
        let body = email["body"].as_str().unwrap();
        for line in [
            format!("LSID={}\n", session.lsid),
            format!("SESSION.CUSTOM.EXTERNAL_KEY={key}\n"),
            format!("CUSTOMER_NAME={}\n", session.customer),
            format!("CUSTOMER_COMPUTER-NAME={}\n", session.computer),
            format!("Customer: {} (192.0.2.", session.customer),
            "SESSION_CHAT=".to_owned(),
            format!("COMMAND_SHELL_RECORDING=https://appliance.example/recordings/{}/shell/1\nhttps://", session.lsid),
        ] {
            assert!(body.contains(&line), "{line:?} is not in {body:?}");
        }
        assert!(!body.contains('%') || body.contains("100%") || body.contains("50% & more"), "{body:?}");
    }
    assert!(with_key > 0 && with_key < emails.len(), "{with_key} of {}", emails.len());
    wait_until("the status is OK", || running.row("Desk").is_some_and(|[_, status, _]| status == "OK"));
}

#[test]
fn each_of_the_three_events_sends_its_emails_and_no_other() {
    for (event, name) in [
        ("Customer Exit Survey is Completed", EventName::CustomerExitSurveyCompleted),
        ("Representative Survey is Completed", EventName::RepExitSurveyCompleted),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let server = SmtpServer::start(folder.path());
        let config =
            [SESSIONS, &smtp(server.port, PLAIN), &recipient(event, "%LSID% %LSEQ%", &every_macro(event), "")].concat();
        let _running = Running::start(folder.path(), &config);
        for email in server.wait_for_emails(5) {
            let session = session_of(&email);
            assert!(session.steps.iter().any(|step| step.event().unwrap() == name), "{session:?}");
            assert!(email["body"].as_str().unwrap().contains("EXIT_SURVEY="), "{email}");
        }
    }
}

#[test]
fn a_server_that_is_down_and_then_up_gets_every_email() {
    let folder = tempfile::tempdir().unwrap();
    // A port that was free a moment ago.
    let port = SmtpServer::start(folder.path()).port;
    let desk = recipient("Support Session End", "%LSID%", "ended", "");
    let running = Running::start(folder.path(), &[SESSIONS, &smtp(port, PLAIN), &desk].concat());
    wait_until("emails are queued", || running.queued("Desk") > 5);
    let status = running.row("Desk").unwrap()[1].clone();
    assert!(status.contains("Connection refused"), "{status}");
    assert_eq!(running.stop(), Some(0));
    let server = SmtpServer::start_with(folder.path(), port, &[]);
    let running = Running::start(folder.path(), &[&smtp(port, PLAIN), desk.as_str()].concat());
    wait_until("the queue is empty", || {
        running.row("Desk").is_some_and(|[_, status, queued]| (status.as_str(), queued.as_str()) == ("OK", "0"))
    });
    let emails = server.emails();
    let lsids: std::collections::BTreeSet<_> = emails.iter().map(|email| email["subject"].to_string()).collect();
    assert_eq!(lsids.len(), emails.len(), "an email came twice");
    assert!(emails.len() > 5);
}

#[test]
fn the_status_is_in_the_servers_words_and_what_fails_for_too_long_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let server = SmtpServer::start(folder.path());
    let desk = recipient("Support Session End", "%LSID%", "ended", "retry_duration = \"100ms\"")
        .replace("desk@example.com", "nobody@example.com");
    let running = Running::start(folder.path(), &[SESSIONS, &smtp(server.port, PLAIN), &desk].concat());
    wait_until("an email is dropped", || running.stderr().contains("email/Desk: dropped an email: "));
    let words = "permanent error (550): 5.1.1 There is nobody of that name";
    wait_until("the status says why", || running.row("Desk").is_some_and(|[_, status, _]| status == words));
    assert_eq!(server.emails().len(), 0);
}

/// A certificate for 127.0.0.1 and its key in files, and the CA that signed it.
fn certificate(folder: &Path, name: &str) -> [String; 3] {
    let mut parameters = CertificateParams::new([]).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(DnType::CommonName, name);
    let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    [("ca", authority.pem()), ("certificate", certificate.pem()), ("key", key.serialize_pem())].map(|(kind, pem)| {
        let path = folder.join(format!("{name}-{kind}.pem"));
        std::fs::write(&path, pem).unwrap();
        path.to_str().unwrap().to_owned()
    })
}

#[test]
fn starttls_and_credentials_are_what_they_must_be() {
    let folder = tempfile::tempdir().unwrap();
    let [ca, certificate_file, key] = certificate(folder.path(), "own");
    let [other_ca, ..] = certificate(folder.path(), "other");
    let arguments = ["--tls", &certificate_file, &key, "--login", "appliance", "sesame"];
    let server = SmtpServer::start_with(folder.path(), 0, &arguments);
    let desk = recipient("Support Session End", "%LSID%", "ended", "");
    let login = |password: &str| format!("username = \"appliance\"\npassword = \"{password}\"\n");
    let starttls = |ca: &str| format!("encryption = \"starttls\"\nca_certificate = '{ca}'\n");
    for (more, expected) in [
        (format!("{PLAIN}\n"), "530"),
        (format!("{}{}", starttls(&other_ca), login("sesame")), "invalid peer certificate"),
        (format!("encryption = \"starttls\"\n{}", login("sesame")), "invalid peer certificate"),
        (format!("{}{}", starttls(&ca), login("wrong")), "535"),
    ] {
        let running = Running::start(folder.path(), &[SESSIONS, &smtp(server.port, &more), &desk].concat());
        wait_until(expected, || running.row("Desk").is_some_and(|[_, status, _]| status.contains(expected)));
        running.kill();
        assert_eq!(server.emails().len(), 0);
    }
    let right = format!("{}{}", starttls(&ca), login("sesame"));
    let _running = Running::start(folder.path(), &[SESSIONS, &smtp(server.port, &right), &desk].concat());
    for email in server.wait_for_emails(3) {
        assert_eq!((&email["encrypted"], &email["login"]), (&json!(true), &json!(true)));
    }
}

#[tokio::test]
async fn a_value_adds_no_header_no_recipient_and_no_second_email() {
    let folder = tempfile::tempdir().unwrap();
    let server = SmtpServer::start(folder.path());
    let (from, to) = ("appliance@example.com".parse().unwrap(), ["desk@example.com".parse().unwrap()]);
    let hostile =
        "x\r\nBcc: evil@example.com\r\nSubject: other\r\n\r\nbody\r\n.\r\nMAIL FROM:<evil@example.com>\r\n%LSID%";
    let relay = Relay::new("127.0.0.1", server.port, Encryption::None, None).unwrap();
    relay.send(&Email::new(&from, &to, hostile, hostile).unwrap()).await.unwrap();
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
