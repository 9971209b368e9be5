//! `outbound-events-host store …`: what can be done to a store's file, whether or not a host runs on it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use outbound_events_host::backup::backup;
use outbound_events_host::store::KeyValueStore;
use support::{Kind, OPEN, Recipient, host, numbered, store_path, stored};

fn store(arguments: &[&str], paths: &[&Path]) -> Output {
    host().arg("store").args(arguments).args(paths).output().unwrap()
}

/// What a command says that succeeds.
fn succeeds(arguments: &[&str], paths: &[&Path]) -> String {
    let output = store(arguments, paths);
    let (says, complains) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{arguments:?}: {complains}");
    says
}

/// What a command says that fails.
fn fails(arguments: &[&str], paths: &[&Path]) -> String {
    let output = store(arguments, paths);
    let complains = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && output.status.code().is_some(), "{arguments:?}: {complains}");
    assert!(output.stdout.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    complains
}

/// The commands that work on a store that is there, each with what it further needs.
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

/// All files in a folder, with what is in them.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Puts so many megabytes into a store, beside its events.
fn weigh_down(path: &Path, megabytes: usize) {
    drop(KeyValueStore::sqlite(path).unwrap());
    let connection = rusqlite::Connection::open(path).unwrap();
    for n in 0..megabytes {
        let sql = "INSERT INTO spin_key_value VALUES ('another', ?, randomblob(1000000))";
        connection.execute(sql, [format!("weight {n}")]).unwrap();
    }
}

#[test]
fn where_there_is_no_file_none_is_made() {
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
fn a_file_that_is_no_store_is_named_and_left_as_it_is() {
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
            (folder.path(), "it is no file"),
        ] {
            let says = command_fails(command, file);
            assert!(says.contains(expected) && says.contains(file.to_str().unwrap()), "{command}: {says}");
        }
        assert!(files(folder.path()) == before, "{command} changed something");
    }
}

#[test]
fn a_file_that_another_process_keeps_to_itself_is_an_error_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = store_path(folder.path());
    drop(KeyValueStore::sqlite(&path).unwrap());
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();
    for command in COMMANDS {
        let says = command_fails(command, &path);
        assert!(says.contains("locked") && says.contains("Try again"), "{command}: {says}");
    }
}

