//! `appliance send` and `appliance replay` against the real component in the real host, with faults in between.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::io::Write as _;
use std::process::Stdio;

use appliance::agenda::Agenda;
use support::proxy::{FaultyProxy, RequestFault};
use support::recipient::{GUARDED, Kind, OPEN, Recipient, TOKEN};
use support::{SendOutput, appliance, ids, send, stored_ids, wait_until};

/// The bodies that `send --sessions N --seed 7` sends, in order.
fn agenda(sessions: u64) -> Vec<String> {
    Agenda::new(7, sessions, 0, 1, false).collect()
}

const QUICK: [&str; 4] = ["--seed", "7", "--retry-interval", "20ms"];

fn send_quickly(proxy: &FaultyProxy, arguments: &[&str]) -> SendOutput {
    send(&proxy.url(), &[&QUICK, arguments].concat())
}

#[test]
fn every_event_arrives_once_in_order_on_one_connection() {
    let recipient = Recipient::start(Kind::Host, &[OPEN]);
    let proxy = FaultyProxy::to_recipient(Some(recipient.address));
    let sent = send_quickly(&proxy, &["--sessions", "50"]);
    let all = agenda(50);
    let count = all.len() as u64;
    assert_eq!(sent.code, Some(0), "{sent:?}");
    assert_eq!((sent.figure("events"), sent.figure("accepted"), sent.figure("stored")), (count, count, count));
    assert_eq!((sent.figure("retries"), sent.figure("dropped")), (0, 0));
    assert_eq!(proxy.bodies(), all);
    assert_eq!(proxy.connections(), 1);
    assert_eq!(stored_ids(&recipient), ids(all, "default"));
    // Sending the same again stores nothing.
    let again = send_quickly(&proxy, &["--sessions", "50"]);
    assert_eq!((again.code, again.figure("duplicate"), again.figure("stored")), (Some(0), count, 0), "{again:?}");
    assert_eq!(recipient.stored().len() as u64, count);
}

