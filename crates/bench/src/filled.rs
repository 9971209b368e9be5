//! Stores with many events, written directly: a million POSTs would take longer than all measurements.

use std::fs::File;
use std::path::Path;
use std::thread;

use anyhow::{Context as _, Result, anyhow};
use outbound_events::archive::Listing;
use outbound_events::archive::compaction::{Bound, Policy, compact};
use outbound_events::archive::pack::{self, RecordEntries, RecordEntry};
use outbound_events::forward::backlogs::Backlogs;
use outbound_events::identity::Site;
use outbound_events_host::port::{NativePlatform, NativeStore};
use outbound_events_host::store::KeyValueStore;
use rusqlite::{Connection, params};

use crate::event;

/// The rows of one transaction.
const ROWS_PER_TRANSACTION: u64 = 50_000;

/// Creates a store of `events` events in a file, older than those that are sent later. As after compaction, the newest
/// are loose and the others in packs. Writes packs directly, since compaction is measured elsewhere. Calls `wrote` for
/// each part.
pub async fn packed(path: &Path, events: u64, mut wrote: impl FnMut(u64)) -> Result<()> {
    let store = NativeStore(KeyValueStore::sqlite(path)?);
    let loose = (Policy::default().loose_events as u64).min(events);
    let parts: Vec<_> = (0..events - loose).step_by(PART as usize).collect();
    for at_once in parts.chunks(thread::available_parallelism().map_or(1, usize::from)) {
        let making =
            at_once.iter().map(|&first| thread::spawn(move || part(first, (first + PART).min(events - loose))));
        for made in making.collect::<Vec<_>>() {
            for pack in made.join().map_err(|_| anyhow!("a part of the store could not be written"))?? {
                store.0.set(pack.key.to_string(), pack.value).await?;
            }
            wrote(PART);
        }
    }
    for number in events - loose..events {
        let (key, record) = event::stored(number)?;
        store.0.set(key.to_string(), record).await?;
    }
    pack_all(&store).await
}

/// The events of one pack: it is nearly full, so compaction does not merge it.
const PART: u64 = 5_950;

fn part(first: u64, end: u64) -> Result<Vec<pack::MadePack>> {
    let entry = |number| {
        let (key, value) = event::stored(number)?;
        Ok((key.to_string(), RecordEntry::parse(value).map_err(|reason| anyhow!(reason))?))
    };
    let entries = (first..end).map(entry).collect::<Result<RecordEntries>>()?;
    pack::make_packs(&Site::default(), &entries, None).context("a pack cannot be built")
}

/// Runs compaction until nothing remains.
pub async fn pack_all(store: &NativeStore) -> Result<()> {
    let platform = NativePlatform::new(store.clone());
    while compact(&platform, &Policy::default(), &mut Backlogs::new(&[]), &Bound::WIDE).await?.remaining {}
    Ok(())
}

/// The number of keys of a store.
pub async fn count_keys(path: &Path) -> Result<usize> {
    Ok(Listing::load(&NativeStore(KeyValueStore::sqlite(path)?)).await?.keys)
}

/// Creates a store of `events` loose events in a file. Calls `wrote` for each thousand.
pub fn fill(path: &Path, events: u64, mut wrote: impl FnMut(u64)) -> Result<()> {
    // The host creates the file, so that the layout is the host's.
    drop(KeyValueStore::sqlite(path)?);
    let mut connection = Connection::open(path)?;
    connection.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")?;
    for first in (0..events).step_by(ROWS_PER_TRANSACTION as usize) {
        let transaction = connection.transaction()?;
        let mut insert =
            transaction.prepare("INSERT INTO spin_key_value (store, key, value) VALUES ('default', ?1, ?2)")?;
        for number in first..events.min(first + ROWS_PER_TRANSACTION) {
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

/// Syncs a file, so that its pages are not written during a measurement.
fn sync(path: &Path) -> Result<()> {
    Ok(File::options().write(true).open(path)?.sync_all()?)
}
