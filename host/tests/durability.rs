//! The store: what it promises, and that a 200 waits for the disk.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeSet;
use std::process::Command;

use outbound_events_host::store::{KeyValueStore, StoreError};
use support::{Kind, OPEN, Recipient, children, host, numbered, store_path, stored};

/// Spin's own words for its table.
const SPINS_TABLE: &str = "CREATE TABLE IF NOT EXISTS spin_key_value (
    store TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (store, key))";

async fn hold_to_the_contract(store: &KeyValueStore) {
    let value = |text: &str| Ok(Some(text.as_bytes().to_vec()));
    assert_eq!(store.get("k").await, Ok(None));
    assert_eq!(store.exists("k").await, Ok(false));
    store.set("k".into(), b"1".to_vec()).await.unwrap();
    assert_eq!(store.get("k").await, value("1"));
    assert_eq!(store.exists("k").await, Ok(true));
    store.set("k".into(), b"2".to_vec()).await.unwrap();
    store.set("empty".into(), Vec::new()).await.unwrap();
    assert_eq!(store.get("k").await, value("2"));
    assert_eq!(store.get("empty").await, value(""));
    let mut keys = store.get_keys().await.unwrap();
    keys.sort();
    assert_eq!(keys, ["empty", "k"]);
    store.delete("k".into()).await.unwrap();
    store.delete("was never there".into()).await.unwrap();
    assert_eq!(store.exists("k").await, Ok(false));
    assert_eq!(store.get_keys().await.unwrap(), ["empty"]);
}

#[tokio::test]
async fn both_stores_keep_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    hold_to_the_contract(&KeyValueStore::memory()).await;
    hold_to_the_contract(&KeyValueStore::sqlite(store_path(folder.path())).unwrap()).await;
}

#[tokio::test]
async fn writes_that_wait_together_are_all_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = store_path(folder.path());
    let store = KeyValueStore::sqlite(&path).unwrap();
    let writes: Vec<_> = (0..2_000)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                store.set(format!("k{n}"), vec![n as u8; 100]).await.unwrap();
                // Who is told that it is kept can read it.
                assert_eq!(store.get(&format!("k{n}")).await, Ok(Some(vec![n as u8; 100])));
            })
        })
        .collect();
    for write in writes {
        write.await.unwrap();
    }
    assert_eq!(stored(&path).len(), 2_000);
}

#[test]
fn a_file_that_spin_made_is_used_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = store_path(folder.path());
    let made = rusqlite::Connection::open(&path).unwrap();
    made.execute_batch(SPINS_TABLE).unwrap();
    made.execute("INSERT INTO spin_key_value VALUES ('default', 'ours', 'x'), ('other', 'theirs', 'y')", []).unwrap();
    drop(made);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = KeyValueStore::sqlite(&path).unwrap();
    assert_eq!(runtime.block_on(store.get_keys()).unwrap(), ["ours"]);
    drop(store);
    let again = rusqlite::Connection::open(&path).unwrap();
    let theirs: i64 = again.query_row("SELECT count(*) FROM spin_key_value", [], |row| row.get(0)).unwrap();
    assert_eq!(theirs, 2);
}

#[test]
fn an_empty_store_is_made_in_wal_mode_and_never_over_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/store.db");
    let init = || host().args(["store", "init"]).arg(&path).output().unwrap();
    assert!(init().status.success());
    let connection = rusqlite::Connection::open(&path).unwrap();
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
    connection.execute_batch(SPINS_TABLE).unwrap();
    connection.execute("INSERT INTO spin_key_value VALUES ('default', 'k', x'00')", []).unwrap();
    let again = init();
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("is there already"));
    assert_eq!(stored(&path).len(), 1);
}

