//! A host without room for an event: on a full disk, and with a limit on the size of files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/mounts.rs"]
mod mounts;
mod support;
#[path = "support/trials.rs"]
mod trials;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use mounts::Disk;
use outbound_events_host::store::KeyValueStore;
use support::{OPEN, Recipient, Response, TOKEN, host, numbered, run_by, store_path, stored, succeeds};
use trials::{Promise, promises};

const ADMIN: &str = "admin_tokens=a-token-of-24-characters";
const READ: &str = "read_tokens=a-token-of-24-characters";

const MOUNTS: &[Promise<fn()>] = promises![
    a_full_disk_is_a_503_until_there_is_room,
    removals_work_on_a_full_disk_and_events_are_stored_after_them,
    a_host_starts_reads_and_removes_on_a_disk_that_others_filled,
    the_start_warns_of_a_store_file_that_is_a_mount,
];

fn main() -> ExitCode {
    let mounts = mounts::missing();
    let prlimit = (!succeeds(Command::new("prlimit").arg("--version"))).then_some("prlimit is not to be had");
    let may_not_grow = promises![events_are_answered_503_while_the_file_cannot_grow];
    let mounts = MOUNTS.iter().map(|promise| (*promise, mounts));
    trials::run_here(mounts.chain(may_not_grow.iter().map(|promise| (*promise, prlimit))))
}

/// The ids of the events in the file, after SQLite has checked it. Reads a copy of one moment, as a crash would leave it:
/// a host that still packs writes between the copies of two files, and they do not fit together.
fn ids_in(recipient: &Recipient, folder: &Path) -> BTreeSet<String> {
    let copy = tempfile::tempdir().unwrap();
    let pid = recipient.child.id();
    signal(pid, "STOP");
    while !is_stopped(pid) {
        std::thread::yield_now();
    }
    for name in ["sqlite_key_value.db", "sqlite_key_value.db-wal"] {
        fs::copy(folder.join(name), copy.path().join(name)).unwrap();
    }
    signal(pid, "CONT");
    let path = store_path(copy.path());
    let connection = rusqlite::Connection::open(&path).unwrap();
    let found: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(found, "ok");
    ids(&path)
}

fn signal(pid: u32, signal: &str) {
    assert!(succeeds(Command::new("kill").args([&format!("-{signal}"), &pid.to_string()])));
}

