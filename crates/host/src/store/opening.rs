//! Opens a file as a store: makes its table, looks for damage, and finds a way where the disk is full.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::store::condition::Condition;
use crate::store::error::{StoreError, explain};
use crate::store::layout::BUSY_TIMEOUT;
use crate::store::reserve::Reserve;

/// How long a read waits. In WAL mode that is for the one who repairs the file after a crash, and nobody else.
const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// How large a file is checked as a whole before it is used, in bytes. A larger one would delay the start by more than a moment
/// on a slow disk.
const MAX_CHECKED: u64 = 64 << 20;

/// How large the log may stay, in bytes, once it was copied into the file: about what it has between two copies.
const LOG_BYTES: i64 = 16 << 20;

/// After how many pages in the log it is copied into the file: SQLite's own default.
const LOG_PAGES: i64 = 1_000;

/// The connection that writes, on a file that is a store by now.
fn prepare(path: &Path) -> anyhow::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // SQLite opens what it may not write all the same, and says so at the first write.
    anyhow::ensure!(!connection.is_readonly(rusqlite::MAIN_DB)?, "it cannot be written");
    check(&connection, path)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    anyhow::ensure!(mode == "wal", "it stays in journal mode {mode}; WAL needs a local file system");
    connection.execute_batch(
        // `fullfsync` matters on macOS only, where a plain fsync leaves the data in the drive's cache.
        "PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA checkpoint_fullfsync = ON;
         CREATE TABLE IF NOT EXISTS spin_key_value (
             store TEXT NOT NULL,
             key   TEXT NOT NULL,
             value BLOB NOT NULL,
             PRIMARY KEY (store, key)
         );",
    )?;
    // A host that was killed between a write and its sync leaves a commit that is in the kernel's memory only. It would be
    // read, and its repeat be a duplicate, before it is on disk. A checkpoint syncs the log before it does anything else.
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
    Ok(connection)
}

/// The same where the disk is full: SQLite needs some room to open a file, and says in several ways that there is none.
pub(super) fn prepare_without_room(path: &Path, reserve: &mut Reserve) -> anyhow::Result<Connection> {
    match prepare(path) {
        Err(error) if is_for_want_of_room(&error) => {}
        prepared => return prepared,
    }
    if let Err(error) = copy_log(path) {
        tracing::debug!("the log was not copied into the file: {error}");
    }
    match prepare(path) {
        Err(error) if is_for_want_of_room(&error) && reserve.give_up() => prepare(path),
        prepared => prepared,
    }
}

/// Copies the log that a killed host left into the file, and removes it: without the index, which takes room that processes share.
fn copy_log(path: &Path) -> rusqlite::Result<()> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.query_row("PRAGMA locking_mode = EXCLUSIVE", [], |_| Ok(()))?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// What is in the log must fit into the file with the room of the reserve: else, on a full disk, it could not be copied there. And it does
/// not keep what it once took.
pub(super) fn bound_log(connection: &Connection, reserve: &Reserve) -> anyhow::Result<()> {
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let pages = i64::try_from(reserve.bytes()? / 2)? / page;
    connection.pragma_update(None, "wal_autocheckpoint", pages.clamp(1, LOG_PAGES))?;
    Ok(())
}

/// Looks at every page of the file. SQLite itself would find damage only where it next reads, which may be much later.
fn check(connection: &Connection, path: &Path) -> anyhow::Result<()> {
    let bytes = std::fs::metadata(path)?.len();
    if bytes > MAX_CHECKED {
        tracing::info!(
            bytes,
            "the store's file is large and was not checked for damage; `sqlite3 {} 'PRAGMA quick_check'` does it",
            path.display()
        );
        return Ok(());
    }
    // A damaged file is left as it is, with its log: to close it would copy the log into it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    check_pages(connection)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(())
}

/// An error if SQLite finds damage anywhere in the file.
pub(super) fn check_pages(connection: &Connection) -> anyhow::Result<()> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found != "ok" {
        let corrupt = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        return Err(rusqlite::Error::SqliteFailure(corrupt, Some(found.replace('\n', " "))).into());
    }
    Ok(())
}

/// Why a file cannot be a store.
pub(super) fn unusable(path: &Path, error: &anyhow::Error) -> StoreError {
    StoreError::Open { path: path.display().to_string(), reason: explain(path, error) }
}

fn is_for_want_of_room(error: &anyhow::Error) -> bool {
    let code = error.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
    matches!(code, Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::CannotOpen))
}

pub(super) fn open_reader(path: &Path, condition: &Condition) -> Result<Connection, StoreError> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // The log is for the one who writes to remove, who knows whether it is still this file's.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.busy_timeout(READ_TIMEOUT)?;
    connection.execute_batch("PRAGMA query_only = ON")?;
    // The log is opened by its path with the first read, so it is looked after that.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    condition.look()?;
    Ok(connection)
}
