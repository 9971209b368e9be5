//! Each form of `auth` and each format, tried by `appliance check-destinations --send` against `appliance receive`, and
//! sent by the host.

use std::process::Child;
use std::time::Duration;

use appliance::receive::{EmulatedReceiver, Misbehaviour, ReceiverAccess};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::desk::{start, status_of};
use crate::support::recipient::numbered;
use crate::support::{SendOutput, appliance, wait_until};

/// `appliance receive`, and what it prints.
struct Receive {
    child: Child,
    folder: TempDir,
}

impl Receive {
    fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let out = std::fs::File::create(folder.path().join("out")).unwrap();
        let child = appliance().args(["receive", "--listen", "127.0.0.1:0"]).args(options).stdout(out).spawn().unwrap();
        let receive = Self { child, folder };
        wait_until("it listens", || receive.printed().contains("Listening on http://"));
        receive
    }

    fn printed(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("out")).unwrap()
    }

    fn address(&self) -> String {
        self.printed().split("http://").nth(1).unwrap().split(';').next().unwrap().to_owned()
    }

    fn check(&self, destination: &Value) -> SendOutput {
        let file = self.folder.path().join("destinations.json");
        std::fs::write(&file, json!([destination]).to_string()).unwrap();
        SendOutput::new(appliance().arg("check-destinations").arg(&file).arg("--send").output().unwrap())
    }
}

