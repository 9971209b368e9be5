//! The store. `syscalls.rs` checks that a 200 waits for the disk.

use crate::support::{Kind, OPEN, Recipient, host, numbered, store_path, stored};
use outbound_events_host::store::{HostStoreError, KeyValueStore};

/// Spin's own definition of its table.
const SPINS_TABLE: &str = "CREATE TABLE IF NOT EXISTS spin_key_value (
    store TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (store, key))";

async fn hold_to_the_contract(store: &KeyValueStore) {
    let value = |text: &str| Ok(Some(text.as_bytes().to_vec()));
    assert_eq!(store.get("k"), Ok(None));
    assert_eq!(store.exists("k"), Ok(false));
    store.set("k".into(), b"1".to_vec()).await.unwrap();
    assert_eq!(store.get("k"), value("1"));
    assert_eq!(store.exists("k"), Ok(true));
    store.set("k".into(), b"2".to_vec()).await.unwrap();
    store.set("empty".into(), Vec::new()).await.unwrap();
    assert_eq!(store.get("k"), value("2"));
    assert_eq!(store.get("empty"), value(""));
    let mut keys = store.get_keys().await.unwrap();
    keys.sort();
    assert_eq!(keys, ["empty", "k"]);
    store.delete("k".into()).await.unwrap();
    store.delete("was never there".into()).await.unwrap();
    assert_eq!(store.exists("k"), Ok(false));
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
                // A client whose write has succeeded can read it.
                assert_eq!(store.get(&format!("k{n}")), Ok(Some(vec![n as u8; 100])));
            })
        })
        .collect();
    for write in writes {
        write.await.unwrap();
    }
    assert_eq!(stored(&path).len(), 2_000);
}

#[test]
fn a_file_of_spin_is_used_unchanged() {
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
fn init_makes_an_empty_store_in_wal_mode_and_never_overwrites() {
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
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("exists and was not changed"));
    assert_eq!(stored(&path).len(), 1);
}

#[test]
fn a_file_that_is_not_a_store_is_an_error_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    std::fs::write(&text, "not a database, but long enough to be looked at as one ".repeat(40)).unwrap();
    for path in [text.as_path(), folder.path(), &text.join("below/a/file.db")] {
        let error = KeyValueStore::sqlite(path).expect_err("it was taken for a store");
        assert!(matches!(error, HostStoreError::Open { .. }), "{error}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    }
}

#[test]
fn a_locked_file_is_answered_503_and_later_200() {
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
