//! Opens a file as a store: creates its table, checks for damage, and copes with a full disk.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::store::condition::Condition;
use crate::store::error::{HostStoreError, explain};
use crate::store::layout::BUSY_TIMEOUT;
use crate::store::reserve::Reserve;

/// How long a read waits. In WAL mode, reads wait only for the recovery after a crash.
const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// The largest file that is checked completely before use, in bytes. On a slow disk, a larger one would delay the
/// start.
const MAX_CHECKED: u64 = 64 << 20;

/// The size to which the log is truncated after a checkpoint, in bytes: about its size between two checkpoints.
const LOG_BYTES: i64 = 16 << 20;

/// The number of pages in the log that triggers a checkpoint: SQLite's default.
const LOG_PAGES: i64 = 1_000;

/// Opens the connection that writes. Creates the table.
fn prepare(path: &Path) -> anyhow::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // SQLite opens a read-only file without an error and fails at the first write.
    anyhow::ensure!(!connection.is_readonly(rusqlite::MAIN_DB)?, "it cannot be written");
    check(&connection, path)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    anyhow::ensure!(mode == "wal", "it stays in journal mode {mode}; move it to a local file system, which WAL needs");
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
    // A host that was killed between a write and its sync leaves a commit in the kernel's memory only. Reads would show
    // it, and a repeat would count as a duplicate, before it is on disk. A checkpoint syncs the log first.
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
    Ok(connection)
}

/// Like [`prepare`], also on a full disk: SQLite needs some room to open a file and reports a lack of it as several
/// errors.
pub(super) fn prepare_without_room(path: &Path, reserve: &mut Reserve) -> anyhow::Result<Connection> {
    match prepare(path) {
        Err(error) if can_be_full_disk(&error) => {}
        prepared => return prepared,
    }
    if let Err(error) = copy_log(path) {
        tracing::debug!("the log was not copied into the file: {error}");
    }
    match prepare(path) {
        Err(error) if can_be_full_disk(&error) && reserve.give_up() => prepare(path),
        prepared => prepared,
    }
}

/// Copies the log of a killed host into the file and removes it. The exclusive lock avoids the index, which needs room.
fn copy_log(path: &Path) -> rusqlite::Result<()> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.query_row("PRAGMA locking_mode = EXCLUSIVE", [], |_| Ok(()))?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// Limits the log to what the reserve has room for: on a full disk, a larger log could not be copied into the file.
/// Also truncates it after each checkpoint.
pub(super) fn bound_log(connection: &Connection, reserve: &Reserve) -> anyhow::Result<()> {
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let pages = i64::try_from(reserve.bytes()? / 2)? / page;
    connection.pragma_update(None, "wal_autocheckpoint", pages.clamp(1, LOG_PAGES))?;
    Ok(())
}

/// Checks every page of the file. SQLite itself finds damage only when it reads the page, which can be much later.
fn check(connection: &Connection, path: &Path) -> anyhow::Result<()> {
    let bytes = std::fs::metadata(path)?.len();
    if bytes > MAX_CHECKED {
        tracing::info!(
            bytes,
            "the store's file is large and was not checked for damage; to check it: `sqlite3 {} 'PRAGMA quick_check'`",
            path.display()
        );
        return Ok(());
    }
    // Leaves a damaged file and its log unchanged: otherwise closing would copy the log into the file.
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

/// The error of a file that cannot be used as a store.
pub(super) fn unusable(path: &Path, error: &anyhow::Error) -> HostStoreError {
    HostStoreError::Open { path: path.display().to_string(), reason: explain(path, error) }
}

fn can_be_full_disk(error: &anyhow::Error) -> bool {
    let code = error.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
    matches!(code, Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::CannotOpen))
}

pub(super) fn open_reader(path: &Path, condition: &Condition) -> Result<Connection, HostStoreError> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // Only the writer removes the log, since it knows whether the log still belongs to the file.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.busy_timeout(READ_TIMEOUT)?;
    connection.execute_batch("PRAGMA query_only = ON")?;
    // The first read opens the log by its path, so the comparison comes after it.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    condition.look()?;
    Ok(connection)
}
