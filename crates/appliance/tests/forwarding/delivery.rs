//! Delivery: every event arrives signed, in order and once. A destination that hangs does not delay others.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use appliance::receive::{Received, Signature};
use serde_json::{Value, json};

use crate::desk::{SECRET, TestDestination, api, events, start, status_of};
use crate::support::recipient::{Kind, Recipient, root};
use crate::support::{send, wait_until};

#[test]
fn each_event_arrives_signed_in_order_and_once_also_after_an_outage() {
    let desk = TestDestination::open(&[SECRET]);
    let recipient = start(&json!([desk.destination("desk")]));
    assert_eq!(send(&events(&recipient), &["--sessions", "20"]).code, Some(0));
    let stored = recipient.stored().len();
    wait_until("all of it arrives", || desk.ids().len() == stored);
    desk.behave(Some(503), Duration::ZERO);
    assert_eq!(send(&events(&recipient), &["--sessions", "20", "--seed", "2"]).code, Some(0));
    wait_until("it is said to fail", || status_of(&recipient, "desk")["state"] == "failing");
    assert_eq!(api(&recipient, "GET", "/api/stats").1["unwell"], json!([{ "name": "desk", "state": "failing" }]));
    desk.behave(None, Duration::ZERO);
    let stored = recipient.stored().len();
    wait_until("the rest arrives", || desk.ids().len() == stored);
    wait_until("it is said to work", || status_of(&recipient, "desk")["state"] == "working");
    let taken = desk.taken();
    assert_eq!(taken.len(), stored, "an event arrived twice");
    assert!(taken.iter().all(|received| received.signature == Signature::Good));
    let order = |received: &Received| {
        let event: Value = serde_json::from_slice(&received.body).unwrap();
        (event["time"].as_str().unwrap().to_owned(), event["recordedtime"].as_str().unwrap().to_owned())
    };
    let first = send_order(&taken, 1);
    assert!(first.iter().map(order).is_sorted(), "the events of the first command are in order");
    let bodies: BTreeSet<_> = taken.iter().map(|received| received.body.to_vec()).collect();
    let records: BTreeSet<_> = recipient.stored().into_iter().map(|(_, value)| value).collect();
    assert_eq!(bodies, records, "a body differs from its stored record");
    are_verified_by_others(&taken);
}

/// The first third: events of the first `appliance send` only, since the second has the same times.
fn send_order(taken: &[Received], part: usize) -> &[Received] {
    &taken[..taken.len() * part / 3]
}

/// Python's own libraries verify and parse the requests.
fn are_verified_by_others(taken: &[Received]) {
    let python = root().join("target/python/bin/python");
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
fn a_hanging_destination_delays_no_other_and_a_clean_stop_repeats_nothing() {
    let (slow, desk) = (TestDestination::open(&[]), TestDestination::open(&[]));
    slow.behave(None, Duration::from_secs(60));
    let mut recipient = start(&json!([slow.destination("slow"), desk.destination("desk")]));
    assert_eq!(send(&events(&recipient), &["--sessions", "10"]).code, Some(0));
    let stored = recipient.stored().len();
    wait_until("the other has all", || desk.ids().len() == stored);
    assert!(slow.taken().is_empty());
    wait_until("it is said to fail", || {
        status_of(&recipient, "slow")["last_error"].as_str().is_some_and(|error| error.contains("15 s"))
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
    assert_eq!(desk.taken().len(), stored, "an event arrived twice");
}
