//! Copies of a store.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::harness::{fails, files, store, succeeds, weigh_down};
use crate::support::{Kind, OPEN, Recipient, numbered, store_path, stored};
use outbound_events_host::backup::backup;
use outbound_events_host::store::KeyValueStore;

#[test]
fn a_copy_has_every_event_answered_200_before_it() {
    let recipient = Recipient::start_host(&[OPEN], |host| {
        let store = host.get_args().skip_while(|argument| *argument != "--store").nth(1).unwrap().to_owned();
        weigh_down(Path::new(&store), 20);
        host
    });
    let copy = recipient.store_path().with_extension("copy");
    let (acknowledged, answers, done) = (Mutex::new(Vec::new()), AtomicUsize::new(0), AtomicBool::new(false));
    let before = std::thread::scope(|scope| {
        for sender in 0..4 {
            let (mut connection, acknowledged, answers, done) = (recipient.connect(), &acknowledged, &answers, &done);
            scope.spawn(move || {
                for n in (sender..).step_by(4).take_while(|_| !done.load(Ordering::SeqCst)) {
                    let response = connection.post("/", numbered(n));
                    assert_eq!((response.status, response.result()), (200, "stored"), "{response:?}");
                    acknowledged.lock().unwrap().push(response.header("event-id").to_owned());
                    answers.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        while answers.load(Ordering::SeqCst) < 200 {
            std::thread::yield_now();
        }
        let before = acknowledged.lock().unwrap().clone();
        let says = store(&["backup"], &[&recipient.store_path(), &copy]);
        done.store(true, Ordering::SeqCst);
        assert!(says.status.success(), "{says:?}");
        before
    });
    let ids = |path: &Path| -> Vec<_> {
        stored(path).into_iter().map(|(key, _)| key.rsplit('.').next().unwrap().to_owned()).collect()
    };
    let all = ids(&recipient.store_path());
    assert!(acknowledged.into_inner().unwrap().iter().all(|id| all.contains(id)), "the host lost something");
    let copied = ids(&copy);
    assert!(before.iter().all(|id| copied.contains(id)), "{} of {}", copied.len(), before.len());
    assert!(copied.len() < all.len(), "nothing was sent meanwhile");
    let connection = rusqlite::Connection::open(&copy).unwrap();
    let says = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!((says("PRAGMA integrity_check"), says("PRAGMA journal_mode")), ("ok".into(), "wal".into()));
    let others: i64 = connection
        .query_row("SELECT count(*) FROM spin_key_value WHERE store = 'another'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(others, 20, "what others keep in the file belongs to it");
}

#[test]
fn a_copy_is_served_like_the_store() {
    let recipient = Recipient::start(Kind::Host, &[OPEN]);
    assert_eq!(recipient.post("/", numbered(1)).result(), "stored");
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    let says = succeeds(&["backup"], &[&recipient.store_path(), &copy]);
    assert!(says.contains(&format!("{} is a copy of ", copy.display())), "{says}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something is left beside the copy");
    let restored = Recipient::start_host(&[OPEN], |host| {
        let store = host.get_args().skip_while(|argument| *argument != "--store").nth(1).unwrap().to_owned();
        fs::rename(&copy, store).unwrap();
        host
    });
    assert_eq!(restored.post("/", numbered(1)).result(), "duplicate");
    assert_eq!(restored.post("/", numbered(2)).result(), "stored");
}

/// Without a snapshot, SQLite's backup restarts whenever another process writes: under load, it would never end.
#[test]
fn a_copy_does_not_restart_when_a_host_writes() {
    let folder = tempfile::tempdir().unwrap();
    let (path, new) = (store_path(folder.path()), folder.path().join("copy.db"));
    weigh_down(&path, 20);
    let writes = rusqlite::Connection::open(&path).unwrap();
    let mut steps = Vec::new();
    backup(&path, &new, |done, total| {
        let sql = "INSERT INTO spin_key_value VALUES ('default', ?, x'00')";
        writes.execute(sql, [format!("written {done}")]).unwrap();
        steps.push((done, total));
    })
    .unwrap();
    assert!(steps.len() > 3 && steps.is_sorted() && steps.iter().all(|(_, total)| *total == steps[0].1), "{steps:?}");
    assert_eq!(stored(&path).len(), steps.len());
    assert_eq!(stored(&new), [], "the copy is of the moment when it began");
}

#[test]
fn a_copy_never_overwrites_a_file_or_uses_an_old_log() {
    let folder = tempfile::tempdir().unwrap();
    let (path, new) = (store_path(folder.path()), folder.path().join("new.db"));
    drop(KeyValueStore::sqlite(&path).unwrap());
    for (there, expected) in [(&new, "exists and was not changed"), (&folder.path().join("new.db-wal"), "new.db-wal")] {
        fs::write(there, "of value").unwrap();
        let before = files(folder.path());
        let says = fails(&["backup"], &[&path, &new]);
        assert!(says.contains(expected), "{says}");
        assert!(files(folder.path()) == before, "something was changed");
        fs::remove_file(there).unwrap();
    }
    let says = fails(&["backup"], &[&path, &folder.path().join("no/such/folder.db")]);
    assert!(says.contains("no file can be created in"), "{says}");
}

#[test]
fn a_damaged_store_is_not_copied_and_nothing_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let (path, new) = (store_path(folder.path()), folder.path().join("new.db"));
    damage(&path);
    let before = files(folder.path());
    let says = fails(&["backup"], &[&path, &new]);
    assert!(says.contains(".recover"), "{says}");
    assert!(files(folder.path()) == before, "something was changed, or left");
}

/// Makes a store with a page of noise in the middle.
fn damage(path: &Path) {
    const PAGE: usize = 4096;
    weigh_down(path, 1);
    let connection = rusqlite::Connection::open(path).unwrap();
    for n in 0..500 {
        let key = format!("event.default.{n:012}.session.begin.{n:032x}");
        connection.execute("INSERT INTO spin_key_value VALUES ('default', ?, zeroblob(450))", [key]).unwrap();
    }
    drop(connection);
    let mut bytes = fs::read(path).unwrap();
    let last = bytes.len() / PAGE * PAGE - 20 * PAGE;
    bytes[last..last + PAGE].iter_mut().enumerate().for_each(|(n, byte)| *byte = (n * n % 251) as u8);
    fs::write(path, bytes).unwrap();
}

#[test]
fn only_the_owner_can_read_a_copy() {
    let folder = tempfile::tempdir().unwrap();
    let path = store_path(folder.path());
    drop(KeyValueStore::sqlite(&path).unwrap());
    for mode in [0o600, 0o640, 0o644] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let new = folder.path().join(format!("{mode:o}.db"));
        succeeds(&["backup"], &[&path, &new]);
        assert_eq!(fs::metadata(&new).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