impl Drop for Receive {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn each_form_of_authentication_is_checked() {
    let cases = [
        ("--basic", "jürgen:p:w", json!({ "basic": { "username": "jürgen", "password": "p:w" } })),
        ("--bearer", "abc.def", json!({ "bearer": "abc.def" })),
        ("--oauth2", "desk:s3cret/+ä", json!({ "oauth2": { "client_id": "desk", "client_secret": "s3cret/+ä" } })),
    ];
    for (option, value, auth) in cases {
        for place in ["body", "header"] {
            let receive = Receive::start(&[option, value]);
            let address = receive.address();
            let mut auth = auth.clone();
            if let Some(oauth) = auth.get_mut("oauth2") {
                oauth["token_url"] = json!(format!("http://{address}/oauth2/token"));
                oauth["credentials_in"] = json!(place);
            }
            let destination = json!({ "name": "desk", "url": format!("http://{address}/in"), "auth": auth });
            let checked = receive.check(&destination);
            assert_eq!(checked.code, Some(0), "{option}: {checked:?}");
            assert!(checked.stdout.contains("desk: 200 support_conference_begin"), "{checked:?}");
            // Nobody else may send.
            let without = receive.check(&json!({ "name": "desk", "url": format!("http://{address}/in") }));
            assert_eq!(without.code, Some(1));
            assert!(without.stdout.contains("desk: 401 support_conference_begin"), "{without:?}");
            assert!(receive.printed().contains("401 support_conference_begin"));
        }
    }
    let receive = Receive::start(&["--oauth2", "desk:right"]);
    let address = receive.address();
    let oauth = json!({ "token_url": format!("http://{address}/oauth2/token"), "client_id": "desk", "client_secret": "XYZZY-wrong" });
    let checked =
        receive.check(&json!({ "name": "desk", "url": format!("http://{address}/in"), "auth": { "oauth2": oauth } }));
    assert_eq!(checked.code, Some(1));
    let expected =
        format!("no access token from http://{address}: it answered 401 Unauthorized; correct auth.oauth2.client_id");
    assert!(checked.stdout.contains(&expected) && !checked.stdout.contains("XYZZY"), "{checked:?}");
}

#[test]
fn each_format_is_checked_and_read() {
    let formats = [
        json!({ "format": "cloudevents" }),
        json!({ "format": "ndjson" }),
        json!({ "format": "otlp" }),
        json!({ "format": "splunk-hec", "splunk_hec": { "index": "support" } }),
        json!({ "format": "form" }),
        json!({ "format": "template", "template": { "takes": "events",
            "body": "[{% for one in events %}{{ one.event }}{% if not loop.last %},{% endif %}{% endfor %}]" } }),
        json!({ "format": "template", "template": "sentinel" }),
    ];
    for format in formats {
        for batch in [None, Some(json!({}))] {
            let is_form = format["format"] == "form";
            if is_form && batch.is_some() {
                continue;
            }
            let receive = Receive::start(&[]);
            let mut destination = json!({ "name": "desk", "url": format!("http://{}/in", receive.address()) });
            destination.as_object_mut().unwrap().extend(format.as_object().unwrap().clone());
            if let Some(batch) = &batch {
                destination["batch"] = batch.clone();
            }
            let checked = receive.check(&destination);
            assert_eq!(checked.code, Some(0), "{format}: {checked:?}");
            let printed = receive.printed();
            let requests = printed.lines().filter(|line| line.contains(" 200 ")).count();
            assert_eq!(requests == 1, batch.is_some(), "{format}: {printed}");
            // What a template makes can be anything.
            if format["template"] != "sentinel" {
                assert!(
                    printed.contains("support_conference_begin") && printed.contains("support_conference_end"),
                    "{format}: {printed}"
                );
            }
        }
    }
}

#[test]
fn a_condition_decides_what_the_check_sends() {
    let receive = Receive::start(&[]);
    let destination =
        |when: &str| json!({ "name": "desk", "url": format!("http://{}/in", receive.address()), "when": when });
    let checked = receive.check(&destination("event.data.event == \"support_conference_end\""));
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(
        checked.stdout.contains("200 support_conference_end") && !checked.stdout.contains("support_conference_begin"),
        "{checked:?}"
    );
    let checked = receive.check(&destination("event.data.version + 1 == 2"));
    assert_eq!(checked.code, Some(1));
    assert!(checked.stdout.starts_with("destinations[0].when fails (line 1): "), "{checked:?}");
}

/// By the host, with tokens that the receiver forgets, in batches, and with a condition.
#[test]
fn the_host_sends_batches_with_tokens_and_a_condition() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let got: std::sync::Arc<std::sync::Mutex<Vec<String>>> = std::sync::Arc::default();
    let ledger = std::sync::Arc::clone(&got);
    let access = ReceiverAccess::oauth2("desk", "a-secret", Duration::from_secs(3600));
    let receiver = EmulatedReceiver::with_access(Vec::new(), access, Misbehaviour::default(), move |received| {
        if received.status.is_success() {
            ledger.lock().unwrap().extend(received.events.iter().filter_map(|event| event.id.clone()));
        }
    })
    .unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(receiver.clone().serve(listener));
    let oauth = json!({ "token_url": format!("http://{address}/oauth2/token"), "client_id": "desk", "client_secret": "a-secret" });
    let recipient = start(&json!([{
        "name": "desk", "url": format!("http://{address}/in"), "format": "splunk-hec", "auth": { "oauth2": oauth },
        "batch": { "max_events": 20, "max_wait_seconds": 1 }, "when": "event.data.external_key != \"no\"",
    }]));
    let mut wanted = Vec::new();
    for number in 0..60_usize {
        let reply = recipient.post(
            "/events/hq",
            format!("{}&external_key={}", numbered(number), if number % 3 == 0 { "no" } else { "yes" }),
        );
        if number % 3 != 0 {
            wanted.push(reply.header("event-id").to_owned());
        }
        if number == 30 {
            receiver.revoke_tokens();
        }
    }
    wait_until("nothing is pending", || status_of(&recipient, "desk")["pending"] == 0);
    let got = got.lock().unwrap().clone();
    assert_eq!(got.iter().collect::<std::collections::BTreeSet<_>>(), wanted.iter().collect());
    let status = status_of(&recipient, "desk");
    assert_eq!((&status["refused"], &status["state"]), (&json!(0), &json!("working")));
    // The state is stored when the run ends.
    let is_of_several = |attempt: &Value| attempt["events"].as_u64() > Some(1) && attempt["answer"] == "200 OK";
    wait_until("an attempt has several events", || {
        status_of(&recipient, "desk")["attempts"].as_array().unwrap().iter().any(is_of_several)
    });
}
