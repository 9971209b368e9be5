//! The key-value store that the host gives to its guest.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

pub use crate::error::StoreError;
use crate::snapshot::Snapshot;
use crate::sqlite::SqliteStore;

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
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match self {
            Self::Sqlite(store) => store.get(key),
            Self::Memory(values) => Ok(lock(values).get(key).cloned()),
        }
    }

    /// Whether there is a value under `key`.
    pub async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        match self {
            Self::Sqlite(store) => store.exists(key),
            Self::Memory(values) => Ok(lock(values).contains_key(key)),
        }
    }

    /// Keeps `value` under `key`, over whatever was there.
    pub async fn set(&self, key: String, value: Vec<u8>) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(store) => store.set(key, value).await,
            Self::Memory(values) => {
                lock(values).insert(key, value);
                Ok(())
            }
        }
    }

    /// Removes what is under `key`, if anything is.
    pub async fn delete(&self, key: String) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(store) => store.delete(key).await,
            Self::Memory(values) => {
                lock(values).remove(&key);
                Ok(())
            }
        }
    }

    /// All keys, in no order. Runs beside the server's work: there may be many.
    pub async fn get_keys(&self) -> Result<Vec<String>, StoreError> {
        match self {
            Self::Sqlite(store) => {
                let store = Arc::clone(store);
                tokio::task::spawn_blocking(move || store.get_keys()).await.map_err(|_| StoreError::Closed)?
            }
            Self::Memory(values) => Ok(lock(values).keys().cloned().collect()),
        }
    }
}

/// A map is whole between any two calls, whatever thread died in between.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