#[test]
fn a_copy_holds_all_that_was_acknowledged_before_and_is_sound() {
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

/// SQLite's online backup begins again whenever another process writes: under load, it would never end.
#[test]
fn a_copy_does_not_begin_again_because_a_host_writes() {
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
fn a_copy_is_never_put_over_a_file_or_beside_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let (path, new) = (store_path(folder.path()), folder.path().join("new.db"));
    drop(KeyValueStore::sqlite(&path).unwrap());
    for (there, expected) in [(&new, "is there already"), (&folder.path().join("new.db-wal"), "new.db-wal")] {
        fs::write(there, "of value").unwrap();
        let before = files(folder.path());
        let says = fails(&["backup"], &[&path, &new]);
        assert!(says.contains(expected), "{says}");
        assert!(files(folder.path()) == before, "something was changed");
        fs::remove_file(there).unwrap();
    }
    let says = fails(&["backup"], &[&path, &folder.path().join("no/such/folder.db")]);
    assert!(says.contains("nothing can be made in"), "{says}");
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
fn a_copy_is_its_owners_alone_whoever_may_read_the_store() {
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

/// The log of a host that was killed is for the next host: it is read, and stays.
#[test]
fn looking_at_what_a_killed_host_left_changes_nothing() {
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

/// Events of so many seconds ago, loose.
fn filled(path: &Path, seconds: impl Iterator<Item = u64>) -> usize {
    drop(KeyValueStore::sqlite(path).unwrap());
    let connection = rusqlite::Connection::open(path).unwrap();
    let now = chrono::Utc::now();
    let mut count = 0;
    for (n, ago) in seconds.enumerate() {
        let time = now.timestamp() as u64 - ago;
        let form = format!("event=support_conference_begin&version=1&timestamp={time}&lsid={n}");
        let event = outbound_events::parse::parse(form.as_bytes()).unwrap();
        let (key, record) = outbound_events::record::Record::new(event, Default::default(), now);
        let sql = "INSERT INTO spin_key_value VALUES ('default', ?1, ?2)";
        connection.execute(sql, rusqlite::params![key.to_string(), record.to_json().unwrap()]).unwrap();
        count += 1;
    }
    count
}

fn keys(path: &Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT key FROM spin_key_value ORDER BY key").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn what_is_packed_takes_few_keys_and_is_all_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = store_path(folder.path());
    let events = filled(&path, 0..3_000);
    let before = stored(&path);
    let says = succeeds(&["pack", "--loose-events", "100"], &[&path]);
    assert!(says.starts_with(&format!("packed {} events", events - 100)), "{says}");
    assert!(keys(&path).len() < 110, "{}", keys(&path).len());
    assert!(stored(&path) == before, "a record is not what it was");
    let says = succeeds(&["check"], &[&path]);
    assert!(says.contains("100 loose records, 2900 records in ") && says.ends_with(": 0 faults\n"), "{says}");
    assert!(succeeds(&["pack"], &[&path]).starts_with("packed 0 events"));
}

#[test]
fn what_is_older_is_removed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = store_path(folder.path());
    const DAY: u64 = 86_400;
    filled(&path, (0..400).map(|n| n * DAY + 60));
    succeeds(&["pack", "--loose-events", "10"], &[&path]);
    let says = succeeds(&["prune", "--older-than", "365d"], &[&path]);
    assert!(says.starts_with("removed 35 events before "), "{says}");
    assert_eq!(stored(&path).iter().filter(|(key, _)| key.starts_with("event.")).count(), 365);
    for (age, expected) in [("0s", "nothing is older than no time"), ("soon", "soon"), ("900y", "times begin in 1970")]
    {
        let says = fails(&["prune", "--older-than", age], &[&path]);
        assert!(says.contains(expected), "{age}: {says}");
    }
}

#[test]
fn what_is_not_what_its_key_says_is_named_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = store_path(folder.path());
    filled(&path, 0..500);
    succeeds(&["pack", "--loose-events", "2"], &[&path]);
    let all = keys(&path);
    let pack = all.iter().find(|key| key.starts_with("pack.")).unwrap();
    let loose: Vec<_> = all.iter().filter(|key| key.starts_with("event.")).collect();
    let connection = rusqlite::Connection::open(&path).unwrap();
    let put = |key: &str, value: &[u8]| {
        connection
            .execute("UPDATE spin_key_value SET value = ?2 WHERE key = ?1", rusqlite::params![key, value])
            .unwrap()
    };
    let get = |key: &str| -> Vec<u8> {
        connection.query_row("SELECT value FROM spin_key_value WHERE key = ?", [key], |row| row.get(0)).unwrap()
    };
    let (whole, record) = (get(pack), get(loose[0]));
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for (key, bad) in [(pack.as_str(), flipped), (pack, whole[..whole.len() - 1].to_vec()), (loose[1], record)] {
        let good = get(key);
        put(key, &bad);
        let before = stored_rows(&path);
        let output = store(&["check"], &[&path]);
        let says = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{says}");
        assert!(says.contains(&format!("{key}: ")) && says.ends_with(": 1 faults\n"), "{says}");
        assert!(stored_rows(&path) == before, "something was changed");
        put(key, &good);
    }
    assert!(succeeds(&["check"], &[&path]).ends_with(": 0 faults\n"));
}

/// What the file holds, as it is.
fn stored_rows(path: &Path) -> Vec<(String, Vec<u8>)> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT key, value FROM spin_key_value ORDER BY key").unwrap();
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_store_is_packed_while_a_host_takes_events() {
    let recipient = Recipient::start(Kind::Host, &[OPEN]);
    let done = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut connection = recipient.connect();
            let mut ids = Vec::new();
            for n in (0..).take_while(|n| *n < 300 || !done.load(Ordering::SeqCst)) {
                let response = connection.post("/", numbered(n));
                assert_eq!((response.status, response.result()), (200, "stored"), "{response:?}");
                ids.push(response.header("event-id").to_owned());
            }
            ids
        });
        for _ in 0..5 {
            succeeds(&["pack", "--loose-events", "0"], &[&recipient.store_path()]);
        }
        done.store(true, Ordering::SeqCst);
        sender.join().unwrap()
    });
    let stored: Vec<_> =
        recipient.stored().into_iter().map(|(key, _)| key.rsplit('.').next().unwrap().to_owned()).collect();
    assert_eq!(stored.len(), sent.len());
    assert!(sent.iter().all(|id| stored.contains(id)), "something is lost");
    assert!(succeeds(&["check"], &[&recipient.store_path()]).ends_with(": 0 faults\n"));
}

#[test]
fn what_may_be_owed_to_a_destination_stays_loose() {
    let folder = tempfile::tempdir().unwrap();
    let setting = r#"[{"name": "closed", "url": "http://127.0.0.1:9/", "events": ["support_conference_begin"]}]"#;
    let recipient = Recipient::start(Kind::Host, &[OPEN, &format!("destinations={setting}")]);
    for number in 0..40 {
        let body = numbered(number);
        let body = if number < 20 { body } else { body.replace("_begin", "_end") };
        assert_eq!(recipient.post("/events", body).status, 200);
    }
    let path = recipient.store_path();
    let says = succeeds(&["pack", "--loose-events", "0"], &[&path]);
    assert!(says.contains("packed 0 events") && says.contains("may be owed to closed stays loose"), "{says}");
    let file = folder.path().join("destinations.json");
    fs::write(&file, setting).unwrap();
    let says = succeeds(&["pack", "--loose-events", "0", "--destinations", file.to_str().unwrap()], &[&path]);
    assert!(says.contains("packed 20 events") && says.contains("20 loose events"), "{says}");
    fs::write(&file, "[{}]").unwrap();
    let says = fails(&["pack", "--destinations", file.to_str().unwrap()], &[&path]);
    assert!(says.contains("destinations[0].name is missing"), "{says}");
    fs::write(&file, "[]").unwrap();
    let says = succeeds(&["pack", "--loose-events", "0", "--destinations", file.to_str().unwrap()], &[&path]);
    assert!(says.contains("packed 20 events"), "{says}");
}
