//! Lists of a large number of keys: no platform lists a part of them, and an instance has 128 MiB.

use std::ops::Range;
use std::path::Path;

use crate::support::{Kind, OPEN, Recipient, Response, numbered};

const TOKEN: &str = "a-read-token-of-many-characters";

/// Writes keys of events directly into the store, ten events per session. Their values cannot be read.
fn fill(store: &Path, events: Range<u64>) {
    let mut connection = rusqlite::Connection::open(store).unwrap();
    connection.pragma_update(None, "synchronous", "OFF").unwrap();
    let transaction = connection.transaction().unwrap();
    {
        let mut insert = transaction.prepare("INSERT INTO spin_key_value VALUES ('default', ?, x'')").unwrap();
        for event in events {
            let (session, step) = (event / 10, event % 10);
            let name =
                ["begin", "owner", "added", "added", "owner", "added", "departed", "departed", "departed", "end"];
            let (time, name) = (1_700_000_000 + session * 40 + step, name[step as usize]);
            insert.execute([format!("event.default.{time:012}.{session:032x}.{name}.{event:032x}")]).unwrap();
        }
    }
    transaction.commit().unwrap();
}

const ADMIN: &str = "an-admin-token-of-many-characters";

fn ask(recipient: &Recipient, method: &str, path: &str, token: &str) -> Response {
    let mut connection = recipient.connect();
    connection.send(format!("{method} {path} HTTP/1.1\r\nHost: recipient\r\nAuthorization: Bearer {token}\r\n\r\n"));
    connection.receive()
}

/// At once, 16 lists took 1.5 GB, and an event waited 294 ms instead of 0.7. One at a time, on different threads, they
/// took 450 MB.
#[test]
fn many_readers_take_turns_and_events_are_taken_meanwhile() {
    let recipient = Recipient::start(Kind::Host, &[OPEN, &format!("read_tokens={TOKEN}"), "loose_events=10000000"]);
    fill(&recipient.store_path(), 0..400_000);
    let reads = std::thread::scope(|scope| {
        let read = || (0..4).map(|_| ask(&recipient, "GET", "/api/sessions", TOKEN)).collect::<Vec<_>>();
        let readers: Vec<_> = (0..16).map(|_| scope.spawn(read)).collect();
        for event in 400_000..400_100 {
            assert_eq!(recipient.post("/events", numbered(event)).result(), "stored");
        }
        readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect::<Vec<_>>()
    });
    // A reader that waited too long is told to retry.
    for answer in &reads {
        let later = answer.status == 503 && answer.header("retry-after") == "5";
        assert!(answer.status == 200 || later, "{answer:?}");
    }
    assert!(reads.iter().any(|answer| answer.status == 200));
    if let Some(memory) = recipient.peak_memory() {
        assert!(memory < 300 << 20, "{} MiB", memory >> 20);
    }
}

#[test]
fn half_a_million_loose_events_are_listed_and_more_keys_than_fit_are_refused() {
    let recipient =
        Recipient::start(Kind::Host, &[OPEN, &format!("read_tokens={TOKEN}"), &format!("admin_tokens={ADMIN}")]);
    let session = format!("/api/sessions/default/{:032x}", 7);
    let lists = ["/api/sessions", "/api/stats", "/api/events?limit=1", "/api/set-aside", &session];
    // The oldest events, which can be packed.
    let mut sender = recipient.connect();
    for n in 0..1_000 {
        assert_eq!(sender.post("/events", numbered(n)).result(), "stored");
    }
    let mut filled = 0;
    // With 1,000,000 keys, the host refuses the list, since the instance would exceed its memory.
    for (events, status) in [(500_000, 200), (800_000, 200), (1_000_000, 503)] {
        fill(&recipient.store_path(), filled..events);
        filled = events;
        let answers = lists.map(|path| ask(&recipient, "GET", path, TOKEN));
        for answer in &answers {
            assert_eq!(answer.status, status, "{events}: {answer:?}");
            assert!(status == 200 || answer.header("content-type") == "application/problem+json", "{answer:?}");
        }
        // Compaction has room for its own lists beside that one.
        let packed = ask(&recipient, "POST", "/api/pack", ADMIN);
        assert_eq!(packed.status, status, "{events}: {}", packed.text());
        // Events are still stored.
        assert_eq!(recipient.post("/events", numbered(events as usize)).result(), "stored");
    }
    assert!(recipient.log().contains("keys exceeds the memory of an instance"));
    assert!(!recipient.log().contains("the component failed"));
}