/// Whether every thread of a process is stopped.
fn is_stopped(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("stat")).ok()).all(|stat| {
        // The state follows the name, which can have parentheses.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    })
}

fn ids(store: &Path) -> BTreeSet<String> {
    stored(store).into_iter().map(|(key, _)| key.rsplit('.').next().unwrap().to_owned()).collect()
}

fn health(recipient: &Recipient) -> Response {
    let mut connection = recipient.connect();
    connection.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    connection.receive()
}

/// Sends events until there is no room, and again after room was made.
fn fill(recipient: &Recipient, more_room: impl FnOnce()) -> BTreeSet<String> {
    let (mut acknowledged, refused) = until_full(recipient, 0, numbered);
    // Not before: on a busy machine that takes longer than a connection can stay without a request.
    let mut connection = recipient.connect();
    let first_refused = acknowledged.len();
    assert_eq!((refused.status, refused.header("retry-after")), (503, "5"), "{refused:?}");
    let full = health(recipient);
    assert_eq!((full.status, full.header("retry-after")), (503, "5"), "{full:?}");
    assert!(full.text().contains(r#""ready":false"#) && full.text().contains(r#""ingest":"open""#), "{full:?}");
    assert_eq!(connection.post("/", numbered(first_refused)).status, 503);
    // An event that was packed in between is recognised only by compaction. It is refused, or stored again if there is
    // room.
    for n in 0..first_refused {
        let response = connection.post("/", numbered(n));
        assert!(matches!(response.status, 200 | 503), "event {n}: {response:?}");
    }
    more_room();
    // No request was sent since.
    assert_eq!(health(recipient).status, 200, "it is ready again by itself");
    for n in first_refused..2 * first_refused {
        let response = connection.post("/", numbered(n));
        assert_eq!(response.result(), "stored", "{response:?}: {}", recipient.log());
        acknowledged.push(response.header("event-id").to_owned());
    }
    acknowledged.into_iter().collect()
}

fn a_full_disk_is_a_503_until_there_is_room() {
    let disk = Disk::with_size("1m");
    let recipient = disk.recipient(&[OPEN]);
    let acknowledged = fill(&recipient, || assert!(disk.resize("64m")));
    assert!(recipient.log().contains("database or disk is full"), "{}", recipient.log());
    assert_eq!(ids_in(&recipient, &disk.seen_from_outside()), acknowledged);
}

/// An event of a session with 20 events. It is long and compresses badly.
fn of_session(n: usize) -> String {
    let mut random = n as u64 + 1;
    let noise: String = std::iter::repeat_with(|| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{:08x}", random >> 32)
    })
    .take(250)
    .collect();
    let time = 1_700_000_000 + n;
    format!(
        "event=support_conference_begin&version=1&timestamp={time}&lsid={:032x}&session.custom.notes={noise}",
        n / 20
    )
}

/// Sends events from a number on until there is no room for the next. This takes several attempts, since compaction
/// makes room when the disk is full. Returns the ids of the stored events and the last answer.
fn until_full(recipient: &Recipient, from: usize, event: impl Fn(usize) -> String) -> (Vec<String>, Response) {
    let (mut connection, mut stored, mut refused) = (recipient.connect(), Vec::new(), 0);
    loop {
        let response = connection.post("/", event(from + stored.len()));
        match (response.status, response.result()) {
            (200, "stored" | "duplicate") => {
                stored.push(response.header("event-id").to_owned());
                refused = 0;
            }
            (503, _) => refused += 1,
            _ => panic!("{response:?}"),
        }
        if refused == 20 {
            return (stored, response);
        }
        assert!(stored.len() < 30_000, "it is never full");
    }
}

fn administer(recipient: &Recipient, method: &str, path: &str) -> Response {
    let mut connection = recipient.connect();
    connection.send(format!("{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"));
    connection.receive()
}

/// Runs a store command while the host runs.
fn on_file(disk: &Disk, command: &str, arguments: &[&str]) {
    let mut run = disk.command(host().get_program());
    let output = run.args(["store", command]).arg(disk.store()).args(arguments).output().unwrap();
    assert!(output.status.success(), "store {command}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Repeats a call until `remaining` is false.
fn administer_to_the_end(recipient: &Recipient, method: &str, path: &str) {
    for _ in 0..100 {
        let done = administer(recipient, method, path);
        assert_eq!(done.status, 200, "{method} {path}: {done:?}; {}", recipient.log());
        if done.text().contains(r#""remaining":false"#) {
            return;
        }
    }
    panic!("{method} {path} does not come to its end");
}

/// Without the reserve, `DELETE`, `store prune` and `store pack` failed on a full disk, and nothing could make room.
fn removals_work_on_a_full_disk_and_events_are_stored_after_them() {
    type Remove = fn(&Disk, &Recipient, usize, usize);
    let ways: [(&str, Remove); 3] = [
        ("sessions are erased", |_, recipient, from, to| {
            for session in (from / 20..to / 20).step_by(2) {
                let path = format!("/api/sessions/default/{session:032x}");
                if administer(recipient, "GET", &path).status == 200 {
                    administer_to_the_end(recipient, "DELETE", &path);
                    assert_eq!(administer(recipient, "GET", &path).status, 404);
                }
            }
        }),
        ("events are removed by age", |_, recipient, from, to| {
            let before = 1_700_000_000 + from + (to - from) / 2;
            let before = chrono::DateTime::from_timestamp(before as i64, 0).unwrap().format("%FT%TZ");
            administer_to_the_end(recipient, "DELETE", &format!("/api/events?before={before}"));
        }),
        ("store prune", |disk, _, _, _| on_file(disk, "prune", &["--older-than", "365d"])),
    ];
    for (way, remove) in ways {
        let disk = Disk::with_size("4m");
        let recipient = disk.recipient(&[OPEN, ADMIN, READ]);
        let mut sent = 0;
        // Any number of times: the file does not shrink, and its pages are reused.
        for round in 0..6 {
            let from = sent;
            sent += until_full(&recipient, sent, of_session).0.len();
            assert!(sent > from, "{way}, {round}");
            assert_eq!(administer(&recipient, "GET", "/health").status, 503, "{way}, {round}");
            remove(&disk, &recipient, from, sent);
            let health = administer(&recipient, "GET", "/health");
            assert_eq!(health.status, 200, "{way}, {round}: {}", recipient.log());
        }
        on_file(&disk, "check", &[]);
    }
}

fn a_host_starts_reads_and_removes_on_a_disk_that_others_filled() {
    let disk = Disk::with_size("4m");
    let start = || disk.recipient(&[OPEN, ADMIN, READ, "loose_events=2000"]);
    let session = |n: usize| format!("/api/sessions/default/{:032x}", 0x1000 + n);
    let event = |n: usize| {
        format!(
            "event=support_conference_begin&version=1&timestamp={}&lsid={:032x}",
            1_700_000_000 + n,
            0x1000 + n / 20
        )
    };
    let mut recipient = start();
    for n in 0..600 {
        assert_eq!(recipient.post("/", event(n)).result(), "stored");
    }
    disk.fill_up();
    let mut next = 1_000;
    for signal in ["-KILL", "-TERM"] {
        next += until_full(&recipient, next, event).0.len();
        assert_eq!(administer(&recipient, "GET", &session(3)).status, 200, "{signal}");
        assert!(succeeds(Command::new("kill").args([signal, &recipient.child.id().to_string()])));
        recipient.child.wait().unwrap();
        recipient = start();
        // The log can have room within itself after a kill, and a health check then finds that.
        let health = administer(&recipient, "GET", "/health");
        let stored = until_full(&recipient, next, event).0;
        assert!(health.status == 503 || !stored.is_empty(), "{signal}: {}", health.text());
        next += stored.len();
        assert_eq!(administer(&recipient, "GET", "/health").status, 503, "{signal}");
    }
    administer_to_the_end(&recipient, "DELETE", &session(1));
    on_file(&disk, "pack", &["--loose-events", "16"]);
    administer_to_the_end(&recipient, "DELETE", &session(2));
    administer_to_the_end(&recipient, "POST", "/api/pack");
    on_file(&disk, "prune", &["--older-than", "365d"]);
    for n in 0..30 {
        assert_eq!(administer(&recipient, "GET", &session(n)).status, 404, "session {n}");
    }
    // The disk is still full, but the store's file has free pages.
    for n in next..next + 100 {
        let response = recipient.post("/", event(n));
        assert_eq!(response.result(), "stored", "{response:?}: {}", recipient.log());
    }
    disk.free_up();
    assert_eq!(administer(&recipient, "GET", "/health").status, 200);
    on_file(&disk, "check", &[]);
}

fn the_start_warns_of_a_store_file_that_is_a_mount() {
    let folder = tempfile::tempdir().unwrap();
    let (real, mounted) = (folder.path().join("real.db"), folder.path().join("mounted.db"));
    drop(KeyValueStore::sqlite(&real).unwrap());
    fs::write(&mounted, "").unwrap();
    let (unshare, _) = mounts::own_mounts();
    let serve =
        "mount --bind \"$1\" \"$2\" && exec \"$0\" serve --listen 127.0.0.1:0 --component /dev/null --store \"$2\"";
    let mut command = Command::new("unshare");
    command.args(unshare).args(["sh", "-c", serve]).arg(host().get_program()).args([&real, &mounted]);
    let output = command.output().unwrap();
    let says = String::from_utf8_lossy(&output.stderr);
    assert!(says.contains("mount the folder"), "{says}");
}

fn events_are_answered_503_while_the_file_cannot_grow() {
    let ignored = "trap '' XFSZ; exec \"$0\" \"$@\"";
    let recipient = Recipient::start_host(&[OPEN], |host| run_by("sh", &["-c", ignored], &host));
    let limit = |bytes: &str| {
        let mut prlimit = Command::new("prlimit");
        succeeds(prlimit.args(["--pid", &recipient.child.id().to_string(), &format!("--fsize={bytes}:")]))
    };
    assert!(limit("400000"));
    let acknowledged = fill(&recipient, || assert!(limit("unlimited")));
    assert_eq!(ids_in(&recipient, recipient.store_path().parent().unwrap()), acknowledged);
}