#[test]
fn only_200_is_success_and_a_failure_holds_back_later_events() {
    const ELSEWHERE: &str = "HTTP/1.1 302 Found\r\nLocation: /events/elsewhere\r\nContent-Length: 0\r\n\r\n";
    let all = agenda(2);
    for fault in [
        RequestFault::Answer("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"),
        RequestFault::Answer("HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok"),
        RequestFault::Answer("HTTP/1.1 204 No Content\r\n\r\n"),
        RequestFault::Answer(ELSEWHERE),
        RequestFault::Answer("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
        RequestFault::Answer("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"),
        RequestFault::Answer("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 600\r\n\r\n"),
        RequestFault::Answer("this is not HTTP\r\n\r\n"),
        RequestFault::Close,
        RequestFault::Hang,
    ] {
        let recipient = Recipient::start(Kind::Host, &[OPEN]);
        let proxy = FaultyProxy::to_recipient(Some(recipient.address));
        proxy.inject([RequestFault::None, RequestFault::None, fault, fault]);
        // A slow machine must not cause a timeout where nothing hangs.
        let timeout = if fault == RequestFault::Hang { "3s" } else { "60s" };
        let sent = send_quickly(&proxy, &["--sessions", "2", "--timeout", timeout]);
        assert_eq!((sent.code, sent.figure("retries")), (Some(0), 2), "{fault:?} {sent:?}");
        let third = all[2].clone();
        let expected: Vec<_> =
            all[..2].iter().cloned().chain([third.clone(), third]).chain(all[2..].iter().cloned()).collect();
        assert_eq!(proxy.bodies(), expected, "{fault:?}");
        assert_eq!(stored_ids(&recipient), ids(all.clone(), "default"), "{fault:?}");
    }
}

#[test]
fn an_event_whose_answer_is_lost_is_sent_again_as_a_duplicate() {
    let recipient = Recipient::start(Kind::Host, &[OPEN]);
    let proxy = FaultyProxy::to_recipient(Some(recipient.address));
    proxy.inject([RequestFault::None, RequestFault::Swallow]);
    let sent = send_quickly(&proxy, &["--sessions", "2"]);
    let all = agenda(2);
    assert_eq!((sent.code, sent.figure("retries"), sent.figure("duplicate")), (Some(0), 1, 1), "{sent:?}");
    assert_eq!(sent.figure("stored"), all.len() as u64 - 1);
    assert_eq!(stored_ids(&recipient), ids(all, "default"));
}

#[test]
fn a_host_that_is_killed_and_restarted_loses_no_event() {
    let mut recipient = Recipient::start(Kind::Host, &[OPEN]);
    let proxy = FaultyProxy::to_recipient(Some(recipient.address));
    let sending = {
        let proxy = proxy.clone();
        std::thread::spawn(move || send_quickly(&proxy, &["--sessions", "200"]))
    };
    for killed_after in [100, 500, 1000] {
        wait_until("events get through", || proxy.count() >= killed_after);
        proxy.lead_to(None);
        recipient = recipient.kill_and_restart();
        proxy.lead_to(Some(recipient.address));
    }
    let sent = sending.join().unwrap();
    let all = agenda(200);
    assert_eq!((sent.code, sent.figure("accepted")), (Some(0), all.len() as u64), "{sent:?}");
    assert!(sent.figure("retries") >= 3, "{sent:?}");
    assert_eq!(stored_ids(&recipient), ids(all, "default"));
}

#[test]
fn an_event_that_fails_for_too_long_is_dropped_and_reported() {
    let proxy = FaultyProxy::to_recipient(None);
    proxy.always(RequestFault::Answer("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 9\r\n\r\nout \x1b[2Jx"));
    let sent = send_quickly(&proxy, &["--sessions", "1", "--retry-duration", "50ms"]);
    let all = agenda(1).len() as u64;
    assert_eq!((sent.code, sent.figure("dropped"), sent.figure("accepted")), (Some(1), all, 0), "{sent:?}");
    let first = "dropped support_conference_begin of session 2865533423d743bb2b0159d32e9b293a at 2026-01-05T08:00:06Z: HTTP 503 Service Unavailable out  [2Jx";
    assert!(sent.stderr.contains(first), "{sent:?}");
}

#[test]
fn secrets_in_answers_are_not_shown() {
    const TOKEN: &str = "a secret of 16+ characters";
    const ENCODED: &str = "a+secret+of+16%2B+characters";
    for answer in [
        format!("HTTP/1.1 301 x\r\nLocation: /events/?outbound_event_token={ENCODED}\r\nContent-Length: 0\r\n\r\n"),
        format!("HTTP/1.1 302 x\r\nLocation: //user:{ENCODED}@host/?x\r\nContent-Length: 0\r\n\r\n"),
        format!(
            "HTTP/1.1 404 x\r\nContent-Length: 99\r\n\r\n{:99}",
            format!("not found: /?outbound_event_token={ENCODED}")
        ),
        format!("HTTP/1.1 401 x\r\nContent-Length: 99\r\n\r\n{:99}", format!("wrong: {TOKEN}")),
    ] {
        let proxy = FaultyProxy::to_recipient(None);
        proxy.always(RequestFault::Answer(answer.leak()));
        let sent = send_quickly(&proxy, &["--sessions", "1", "--retry-duration", "10ms", "--token", TOKEN]);
        assert_eq!(sent.code, Some(1), "{sent:?}");
        assert!(!sent.stderr.contains(TOKEN) && !sent.stderr.contains(ENCODED), "{sent:?}");
        assert!(sent.stderr.contains(": HTTP ") && sent.stderr.contains('…'), "{sent:?}");
    }
}

#[test]
fn a_body_that_never_ends_after_a_200_is_not_waited_for() {
    let proxy = FaultyProxy::to_recipient(None);
    proxy.always(RequestFault::Answer("HTTP/1.1 200 OK\r\nContent-Length: 100\r\nEvent-Result: r1\r\n\r\nbut"));
    let sent = send_quickly(&proxy, &["--sessions", "1", "--timeout", "1h"]);
    let all = agenda(1).len() as u64;
    assert_eq!((sent.code, sent.figure("retries"), sent.figure("other")), (Some(0), 0, all), "{sent:?}");
}

#[test]
fn many_appliances_deliver_at_the_same_time() {
    let recipient = Recipient::start(Kind::Host, &[GUARDED]);
    let url = format!("http://{}/events/site-{{appliance}}", recipient.address);
    let arguments = ["--seed", "7", "--sessions", "300", "--appliances", "100", "--custom-fields", "--token", TOKEN];
    let sent = send(&url, &arguments);
    assert_eq!(sent.code, Some(0), "{sent:?}");
    let expected = (0..100).flat_map(|index| {
        let site = format!("site-{}", index + 1);
        ids(Agenda::new(7, 300, index, 100, true), &site)
    });
    assert_eq!(stored_ids(&recipient), expected.collect());
}

#[test]
fn a_stopped_send_prints_its_figures() {
    let proxy = FaultyProxy::to_recipient(None);
    proxy.always(RequestFault::Hang);
    let child = appliance()
        .args(["send", &proxy.url(), "--sessions", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until("the first event is on its way", || proxy.count() == 1);
    let stopped = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(stopped.unwrap().success());
    let sent = SendOutput::new(child.wait_with_output().unwrap());
    assert_eq!((sent.code, sent.figure("accepted")), (Some(2), 0), "{sent:?}");
    assert!(sent.stderr.contains("error: stopped before the end"), "{sent:?}");
}

#[test]
fn open_standard_input_does_not_delay_a_stop() {
    let recipient = Recipient::start(Kind::Host, &[OPEN]);
    let mut child = appliance()
        .args(["replay", "-", &format!("http://{}/events", recipient.address)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let line = "{\"event\":\"support_conference_begin\",\"version\":\"1\",\"timestamp\":1,\"lsid\":\"x\"}\n";
    // Kept open to the end of the test.
    let mut input = child.stdin.take().unwrap();
    input.write_all(line.as_bytes()).unwrap();
    wait_until("the line has arrived", || recipient.stored().len() == 1);
    let stopped = std::process::Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(stopped.unwrap().success());
    assert_eq!(SendOutput::new(child.wait_with_output().unwrap()).figure("accepted"), 1);
}

#[test]
fn files_and_stored_records_are_replayed() {
    let recipient = Recipient::start(Kind::Host, &[OPEN]);
    let url = format!("http://{}/events", recipient.address);
    assert_eq!(send(&url, &["--seed", "7", "--sessions", "3"]).code, Some(0));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.jsonl");
    let records = recipient.stored().into_iter().map(|(_, record)| String::from_utf8(record).unwrap());
    std::fs::write(&file, records.collect::<Vec<_>>().join("\n")).unwrap();
    let other = Recipient::start(Kind::Host, &[OPEN]);
    let url = format!("http://{}/events", other.address);
    let sent = SendOutput::new(appliance().arg("replay").arg(&file).arg(&url).output().unwrap());
    assert_eq!(sent.code, Some(0), "{sent:?}");
    assert_eq!(stored_ids(&other), stored_ids(&recipient));
    // Standard input is sent line by line.
    let input = std::fs::File::open(&file).unwrap();
    let sent = SendOutput::new(appliance().args(["replay", "-", &url]).stdin(input).output().unwrap());
    assert_eq!((sent.code, sent.figure("duplicate")), (Some(0), recipient.stored().len() as u64), "{sent:?}");
}

#[test]
fn a_fault_in_a_file_prevents_sending_any_of_it() {
    let proxy = FaultyProxy::to_recipient(None);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.jsonl");
    std::fs::write(&file, "{\"event\":\"support_conference_begin\"}\n\n{\"lsid\":null}\n").unwrap();
    let sent = SendOutput::new(appliance().arg("replay").arg(&file).arg(proxy.url()).output().unwrap());
    assert_eq!((sent.code, proxy.count()), (Some(2), 0), "{sent:?}");
    let expected =
        "events.jsonl: nothing was sent: line 3: has \"lsid\", whose value is neither text nor a whole number";
    assert!(sent.stderr.contains(expected), "{sent:?}");
}
