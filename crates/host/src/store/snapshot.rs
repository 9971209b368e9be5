//! A read-only view of a store file at one moment, while others use it.
//!
//! It is one read transaction. In WAL mode, which the host sets, it blocks nobody, and the log grows until it ends. In
//! a file that only `spin up` has used, writes wait until it ends.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use crate::store::error::{HostStoreError, explain};
use crate::store::layout::{BUSY_TIMEOUT, STORE, log_of};
use crate::store::opening;

/// The content of a store file at one moment. Reading it changes nothing in the file.
pub struct Snapshot {
    connection: Connection,
    path: PathBuf,
}

impl Snapshot {
    /// Opens an existing store file. Creates nothing. The snapshot has every event answered 200 before this call.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, HostStoreError> {
        let path = path.as_ref();
        let connection = look(path).map_err(|error| HostStoreError::Open {
            path: path.display().to_string(),
            reason: explain(path, &error),
        })?;
        Ok(Self { connection, path: path.to_owned() })
    }

    /// The value under `key`.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, HostStoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT value FROM spin_key_value WHERE store = ?1 AND key = ?2")?;
        Ok(statement.query_row([STORE, key], |row| row.get(0)).optional()?)
    }

    /// Whether there is a value under `key`.
    pub fn exists(&self, key: &str) -> Result<bool, HostStoreError> {
        let mut statement =
            self.connection.prepare_cached("SELECT 1 FROM spin_key_value WHERE store = ?1 AND key = ?2")?;
        Ok(statement.exists([STORE, key])?)
    }

    /// All keys, in no order.
    pub fn get_keys(&self) -> Result<Vec<String>, HostStoreError> {
        let mut statement = self.connection.prepare_cached("SELECT key FROM spin_key_value WHERE store = ?1")?;
        let keys = statement.query_map([STORE], |row| row.get(0))?;
        Ok(keys.collect::<rusqlite::Result<_>>()?)
    }

    /// Checks every page of the file. An error says what to do about the damage.
    pub fn check_pages(&self) -> Result<(), HostStoreError> {
        opening::check_pages(&self.connection).map_err(|error| HostStoreError::Open {
            path: self.path.display().to_string(),
            reason: explain(&self.path, &error),
        })
    }

    /// Whether writes to the file wait until this is dropped.
    pub(crate) fn holds_up_writers(&self) -> Result<bool, HostStoreError> {
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
    ensure!(path.is_file(), "it is not a file");
    // Not read-only: such a connection leaves an empty log behind and cannot read the log of a killed host.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // The last connection to close copies the log into the file. Only a writer should do that.
    let log_is_empty = std::fs::metadata(log_of(path)).map_or(true, |log| log.len() == 0);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !log_is_empty)?;
    connection.execute_batch("PRAGMA query_only = ON; BEGIN")?;
    let tables: i64 =
        connection
            .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'spin_key_value'", [], |row| row.get(0))?;
    ensure!(tables == 1, "it is not a store: it has no table spin_key_value");
    connection.prepare("SELECT store, key, value FROM spin_key_value").context("it is not a store")?;
    Ok(connection)
}