#[test]
fn what_cannot_be_a_store_is_a_clear_error_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "not a database, but long enough to be looked at as one ".repeat(40)).unwrap();
    for path in [text.as_path(), folder.path(), &text.join("below/a/file.db")] {
        let error = KeyValueStore::sqlite(path).expect_err("it was taken for a store");
        assert!(matches!(error, StoreError::Open { .. }), "{error}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}

#[test]
fn a_locked_file_is_a_503_and_later_a_200() {
    let recipient = Recipient::start(Kind::Host, &[OPEN]);
    let mut connection = recipient.connect();
    assert_eq!(connection.post("/", numbered(1)).status, 200);
    let other = rusqlite::Connection::open(recipient.store_path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let locked = connection.post("/", numbered(2));
    assert_eq!((locked.status, locked.header("retry-after")), (503, "5"), "{locked:?}");
    assert_eq!(connection.post("/", numbered(1)).result(), "duplicate", "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(connection.post("/", numbered(2)).result(), "stored");
    assert!(recipient.log().contains("locked"), "{}", recipient.log());
}

/// What a system call did, in the order in which strace saw it.
#[derive(Debug, PartialEq)]
enum Call {
    /// As strace shows what was written.
    WriteToLog(String),
    SyncBegins,
    SyncEnds,
    /// A 200, with the id of its event.
    Answer(String),
}

/// The host under strace, which sees each of its system calls. `None` where strace is not to be had.
struct Traced {
    trace: tempfile::NamedTempFile,
}

impl Traced {
    fn new() -> Option<Self> {
        if !Command::new("strace").args(["-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success()) {
            eprintln!("strace is not to be had: the order of the system calls is not looked at");
            return None;
        }
        Some(Self { trace: tempfile::NamedTempFile::new().unwrap() })
    }

    fn command(&self, host: Command) -> Command {
        let mut command = Command::new("strace");
        let calls = "trace=pwrite64,fsync,fdatasync,write,writev,sendto,sendmsg";
        command.args(["-f", "-y", "-s", "8192", "-e", calls, "-o"]).arg(self.trace.path());
        command.arg(host.get_program()).args(host.get_args());
        command
    }

    /// Lets the host end, and gives what it did.
    fn calls(self, mut recipient: Recipient) -> Vec<Call> {
        let host = children(&recipient.child.id().to_string()).pop().expect("strace runs nothing");
        assert!(Command::new("kill").arg(host).status().unwrap().success());
        recipient.child.wait().unwrap();
        std::fs::read_to_string(self.trace.path()).unwrap().lines().flat_map(read_calls).collect()
    }
}

/// A kill proves nothing about the disk: the kernel keeps what a dead process wrote. So the order of the system calls is
/// looked at. No 200 may leave before the end of an fsync that began after its event was written to SQLite's log.
#[test]
fn no_200_leaves_before_the_fsync_that_covers_its_write() {
    // One waits for its own commit; many share one.
    for (senders, events) in [(1, 50), (16, 20)] {
        let Some(traced) = Traced::new() else { return };
        let recipient = Recipient::start_host(&[OPEN], |host| traced.command(host));
        std::thread::scope(|scope| {
            for sender in 0..senders {
                let mut connection = recipient.connect();
                scope.spawn(move || {
                    for n in 0..events {
                        assert_eq!(connection.post("/", numbered(sender * events + n)).result(), "stored");
                    }
                });
            }
        });
        let calls = traced.calls(recipient);
        // The ids in the log that no sync has covered, and how many of them were there when the last sync began.
        let (mut written, mut seen, mut covered, mut on_disk) = (Vec::new(), BTreeSet::new(), 0, BTreeSet::new());
        let mut answers = 0;
        for call in calls {
            match call {
                Call::WriteToLog(page) => written.extend(ids(&page).filter(|id| seen.insert(id.clone()))),
                Call::SyncBegins => covered = written.len(),
                Call::SyncEnds => on_disk.extend(written.drain(..std::mem::take(&mut covered))),
                Call::Answer(id) => {
                    assert!(on_disk.contains(&id), "{senders} senders: the answer for {id} left before it was on disk");
                    answers += 1;
                }
            }
        }
        assert_eq!(answers, senders * events, "each 200 is one packet, and each was seen");
    }
}

/// Whatever may be an id, in the page of a log as strace shows it: an event's stands at the end of its key.
fn ids(page: &str) -> impl Iterator<Item = String> {
    let part = |text: &str| text.get(..32).filter(|id| id.bytes().all(|b| b.is_ascii_hexdigit())).map(str::to_owned);
    page.split("begin.").filter_map(part)
}

/// A host that is killed between a write and its sync leaves a commit that only the kernel has. The next one would read it,
/// and take the sender's repeat for a duplicate, before it is on disk.
#[test]
fn what_a_killed_host_left_is_synced_before_it_makes_a_duplicate() {
    let Some(traced) = Traced::new() else { return };
    let recipient = Recipient::start(Kind::Host, &[OPEN]);
    assert_eq!(recipient.post("/", numbered(1)).result(), "stored");
    let recipient = recipient.kill_and_restart_by(|host| traced.command(host));
    assert_eq!(recipient.post("/", numbered(1)).result(), "duplicate");
    let calls = traced.calls(recipient);
    let answer = calls.iter().position(|call| matches!(call, Call::Answer(_))).expect("no answer was seen");
    assert!(calls[..answer].contains(&Call::SyncEnds), "{calls:?}");
}

fn read_calls(line: &str) -> Vec<Call> {
    let call = line.split_once(' ').map_or("", |(_process, call)| call.trim_start());
    let sync_of_log = (call.starts_with("fsync(") || call.starts_with("fdatasync(")) && call.contains("-wal>");
    if call.starts_with("pwrite64(") && call.contains("-wal>") {
        vec![Call::WriteToLog(call.to_owned())]
    } else if sync_of_log && call.contains("unfinished") {
        // Another thread's call came between, so its end has a line of its own.
        vec![Call::SyncBegins]
    } else if sync_of_log {
        vec![Call::SyncBegins, Call::SyncEnds]
    } else if call.starts_with("<... f") && call.contains("sync resumed>") {
        vec![Call::SyncEnds]
    } else if call.contains("\"HTTP/1.1 200") {
        let id = call.split_once("event-id: ").and_then(|(_, after)| after.get(..32));
        vec![Call::Answer(id.expect("a 200 without an id").to_owned())]
    } else {
        Vec::new()
    }
}
