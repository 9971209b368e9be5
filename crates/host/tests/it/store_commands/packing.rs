//! Packing, removing by age and checking.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::harness::{fails, filled, keys, store, succeeds};
use crate::support::{Kind, OPEN, Recipient, numbered, store_path, stored};

#[test]
fn packing_keeps_every_event_under_few_keys() {
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
fn prune_removes_only_older_events() {
    let folder = tempfile::tempdir().unwrap();
    let path = store_path(folder.path());
    const DAY: u64 = 86_400;
    filled(&path, (0..400).map(|n| n * DAY + 60));
    succeeds(&["pack", "--loose-events", "10"], &[&path]);
    let says = succeeds(&["prune", "--older-than", "365d"], &[&path]);
    assert!(says.starts_with("removed 35 events before "), "{says}");
    assert_eq!(stored(&path).iter().filter(|(key, _)| key.starts_with("event.")).count(), 365);
    for (age, expected) in [("0s", "the age is zero"), ("soon", "soon"), ("900y", "before 1970")] {
        let says = fails(&["prune", "--older-than", age], &[&path]);
        assert!(says.contains(expected), "{age}: {says}");
    }
}

#[test]
fn check_lists_faults_and_changes_nothing() {
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

/// The keys and values of the file.
fn stored_rows(path: &Path) -> Vec<(String, Vec<u8>)> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT key, value FROM spin_key_value ORDER BY key").unwrap();
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_store_can_be_packed_while_a_host_uses_it() {
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
fn events_possibly_pending_for_a_destination_stay_loose() {
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
    assert!(says.contains("packed 0 events") && says.contains("possibly pending for closed stay loose"), "{says}");
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
