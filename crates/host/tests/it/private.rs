//! Only the user of the host can read the files that the host makes.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::{Kind, OPEN, Recipient, host, numbered, store_path};

/// The files of a folder that can have events, with their permissions.
fn modes(folder: &Path) -> Vec<(String, u32)> {
    let mut modes: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_name() != "log")
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().permissions().mode() & 0o777))
        .collect();
    modes.sort_unstable();
    modes
}

/// A command in a shell whose umask removes no permissions.
fn generous(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 000; exec \"$0\" \"$@\""]).arg(command.get_program()).args(command.get_args());
    shell
}

#[test]
fn only_the_owner_can_read_the_store_and_its_copies() {
    let recipient = Recipient::start_host(&[OPEN], |host| generous(&host));
    assert_eq!(recipient.post("/", numbered(1)).result(), "stored");
    let (store, copy) = (recipient.store_path(), recipient.store_path().with_file_name("copy.db"));
    let mut backup = host();
    backup.args(["store", "backup"]).args([&store, &copy]);
    assert!(generous(&backup).output().unwrap().status.success());
    let mut init = host();
    init.args(["store", "init"]).arg(store.with_file_name("made.db"));
    assert!(generous(&init).output().unwrap().status.success());
    let modes = modes(store.parent().unwrap());
    for expected in ["copy.db", "made.db", "sqlite_key_value.db", "sqlite_key_value.db-shm", "sqlite_key_value.db-wal"]
    {
        assert!(modes.iter().any(|(name, _)| name == expected), "{expected}: {modes:?}");
    }
    assert!(modes.iter().all(|(_, mode)| *mode == 0o600), "{modes:?}");
    assert!(!recipient.log().contains("other users of this machine can read"), "{}", recipient.log());
}

#[test]
fn a_store_that_others_can_read_is_unchanged_and_logged() {
    for (mode, said) in [(0o644, true), (0o640, true), (0o600, false), (0o622, false)] {
        let recipient = Recipient::start(Kind::Host, &[OPEN]);
        fs::set_permissions(recipient.store_path(), Permissions::from_mode(mode)).unwrap();
        let recipient = recipient.kill_and_restart();
        assert_eq!(recipient.post("/", numbered(1)).result(), "stored");
        assert_eq!(fs::metadata(recipient.store_path()).unwrap().permissions().mode() & 0o777, mode);
        let log = recipient.log();
        assert_eq!(
            log.contains(&format!(
                "other users of this machine can read the store; to prevent that: `chmod 600 {}*`",
                recipient.store_path().display()
            )),
            said,
            "{mode:o}: {log}"
        );
    }
}

/// SQLite holds its locks per process, and closing a file in a process releases all of them.
#[test]
fn a_store_that_is_opened_twice_keeps_its_locks() {
    use outbound_events_host::store::KeyValueStore;
    let folder = tempfile::tempdir().unwrap();
    let path = store_path(folder.path());
    let first = KeyValueStore::sqlite(&path).unwrap();
    drop(KeyValueStore::sqlite(&path).unwrap());
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let inode = std::os::unix::fs::MetadataExt::ino(&fs::metadata(&path).unwrap());
    assert!(locks.contains(&format!(":{inode} ")), "{locks}");
    drop(first);
}
