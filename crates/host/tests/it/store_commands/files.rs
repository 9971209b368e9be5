//! Missing and locked files, files that are not a store, and files of a killed host.

use std::fs;
use std::path::Path;

use super::harness::{fails, files, succeeds};
use crate::support::{Kind, OPEN, Recipient, numbered, store_path, stored};
use outbound_events_host::store::KeyValueStore;

/// The commands that need an existing store, with their arguments.
const COMMANDS: [&str; 4] = ["backup", "pack", "prune", "check"];

/// Runs one of [`COMMANDS`], which must fail.
fn command_fails(command: &str, path: &Path) -> String {
    let new = path.with_extension("new");
    match command {
        "backup" => fails(&["backup"], &[path, &new]),
        "prune" => fails(&["prune", "--older-than", "365d"], &[path]),
        _ => fails(&[command], &[path]),
    }
}

#[test]
fn no_command_creates_a_missing_file() {
    let folder = tempfile::tempdir().unwrap();
    for command in COMMANDS {
        for path in [folder.path().join("none.db"), folder.path().join("no/such/folder.db")] {
            let says = command_fails(command, &path);
            assert!(says.contains(&format!("there is no file {}", path.display())), "{command}: {says}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{command}");
    }
}

#[test]
fn a_file_that_is_not_a_store_is_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (text, empty, other) = (path("notes.txt"), path("empty.db"), path("other.db"));
    fs::write(&text, "not a database, but long enough to be looked at as one ".repeat(40)).unwrap();
    fs::write(&empty, "").unwrap();
    let connection = rusqlite::Connection::open(&other).unwrap();
    connection.execute_batch("CREATE TABLE theirs (name TEXT); INSERT INTO theirs VALUES ('x')").unwrap();
    drop(connection);
    let before = files(folder.path());
    for command in COMMANDS {
        for (file, expected) in [
            (text.as_path(), "not a database"),
            (&empty, "no table spin_key_value"),
            (&other, "no table spin_key_value"),
            (folder.path(), "it is not a file"),
        ] {
            let says = command_fails(command, file);
            assert!(says.contains(expected) && says.contains(file.to_str().unwrap()), "{command}: {says}");
        }
        assert!(files(folder.path()) == before, "{command} changed something");
    }
}

#[test]
fn a_locked_file_is_an_error_after_a_timeout() {
    let folder = tempfile::tempdir().unwrap();
    let path = store_path(folder.path());
    drop(KeyValueStore::sqlite(&path).unwrap());
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    for command in COMMANDS {
        let says = command_fails(command, &path);
        assert!(says.contains("locked") && says.contains("try again"), "{command}: {says}");
    }
}

/// The log of a killed host is for the next host: commands read it and leave it.
#[test]
fn reading_the_files_of_a_killed_host_changes_nothing() {
    let mut recipient = Recipient::start(Kind::Host, &[OPEN]);
    assert_eq!(recipient.post("/", numbered(1)).result(), "stored");
    recipient.child.kill().unwrap();
    recipient.child.wait().unwrap();
    let path = recipient.store_path();
    let log = path.with_extension("db-wal");
    let before = (fs::read(&path).unwrap(), fs::read(&log).unwrap());
    assert!(!before.1.is_empty());
    let copy = path.with_extension("copy");
    succeeds(&["backup"], &[&path, &copy]);
    assert!((fs::read(&path).unwrap(), fs::read(&log).unwrap()) == before, "the file or its log was changed");
    assert_eq!(stored(&copy).len(), 1);
}
