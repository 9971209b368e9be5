//! A store's file as it is at one moment, for looking at it while others work on it.
//!
//! It is one read transaction. In WAL mode, which the host sets, that keeps nobody from reading or writing; the log grows until
//! it ends. In a file that only `spin up` has used, a write waits until then.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use crate::store::error::{StoreError, explain};
use crate::store::layout::{BUSY_TIMEOUT, STORE, log_of};
use crate::store::opening;

/// What a store's file holds at one moment. It can be read and not be written, and reading changes nothing in the file.
pub struct Snapshot {
    connection: Connection,
    path: PathBuf,
}

impl Snapshot {
    /// Looks at a file that is a store. Makes nothing where there is none. What was answered 200 before this call is in it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let connection = look(path)
            .map_err(|error| StoreError::Open { path: path.display().to_string(), reason: explain(path, &error) })?;
        Ok(Self { connection, path: path.to_owned() })
    }

    /// The value under `key`.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT value FROM spin_key_value WHERE store = ?1 AND key = ?2")?;
        Ok(statement.query_row([STORE, key], |row| row.get(0)).optional()?)
    }

    /// Whether there is a value under `key`.
    pub fn exists(&self, key: &str) -> Result<bool, StoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT 1 FROM spin_key_value WHERE store = ?1 AND key = ?2")?;
        Ok(statement.exists([STORE, key])?)
    }

    /// All keys, in no order.
    pub fn get_keys(&self) -> Result<Vec<String>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT key FROM spin_key_value WHERE store = ?1")?;
        let keys = statement.query_map([STORE], |row| row.get(0))?;
        Ok(keys.collect::<rusqlite::Result<_>>()?)
    }

    /// What SQLite finds wrong with the file, looking at each of its pages: an error that says what to do about it.
    pub fn check_pages(&self) -> Result<(), StoreError> {
        opening::check_pages(&self.connection).map_err(|error| StoreError::Open {
            path: self.path.display().to_string(),
            reason: explain(&self.path, &error),
        })
    }

    /// Whether a write to the file waits until this is dropped.
    pub(crate) fn holds_up_writers(&self) -> Result<bool, StoreError> {
        let mode: String = self.connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
        Ok(mode != "wal")
    }

    /// The connection, in its transaction.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("path", &self.path).finish_non_exhaustive()
    }
}

fn look(path: &Path) -> anyhow::Result<Connection> {
    ensure!(path.try_exists()?, "there is no such file");
    ensure!(path.is_file(), "it is no file");
    // Not for reading alone: who may not write leaves an empty log behind, and cannot look at one that a killed host left.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // The last to close a file copies its log into it. That is for who writes.
    let log_is_empty = std::fs::metadata(log_of(path)).map_or(true, |log| log.len() == 0);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !log_is_empty)?;
    connection.execute_batch("PRAGMA query_only = ON; BEGIN")?;
    let tables: i64 =
        connection
            .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'spin_key_value'", [], |row| row.get(0))?;
    ensure!(tables == 1, "it is no store: it has no table spin_key_value");
    connection.prepare("SELECT store, key, value FROM spin_key_value").context("it is no store")?;
    Ok(connection)
}
