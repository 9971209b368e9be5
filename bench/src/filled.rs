//! Stores that hold many events already, written past any recipient: a million by POST would take longer than the rest.

use std::fs::File;
use std::path::Path;

use anyhow::Result;
use outbound_events_host::store::KeyValueStore;
use rusqlite::{Connection, params};
use tempfile::TempDir;

use crate::contender::{folder, store_path};
use crate::event;

/// How many rows are written in one transaction.
const AT_ONCE: u64 = 50_000;

/// A folder with a store of `events` events, all older than those that are sent later. `wrote` is told of each thousand.
pub fn folder_with(events: u64, wrote: impl FnMut(u64)) -> Result<TempDir> {
    let folder = folder()?;
    fill(&store_path(folder.path()), events, wrote)?;
    Ok(folder)
}

/// Makes a store of `events` loose events in a file. `wrote` is told of each thousand.
pub fn fill(path: &Path, events: u64, mut wrote: impl FnMut(u64)) -> Result<()> {
    // Made by the host, so that it is what the host makes.
    drop(KeyValueStore::sqlite(path)?);
    let mut connection = Connection::open(path)?;
    connection.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")?;
    for first in (0..events).step_by(AT_ONCE as usize) {
        let transaction = connection.transaction()?;
        let mut insert =
            transaction.prepare("INSERT INTO spin_key_value (store, key, value) VALUES ('default', ?1, ?2)")?;
        for number in first..events.min(first + AT_ONCE) {
            let (key, record) = event::stored(number)?;
            insert.execute(params![key.to_string(), record])?;
            if number % 1_000 == 999 {
                wrote(1_000);
            }
        }
        drop(insert);
        transaction.commit()?;
    }
    drop(connection);
    sync(path)
}

/// What is still in memory would be written while others are measured.
fn sync(path: &Path) -> Result<()> {
    Ok(File::options().write(true).open(path)?.sync_all()?)
}
