//! The key-value store that the host gives to its guest.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::measure::{Commits, Watch};
use crate::store::error::StoreError;
use crate::store::layout::log_of;
use crate::store::snapshot::Snapshot;
use crate::store::sqlite::SqliteStore;

/// A key-value store. Cheap to clone; all clones are one store.
#[derive(Clone, Debug)]
pub enum KeyValueStore {
    /// In a file. A write that succeeded is on disk, and no read shows one that is not.
    Sqlite(Arc<SqliteStore>),
    /// In memory, and gone with the process.
    Memory(Arc<Mutex<BTreeMap<String, Vec<u8>>>>),
}

impl KeyValueStore {
    /// Opens a store in a file, in Spin's own layout, and makes it if it is not there.
    pub fn sqlite(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Ok(Self::Sqlite(Arc::new(SqliteStore::open(path.as_ref())?)))
    }

    /// Opens a store in a file that is one already. Makes nothing where there is none.
    pub fn existing(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        drop(Snapshot::open(&path)?);
        Self::sqlite(path)
    }

    /// An empty store in memory.
    pub fn memory() -> Self {
        Self::Memory(Arc::default())
    }

    /// The value under `key`.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match self {
            Self::Sqlite(store) => store.get(key),
            Self::Memory(values) => Ok(values.lock().get(key).cloned()),
        }
    }

    /// Whether there is a value under `key`.
    pub fn exists(&self, key: &str) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite(store) => store.exists(key),
            Self::Memory(values) => Ok(values.lock().contains_key(key)),
        }
    }

    /// Keeps `value` under `key`, over whatever was there.
    pub async fn set(&self, key: String, value: Vec<u8>) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(store) => store.set(key, value).await,
            Self::Memory(values) => {
                values.lock().insert(key, value);
                Ok(())
            }
        }
    }

    /// Removes what is under `key`, if anything is.
    pub async fn delete(&self, key: String) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(store) => store.delete(key).await,
            Self::Memory(values) => {
                values.lock().remove(&key);
                Ok(())
            }
        }
    }

    /// Keeps room on the store's disk for removal from now on, as who serves from it does. An error if there is none to keep.
    pub fn keep_reserve(&self) -> std::io::Result<()> {
        match self {
            Self::Sqlite(store) => store.keep_reserve(),
            Self::Memory(_) => Ok(()),
        }
    }

    /// An error if the store's files were moved or are damaged, or it is known that nothing can be written now.
    pub async fn check(&self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(store) => store.check().await,
            Self::Memory(_) => Ok(()),
        }
    }

    /// All keys, in no order. Made beside the server's work: there may be many.
    pub async fn get_keys(&self) -> Result<Vec<String>, StoreError> {
        match self {
            Self::Sqlite(store) => store.get_keys().await,
            Self::Memory(values) => Ok(values.lock().keys().cloned().collect()),
        }
    }
}

/// What is looked at to be told as metrics. Blocks.
impl KeyValueStore {
    /// Where commits are measured. None are made in memory.
    pub(crate) fn commits(&self) -> Option<&Watch<Commits>> {
        match self {
            Self::Sqlite(store) => Some(store.commits()),
            Self::Memory(_) => None,
        }
    }

    /// How large the files are. There are none in memory.
    pub(crate) fn files(&self) -> Option<Files> {
        match self {
            Self::Sqlite(store) => Some(Files::of(store.path())),
            Self::Memory(_) => None,
        }
    }

    /// The keys from one on and before another, in their order.
    pub(crate) fn keys_between(&self, from: &str, before: &str) -> Result<Vec<String>, StoreError> {
        match self {
            Self::Sqlite(store) => store.keys_between(from, before),
            Self::Memory(values) => Ok(values.lock().range::<str, _>(between(from, before)).map(key).collect()),
        }
    }

    /// The last of them.
    pub(crate) fn last_key(&self, from: &str, before: &str) -> Result<Option<String>, StoreError> {
        match self {
            Self::Sqlite(store) => store.last_key(from, before),
            Self::Memory(values) => Ok(values.lock().range::<str, _>(between(from, before)).next_back().map(key)),
        }
    }

    /// How many they are, or that they are at least `most`.
    pub(crate) fn count_between(&self, from: &str, before: &str, most: u64) -> Result<u64, StoreError> {
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

/// The files of a store, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) database: u64,
    /// The log beside it.
    pub(crate) log: u64,
    /// None where the system does not say.
    pub(crate) disk: Option<Disk>,
}

/// The disk that they are on, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Disk {
    /// What this process may still use.
    pub(crate) free: u64,
    pub(crate) size: u64,
}

impl Files {
    fn of(path: &Path) -> Self {
        // Without a log there is none to be measured.
        let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        let disk = fs4::statvfs(path).ok();
        let disk = disk.map(|disk| Disk { free: disk.available_space(), size: disk.total_space() });
        Self { database: bytes(path), log: bytes(&log_of(path)), disk }
    }
}
