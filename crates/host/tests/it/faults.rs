//! Damaged and read-only files, slow clients, many clients, and a stop while they send. `full.rs` has the full disk.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{
    Connection, Kind, OPEN, Recipient, host, is_root, numbered, run_by, store_of, store_path, stored, succeeds,
    to_its_end,
};
use outbound_events_host::store::KeyValueStore;

fn ids(store: &Path) -> BTreeSet<String> {
    stored(store).into_iter().map(|(key, _)| key.rsplit('.').next().unwrap().to_owned()).collect()
}

/// The error of a host that cannot serve a store.
fn refusal(mut host: Command, store: &Path) -> String {
    // Any file will do as the component: the host opens the store first.
    host.args(["serve", "--listen", "127.0.0.1:0", "--component", "/dev/null", "--store"]).arg(store);
    let output = to_its_end(host);
    let says = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{says}");
    assert!(output.stdout.is_empty() && says.contains(store.to_str().unwrap()), "{says}");
    says
}

#[test]
fn a_read_only_file_or_folder_is_an_error_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let allow = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    // Permissions do not bind root: then the host runs as nobody, who may be unable to read the build folder.
    let copy = folder.path().join("host");
    fs::copy(host().get_program(), &copy).unwrap();
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let host = || {
        if is_root() { run_by("setpriv", &nobody, &Command::new(&copy)) } else { Command::new(&copy) }
    };
    let (locked, open) = (folder.path().join("locked"), folder.path().join("open"));
    let (file, beside_no_log, read_only) = (locked.join("new.db"), locked.join("store.db"), open.join("store.db"));
    for path in [&beside_no_log, &read_only] {
        drop(KeyValueStore::sqlite(path).unwrap());
    }
    allow(folder.path(), 0o755);
    allow(&open, 0o777);
    allow(&beside_no_log, 0o666);
    allow(&read_only, 0o444);
    allow(&locked, 0o555);
    let below = locked.join("a/b/store.db");
    for (store, expected) in [
        (&read_only, "it cannot be written"),
        (&beside_no_log, "its folder cannot be written"),
        (&file, "unable to open database file"),
        (&below, "Permission denied"),
    ] {
        let says = refusal(host(), store);
        assert!(says.contains(expected), "{says}");
    }
    allow(&locked, 0o755);
}

/// SQLite itself opens a file with a damaged page and fails only at a request that needs the page.
#[test]
fn a_damaged_file_is_an_error_at_the_start_that_says_what_to_do() {
    const PAGE: usize = 4096;
    let folder = tempfile::tempdir().unwrap();
    let path = store_path(folder.path());
    drop(KeyValueStore::sqlite(&path).unwrap());
    let mut made = rusqlite::Connection::open(&path).unwrap();
    let transaction = made.transaction().unwrap();
    for n in 0..500 {
        let key = format!("event.default.{n:012}.session.begin.{n:032x}");
        transaction.execute("INSERT INTO spin_key_value VALUES ('default', ?, zeroblob(450))", [key]).unwrap();
    }
    transaction.commit().unwrap();
    drop(made);
    let whole = fs::read(&path).unwrap();
    let middle = whole.len() / PAGE / 2 * PAGE;
    let noise: Vec<u8> = (0..PAGE).map(|n| (n * n % 251) as u8).collect();
    let overwritten = |at: usize, length| [&whole[..at], &noise[..length], &whole[at + length..]].concat();
    let log_path = path.with_extension("db-wal");
    let written = rusqlite::Connection::open(&path).unwrap();
    written.execute("INSERT INTO spin_key_value VALUES ('default', 'later', x'00')", []).unwrap();
    let log = fs::read(&log_path).unwrap();
    drop(written);
    for (what, bytes, log, finds) in [
        ("cut in half", whole[..middle].to_vec(), Vec::new(), "malformed"),
        ("a page of noise", overwritten(middle, PAGE), Vec::new(), "page"),
        ("no header", overwritten(0, 100), Vec::new(), "not a database"),
        ("a page of noise, and a log that a killed host left", overwritten(middle, PAGE), log, "page"),
    ] {
        fs::write(&path, &bytes).unwrap();
        fs::write(&log_path, &log).unwrap();
        let says = refusal(host(), &path);
        assert!(says.contains(finds) && says.contains(".recover"), "{what}: {says}");
        assert!(fs::read(&path).unwrap() == bytes, "{what}: the file was changed");
        assert!(fs::read(&log_path).unwrap_or_default() == log, "{what}: the log was changed");
    }
}

