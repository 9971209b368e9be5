//! What the host promises when there is no room for an event: on a disk that is full, and in a file that may not grow.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
#[path = "support/trials.rs"]
mod trials;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use support::{OPEN, Recipient, Response, is_root, numbered, run_by, store_of, store_path, stored, succeeds};

fn main() -> ExitCode {
    let mounts = (!can_mount()).then_some("no file system can be mounted here");
    let prlimit = (!succeeds(Command::new("prlimit").arg("--version"))).then_some("prlimit is not to be had");
    trials::run_here([
        (("a_full_disk_is_a_503_until_there_is_room", a_full_disk_is_a_503_until_there_is_room as _), mounts),
        (
            ("a_file_that_may_not_grow_is_a_503_until_it_may", a_file_that_may_not_grow_is_a_503_until_it_may as _),
            prlimit,
        ),
    ])
}

/// How a process gets mounts of its own, and how another one sees them.
fn own_mounts() -> (&'static [&'static str], &'static [&'static str]) {
    match is_root() {
        true => (&["--mount"], &["--mount"]),
        false => (&["--mount", "--map-root-user"], &["--mount", "--user", "--preserve-credentials"]),
    }
}

fn can_mount() -> bool {
    let nowhere = tempfile::tempdir().unwrap();
    let (unshare, _) = own_mounts();
    succeeds(Command::new("unshare").args(unshare).args(["mount", "-t", "tmpfs", "tmpfs"]).arg(nowhere.path()))
}

/// What is in the file, by ids, if SQLite finds the file in order. A copy is looked at: that of a host that is idle is whole.
fn ids_in(folder: &Path) -> BTreeSet<String> {
    let copy = tempfile::tempdir().unwrap();
    for name in ["sqlite_key_value.db", "sqlite_key_value.db-wal"] {
        fs::copy(folder.join(name), copy.path().join(name)).unwrap();
    }
    let path = store_path(copy.path());
    let connection = rusqlite::Connection::open(&path).unwrap();
    let found: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(found, "ok");
    ids(&path)
}

fn ids(store: &Path) -> BTreeSet<String> {
    stored(store).into_iter().map(|(key, _)| key.rsplit('.').next().unwrap().to_owned()).collect()
}

fn health(recipient: &Recipient) -> Response {
    let mut connection = recipient.connect();
    connection.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    connection.receive()
}

/// Sends events until there is no room for one, and again once there is.
fn fill(recipient: &Recipient, more_room: impl FnOnce()) -> BTreeSet<String> {
    let mut connection = recipient.connect();
    let mut acknowledged = Vec::new();
    let refused = loop {
        let response = connection.post("/", numbered(acknowledged.len()));
        if response.status != 200 {
            break response;
        }
        assert_eq!(response.result(), "stored");
        acknowledged.push(response.header("event-id").to_owned());
        assert!(acknowledged.len() < 10_000, "it is never full");
    };
    let first_refused = acknowledged.len();
    assert_eq!((refused.status, refused.header("retry-after")), (503, "5"), "{refused:?}");
    let full = health(recipient);
    assert_eq!((full.status, full.header("retry-after")), (503, "5"), "{full:?}");
    assert!(full.text().contains(r#""ready":false"#) && full.text().contains(r#""ingest":"open""#), "{full:?}");
    assert_eq!(connection.post("/", numbered(first_refused)).status, 503);
    for n in 0..first_refused {
        assert_eq!(connection.post("/", numbered(n)).result(), "duplicate", "event {n} of {first_refused}");
    }
    assert_eq!(health(recipient).status, 503, "a repeat is no sign of room");
    more_room();
    // Nobody has sent anything since.
    assert_eq!(health(recipient).status, 200, "it is ready again by itself");
    for n in first_refused..2 * first_refused {
        let response = connection.post("/", numbered(n));
        assert_eq!(response.result(), "stored", "{response:?}");
        acknowledged.push(response.header("event-id").to_owned());
    }
    acknowledged.into_iter().collect()
}

fn a_full_disk_is_a_503_until_there_is_room() {
    let (unshare, nsenter) = own_mounts();
    let mut disk = PathBuf::new();
    let recipient = Recipient::start_host(&[OPEN], |host| {
        disk = store_of(&host).parent().unwrap().to_owned();
        let mount = "mount -t tmpfs -o size=1m tmpfs \"$0\" && exec \"$@\"";
        run_by("unshare", &[unshare, &["sh", "-c", mount, disk.to_str().unwrap()]].concat(), &host)
    });
    let process = recipient.child.id().to_string();
    let acknowledged = fill(&recipient, || {
        let mut remount = Command::new("nsenter");
        remount.args(["--target", &process]).args(nsenter);
        remount.args(["mount", "-t", "tmpfs", "-o", "remount,size=64m", "tmpfs"]).arg(&disk);
        assert!(succeeds(&mut remount));
    });
    assert!(recipient.log().contains("database or disk is full"), "{}", recipient.log());
    let seen_from_here = Path::new("/proc").join(&process).join("root").join(disk.strip_prefix("/").unwrap());
    assert_eq!(ids_in(&seen_from_here), acknowledged);
}

fn a_file_that_may_not_grow_is_a_503_until_it_may() {
    let ignored = "trap '' XFSZ; exec \"$0\" \"$@\"";
    let recipient = Recipient::start_host(&[OPEN], |host| run_by("sh", &["-c", ignored], &host));
    let limit = |bytes: &str| {
        let mut prlimit = Command::new("prlimit");
        succeeds(prlimit.args(["--pid", &recipient.child.id().to_string(), &format!("--fsize={bytes}:")]))
    };
    assert!(limit("400000"));
    let acknowledged = fill(&recipient, || assert!(limit("unlimited")));
    assert_eq!(ids_in(recipient.store_path().parent().unwrap()), acknowledged);
}
