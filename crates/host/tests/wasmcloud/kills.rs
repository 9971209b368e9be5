//! Events while NATS is killed or down.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::forms;
use crate::support::{Connection, GUARDED, Kind, OPEN, Recipient, Response, TOKEN, numbered};
use serde_json::Value;

const READ: &str = "read_tokens=a-read-token-of-more-than-16";

pub(super) fn get(connection: &mut Connection, path: &str) -> Response {
    let (_, token) = READ.split_once('=').unwrap();
    connection.send(format!("GET {path} HTTP/1.1\r\nHost: recipient\r\nAuthorization: Bearer {token}\r\n\r\n"));
    connection.receive()
}

pub(super) fn seven_events_are_there() {
    let recipient = Recipient::start(Kind::Wash, &[OPEN, READ]);
    let mut connection = recipient.connect();
    let sent: BTreeSet<_> = forms::seven()
        .into_iter()
        .map(|(_, form)| {
            let response = connection.post("/", &form);
            assert_eq!((response.status, response.result()), (200, "stored"), "{response:?}");
            response.header("event-id").to_owned()
        })
        .collect();
    let recipient = recipient.kill_and_restart();
    let mut connection = recipient.connect();
    let listed: Value = serde_json::from_slice(&get(&mut connection, "/api/events").body).unwrap();
    let listed = listed.as_array().unwrap().iter().map(|record| record["id"].as_str().unwrap().to_owned());
    assert_eq!(listed.collect::<BTreeSet<_>>(), sent);
    for (_, form) in forms::seven() {
        assert_eq!(connection.post("/", &form).result(), "duplicate");
    }
}

pub(super) fn no_event_is_missing() {
    const SENDERS: usize = 8;
    let mut recipient = Recipient::start(Kind::Wash, &[OPEN]);
    let (accepted, refused) = (Mutex::new(BTreeSet::new()), Mutex::new(Vec::new()));
    let count = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            let mut connection = recipient.connect();
            let (accepted, refused, count) = (&accepted, &refused, &count);
            // Each sender continues until it must wait.
            scope.spawn(move || {
                for n in 0.. {
                    let body = numbered(n * SENDERS + sender);
                    let response = connection.post("/", &body);
                    if response.status != 200 {
                        assert_eq!((response.status, response.header("retry-after")), (503, "5"), "{response:?}");
                        refused.lock().unwrap().push(body);
                        break;
                    }
                    accepted.lock().unwrap().insert(response.header("event-id").to_owned());
                    count.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        // Kills NATS in the middle: by count, not by time.
        while count.load(Ordering::SeqCst) < 100 {
            assert!(refused.lock().unwrap().is_empty(), "refused before the kill: {}", recipient.log());
            std::thread::sleep(Duration::from_millis(1));
        }
        recipient.nats().kill();
    });
    recipient.nats().start_again();
    // The recipient reconnects by itself.
    for body in refused.into_inner().unwrap() {
        let response = until_it_is_taken(&recipient, "/", &body);
        accepted.lock().unwrap().insert(response.header("event-id").to_owned());
    }
    let stored: BTreeSet<_> =
        recipient.stored().into_iter().map(|(key, _)| key.rsplit('.').next().unwrap().to_owned()).collect();
    let accepted = accepted.into_inner().unwrap();
    let missing: Vec<_> = accepted.difference(&stored).collect();
    assert!(missing.is_empty(), "{} of {} are missing", missing.len(), accepted.len());
}

/// Sends like an appliance: repeats the event until it is stored.
fn until_it_is_taken(recipient: &Recipient, path: &str, body: &str) -> Response {
    let started = Instant::now();
    loop {
        let response = recipient.post(path, body);
        if response.status == 200 {
            return response;
        }
        assert!(started.elapsed() < Duration::from_secs(120), "{response:?}: {}", recipient.log());
    }
}

pub(super) fn all_is_answered_503() {
    let mut recipient = Recipient::start(Kind::Wash, &[GUARDED]);
    let path = format!("/events?outbound_event_token={TOKEN}");
    assert_eq!(recipient.post(&path, numbered(1)).result(), "stored");
    recipient.nats().kill();
    // Stored or duplicate: either is possible.
    for n in [1, 2] {
        let refused = recipient.post(&path, numbered(n));
        assert_eq!((refused.status, refused.header("retry-after")), (503, "5"), "{refused:?}");
    }
    recipient.nats().start_again();
    until_it_is_taken(&recipient, &path, &numbered(2));
    assert_eq!(recipient.post(&path, numbered(1)).result(), "duplicate");
    let log = recipient.log();
    assert!(log.contains("the store failed"), "{log}");
    assert!(!log.contains(TOKEN), "{log}");
}
