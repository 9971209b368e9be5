//! The key-value store that the guest uses.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::measure::{Commits, Watch};
use crate::store::error::HostStoreError;
use crate::store::layout::log_of;
use crate::store::snapshot::Snapshot;
use crate::store::sqlite::SqliteStore;

/// A key-value store. Cheap to clone; all clones share it.
#[derive(Clone, Debug)]
pub enum KeyValueStore {
    /// In a file. A successful write is on disk, and reads show only writes that are on disk.
    Sqlite(Arc<SqliteStore>),
    /// In memory, until the process ends.
    Memory(Arc<Mutex<BTreeMap<String, Vec<u8>>>>),
}

impl KeyValueStore {
    /// Opens a store in a file in Spin's layout. Creates the file if it does not exist.
    pub fn sqlite(path: impl AsRef<Path>) -> Result<Self, HostStoreError> {
        Ok(Self::Sqlite(Arc::new(SqliteStore::open(path.as_ref())?)))
    }

    /// Opens a store in an existing file. Creates nothing.
    pub fn existing(path: impl AsRef<Path>) -> Result<Self, HostStoreError> {
        drop(Snapshot::open(&path)?);
        Self::sqlite(path)
    }

    /// An empty store in memory.
    pub fn memory() -> Self {
        Self::Memory(Arc::default())
    }

    /// The value under `key`.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, HostStoreError> {
        match self {
            Self::Sqlite(store) => store.get(key),
            Self::Memory(values) => Ok(values.lock().get(key).cloned()),
        }
    }

    /// Whether there is a value under `key`.
    pub fn exists(&self, key: &str) -> Result<bool, HostStoreError> {
        match self {
            Self::Sqlite(store) => store.exists(key),
            Self::Memory(values) => Ok(values.lock().contains_key(key)),
        }
    }

    /// Stores `value` under `key`, replacing any earlier value.
    pub async fn set(&self, key: String, value: Vec<u8>) -> Result<(), HostStoreError> {
        match self {
            Self::Sqlite(store) => store.set(key, value).await,
            Self::Memory(values) => {
                values.lock().insert(key, value);
                Ok(())
            }
        }
    }

    /// Deletes the value under `key`, if there is one.
    pub async fn delete(&self, key: String) -> Result<(), HostStoreError> {
        match self {
            Self::Sqlite(store) => store.delete(key).await,
            Self::Memory(values) => {
                values.lock().remove(&key);
                Ok(())
            }
        }
    }

    /// Reserves room on the store's disk for removal, as a serving host does. An error if the disk has no room.
    pub fn keep_reserve(&self) -> std::io::Result<()> {
        match self {
            Self::Sqlite(store) => store.keep_reserve(),
            Self::Memory(_) => Ok(()),
        }
    }

    /// An error if the store's files were moved or are damaged, or if writes fail.
    pub async fn check(&self) -> Result<(), HostStoreError> {
        match self {
            Self::Sqlite(store) => store.check().await,
            Self::Memory(_) => Ok(()),
        }
    }

    /// All keys, in no order. Runs on a separate thread, since there can be many.
    pub async fn get_keys(&self) -> Result<Vec<String>, HostStoreError> {
        match self {
            Self::Sqlite(store) => store.get_keys().await,
            Self::Memory(values) => Ok(values.lock().keys().cloned().collect()),
        }
    }
}

/// Reads for the metrics. They block.
impl KeyValueStore {
    /// The measurement of commits. A store in memory has none.
    pub(crate) fn commits(&self) -> Option<&Watch<Commits>> {
        match self {
            Self::Sqlite(store) => Some(store.commits()),
            Self::Memory(_) => None,
        }
    }

    /// The sizes of the files. A store in memory has none.
    pub(crate) fn files(&self) -> Option<StoreFileSizes> {
        match self {
            Self::Sqlite(store) => Some(StoreFileSizes::measure(store.path())),
            Self::Memory(_) => None,
        }
    }

    /// The keys from `from` (inclusive) to `before` (exclusive), sorted.
    pub(crate) fn keys_between(&self, from: &str, before: &str) -> Result<Vec<String>, HostStoreError> {
        match self {
            Self::Sqlite(store) => store.keys_between(from, before),
            Self::Memory(values) => Ok(values.lock().range::<str, _>(between(from, before)).map(key).collect()),
        }
    }

    /// The last key from `from` (inclusive) to `before` (exclusive).
    pub(crate) fn last_key(&self, from: &str, before: &str) -> Result<Option<String>, HostStoreError> {
        match self {
            Self::Sqlite(store) => store.last_key(from, before),
            Self::Memory(values) => Ok(values.lock().range::<str, _>(between(from, before)).next_back().map(key)),
        }
    }

    /// The number of keys from `from` (inclusive) to `before` (exclusive), counted up to `most`.
    pub(crate) fn count_between(&self, from: &str, before: &str, most: u64) -> Result<u64, HostStoreError> {
        match self {
            Self::Sqlite(store) => store.count_between(from, before, most),
            Self::Memory(values) => {
                let count = values.lock().range::<str, _>(between(from, before)).count();
                Ok(most.min(count as u64))
            }
        }
    }
}

fn between<'k>(from: &'k str, before: &'k str) -> (Bound<&'k str>, Bound<&'k str>) {
    (Bound::Included(from), Bound::Excluded(before))
}

fn key((key, _): (&String, &Vec<u8>)) -> String {
    key.clone()
}

/// The sizes of a store's files, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoreFileSizes {
    pub(crate) database: u64,
    pub(crate) log: u64,
    /// `None` if the system does not report it.
    pub(crate) disk: Option<DiskSpace>,
}

/// The disk of the files, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DiskSpace {
    /// The space that this process can use.
    pub(crate) free: u64,
    pub(crate) size: u64,
}

impl StoreFileSizes {
    fn measure(path: &Path) -> Self {
        // A missing log counts as empty.
        let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        let disk = fs4::statvfs(path).ok();
        let disk = disk.map(|disk| DiskSpace { free: disk.available_space(), size: disk.total_space() });
        Self { database: bytes(path), log: bytes(&log_of(path)), disk }
    }
}