#[test]
fn a_large_file_is_served_unchecked_and_the_log_has_the_check() {
    let recipient = Recipient::start_host(&[OPEN], |host| {
        let store = store_of(&host);
        drop(KeyValueStore::sqlite(&store).unwrap());
        let made = rusqlite::Connection::open(&store).unwrap();
        made.execute("INSERT INTO spin_key_value VALUES ('default', 'large', zeroblob(70000000))", []).unwrap();
        host
    });
    assert_eq!(recipient.post("/", numbered(1)).result(), "stored");
    assert!(recipient.log().contains("'PRAGMA quick_check'"), "{}", recipient.log());
    let small = Recipient::start(Kind::Host, &[OPEN]);
    assert!(!small.log().contains("quick_check"), "{}", small.log());
}

#[test]
fn five_hundred_who_send_a_byte_now_and_then_hold_up_nobody() {
    let recipient = Recipient::start(Kind::Host, &[OPEN]);
    let request = |n| {
        let body = numbered(n);
        let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
        (head.len(), format!("{head}{body}").into_bytes())
    };
    // Half of the clients stop in the middle of the head, half at the beginning of the body.
    let mut slow: Vec<_> = (0..500)
        .map(|n| {
            let ((head, request), mut connection) = (request(n), recipient.connect());
            let sent = if n % 2 == 0 { 20 } else { head };
            connection.send(&request[..sent]);
            (connection, request, sent)
        })
        .collect();
    let mut quick = recipient.connect();
    for round in 0..5 {
        for (connection, request, sent) in &mut slow {
            connection.send(&request[*sent..*sent + 1]);
            *sent += 1;
        }
        for n in 0..40 {
            assert_eq!(quick.post("/", numbered(1_000 + round * 40 + n)).result(), "stored");
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    assert_eq!(recipient.stored().len(), 200);
    // Each client finishes its request and is answered.
    for (connection, request, sent) in &mut slow {
        connection.send(&request[*sent..]);
        assert_eq!(connection.receive().result(), "stored");
    }
    assert_eq!(recipient.stored().len(), 700);
}

#[test]
fn a_thousand_connections_at_once_are_a_thousand_events() {
    // All events stay loose.
    let recipient = Recipient::start(Kind::Host, &[OPEN, "loose_events=2000"]);
    let mut connections: Vec<_> = (0..1_000).map(|_| recipient.connect()).collect();
    for (n, connection) in connections.iter_mut().enumerate() {
        let body = numbered(n);
        connection.send(format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    }
    for connection in &mut connections {
        let response = connection.receive();
        assert_eq!((response.status, response.result()), (200, "stored"), "{response:?}");
    }
    assert_eq!(recipient.stored().len(), 1_000);
}

/// Posts until the connection ends. Returns the ids answered 200. Each client counts in its own thousands.
fn post_until_the_end(mut connection: Connection, sender: usize, answers: &AtomicUsize) -> Vec<String> {
    let mut acknowledged = Vec::new();
    while let Ok(response) = connection.try_post("/", numbered(sender * 1_000_000 + acknowledged.len())) {
        assert_eq!((response.status, response.result()), (200, "stored"), "{response:?}");
        acknowledged.push(response.header("event-id").to_owned());
        answers.fetch_add(1, Ordering::SeqCst);
    }
    acknowledged
}

#[test]
fn told_to_stop_under_load_it_has_answered_exactly_what_it_has_stored() {
    let mut recipient = Recipient::start(Kind::Host, &[OPEN]);
    let (acknowledged, answers) = (Mutex::new(BTreeSet::new()), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..16)
            .map(|sender| {
                let (connection, acknowledged, answers) = (recipient.connect(), &acknowledged, &answers);
                scope.spawn(move || {
                    let ids = post_until_the_end(connection, sender, answers);
                    acknowledged.lock().unwrap().extend(ids);
                })
            })
            .collect();
        // Kills the host in the middle: by count, not by time.
        while answers.load(Ordering::SeqCst) < 300 && !senders.iter().any(|sender| sender.is_finished()) {
            std::thread::yield_now();
        }
        assert!(succeeds(Command::new("kill").arg(recipient.child.id().to_string())));
    });
    assert!(recipient.child.wait().unwrap().success(), "{}", recipient.log());
    let acknowledged = acknowledged.into_inner().unwrap();
    assert!(acknowledged.len() >= 300, "a connection ended before the stop");
    assert_eq!(ids(&recipient.store_path()), acknowledged);
}
