//! The host's files are renamed, deleted, replaced or damaged while it runs: every event answered 200 is in the file at
//! the store's path.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{self, OPEN, Recipient, Response, host, numbered, store_of, stored, succeeds};
use outbound_events_host::store::KeyValueStore;

const READ: &str = "read_tokens=a-token-of-24-characters";

/// The number of events answered 200 before the change.
const BEFORE: usize = 20;

fn get(recipient: &Recipient, path: &str) -> Response {
    let mut connection = recipient.connect();
    let token = support::TOKEN;
    connection.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"));
    connection.receive()
}

fn sent(recipient: &Recipient) -> BTreeSet<String> {
    let mut connection = recipient.connect();
    let mut id = |n| {
        let response = connection.post("/", numbered(n));
        assert_eq!((response.status, response.result()), (200, "stored"), "{response:?}");
        response.header("event-id").to_owned()
    };
    (0..BEFORE).map(&mut id).collect()
}

fn ids(store: &Path) -> BTreeSet<String> {
    stored(store).into_iter().map(|(key, _)| key.rsplit('.').next().unwrap().to_owned()).collect()
}

/// Nothing is answered 200: no new event, no repeat, no read. Each answer has the reason.
fn answers_nothing(recipient: &Recipient, what: &str) {
    // The repeat first, before any commit.
    for n in [0, BEFORE, BEFORE + 1] {
        let response = recipient.post("/", numbered(n));
        assert_eq!((response.status, response.header("retry-after")), (503, "5"), "{what}, event {n}: {response:?}");
    }
    assert_eq!(get(recipient, "/api/events").status, 503, "{what}");
    let health = get(recipient, "/health");
    assert_eq!((health.status, health.header("retry-after")), (503, "5"), "{what}: {health:?}");
    assert!(health.text().contains(r#""ready":false"#), "{what}: {health:?}");
    assert!(health.text().contains("moved, deleted or replaced"), "{what}: {health:?}");
}

fn answers_again(recipient: &Recipient, what: &str) {
    assert_eq!(get(recipient, "/health").status, 200, "{what}");
    for n in 0..BEFORE {
        assert_eq!(recipient.post("/", numbered(n)).result(), "duplicate", "{what}, event {n}");
    }
    // Refused events can be in the file or not.
    for n in BEFORE..BEFORE + 5 {
        assert_eq!(recipient.post("/", numbered(n)).status, 200, "{what}, event {n}");
    }
    assert_eq!(get(recipient, "/api/events?limit=500").status, 200, "{what}");
}

/// Waits for an action that the host takes by itself.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The store's file and a second name for it.
struct Names {
    file: PathBuf,
    aside: PathBuf,
}

impl Names {
    fn in_folder_of(recipient: &Recipient, name: &str) -> Self {
        let folder = recipient.store_path().parent().unwrap().to_owned();
        Self { file: folder.join(name), aside: folder.join("aside") }
    }

    fn rename(&self) {
        fs::rename(&self.file, &self.aside).unwrap();
    }

    fn rename_back(&self) {
        fs::rename(&self.aside, &self.file).unwrap();
    }
}

const FILES: [&str; 3] = ["sqlite_key_value.db", "sqlite_key_value.db-wal", "sqlite_key_value.db-shm"];

/// Without the check, 30 events were answered 200 by a host whose file had been renamed, and all were lost.
#[test]
fn while_a_file_of_the_store_is_not_at_its_path_nothing_is_answered_200_and_once_it_is_back_all_is_there() {
    for name in FILES {
        for replaced in [false, true] {
            let what = format!("{name}, replaced: {replaced}");
            let recipient = Recipient::start_host(&[OPEN, READ], |host| host);
            let mut acknowledged = sent(&recipient);
            let names = Names::in_folder_of(&recipient, name);
            names.rename();
            if replaced {
                fs::write(&names.file, "another file").unwrap();
            }
            if replaced {
                // A repeat compares the files, so it comes after a new event, whose commit also does.
                assert_eq!(recipient.post("/", numbered(BEFORE + 2)).status, 503, "{what}");
            }
            answers_nothing(&recipient, &what);
            assert!(recipient.log().contains("requests are answered 503"), "{what}: {}", recipient.log());
            names.rename_back();
            answers_again(&recipient, &what);
            assert!(recipient.log().contains("are back"), "{what}: {}", recipient.log());
            let recipient = recipient.kill_and_restart();
            acknowledged.extend((BEFORE..BEFORE + 5).map(|n| {
                let response = recipient.post("/", numbered(n));
                assert_eq!(response.result(), "duplicate", "{what}");
                response.header("event-id").to_owned()
            }));
            assert!(ids(&recipient.store_path()).is_superset(&acknowledged), "{what}");
        }
    }
}

#[test]
fn a_changed_link_or_folder_of_the_store_is_noticed() {
    let real = tempfile::tempdir().unwrap();
    let recipient = Recipient::start_host(&[OPEN, READ], |host| {
        let store = store_of(&host);
        drop(KeyValueStore::sqlite(real.path().join("real/store.db")).unwrap());
        symlink(real.path().join("real/store.db"), &store).unwrap();
        host
    });
    sent(&recipient);
    let (link, folder) = (recipient.store_path(), real.path().join("real"));
    drop(KeyValueStore::sqlite(real.path().join("other/store.db")).unwrap());
    let leads_to = |path: PathBuf| {
        fs::remove_file(&link).unwrap();
        symlink(path, &link).unwrap();
    };
    leads_to(real.path().join("other/store.db"));
    answers_nothing(&recipient, "the link leads to another store");
    leads_to(folder.join("store.db"));
    answers_again(&recipient, "the link");
    fs::rename(&folder, real.path().join("moved")).unwrap();
    answers_nothing(&recipient, "the folder was renamed");
    fs::rename(real.path().join("moved"), &folder).unwrap();
    answers_again(&recipient, "the folder");
}

/// The log has commits that the file does not have yet. Without saving it, 60 events were lost with the process.
#[test]
fn a_deleted_log_is_saved_with_and_without_further_requests() {
    for sends in [true, false] {
        let recipient = Recipient::start_host(&[OPEN, READ], |host| host);
        let acknowledged = sent(&recipient);
        fs::remove_file(recipient.store_path().with_extension("db-wal")).unwrap();
        if sends {
            answers_nothing(&recipient, "the log was deleted");
        }
        until("the log was saved", || recipient.log().contains("was saved in the store's file"));
        let recipient = recipient.kill_and_restart();
        answers_again(&recipient, "after a restart");
        assert!(ids(&recipient.store_path()).is_superset(&acknowledged), "sends: {sends}");
    }
}

/// Without this, SQLite removed the log of a backup that was put in place, and the file was damaged.
#[test]
fn a_stopping_host_does_not_change_a_file_put_in_place_of_the_store() {
    for name in ["sqlite_key_value.db", "sqlite_key_value.db-wal"] {
        let mut recipient = Recipient::start_host(&[OPEN, READ], |host| host);
        sent(&recipient);
        let (path, copy) = (recipient.store_path(), recipient.store_path().with_file_name("copy.db"));
        assert!(succeeds(host().args(["store", "backup"]).args([&path, &copy])));
        let put = path.with_file_name(name);
        fs::rename(&copy, &put).unwrap();
        let bytes = fs::read(&put).unwrap();
        answers_nothing(&recipient, name);
        assert!(succeeds(Command::new("kill").arg(recipient.child.id().to_string())));
        assert!(recipient.child.wait().unwrap().success(), "{name}: {}", recipient.log());
        assert!(fs::read(&put).unwrap() == bytes, "{name} was changed");
        for beside in ["db", "db-wal"] {
            assert!(path.with_extension(beside).exists(), "{name}: {beside} was removed");
        }
    }
}

/// A damaged page of a large file is found when it is first read.
#[test]
fn damage_found_while_serving_makes_health_503() {
    let recipient = Recipient::start_host(&[OPEN, READ], |host| {
        damaged_store(&store_of(&host));
        host
    });
    assert_eq!(get(&recipient, "/health").status, 200, "nothing has read that page");
    assert_eq!(get(&recipient, "/api/events").status, 503);
    let health = get(&recipient, "/health");
    assert_eq!(health.status, 503, "{health:?}");
    assert!(health.text().contains("damaged"), "{health:?}");
    let log = recipient.log();
    assert!(log.contains(".recover") && !log.contains("nothing is lost"), "{log}");
}

/// Makes a file too large to be checked at the start, with noise in its keys.
fn damaged_store(path: &Path) {
    drop(KeyValueStore::sqlite(path).unwrap());
    let mut made = rusqlite::Connection::open(path).unwrap();
    let transaction = made.transaction().unwrap();
    transaction.execute("INSERT INTO spin_key_value VALUES ('default', 'large', zeroblob(70000000))", []).unwrap();
    for n in 0..4_000 {
        let key = format!("event.default.{n:012}.session.begin.{n:032x}");
        transaction.execute("INSERT INTO spin_key_value VALUES ('default', ?, zeroblob(10))", [key]).unwrap();
    }
    transaction.commit().unwrap();
    drop(made);
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    let bytes = file.metadata().unwrap().len();
    // The keys come after the large value; the first page, with the table's definition, is intact.
    for page in (bytes / 4096 - 100)..(bytes / 4096 - 20) {
        file.write_all_at(&[0xA5; 4096], page * 4096).unwrap();
    }
}
