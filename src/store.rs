//! The key-value port: what the service needs from a store, and nothing that some platform lacks.
//!
//! No platform has them all, so no atomics, transactions, prefixes or expiry: keys come from identity, values are
//! written once, and nothing is read, changed and written back.

use crate::settings::SettingsError;

/// A key-value store. Implemented by the adapter for Spin's, and by tests.
///
/// Asynchronous, because some platforms' stores are; one that is not simply answers at once.
#[expect(async_fn_in_trait, reason = "components are single-threaded, native hosts name their store's type")]
pub trait Store {
    /// Whether there is a value under `key`. True only for what is durable, or what a crash loses would be taken
    /// for a duplicate and never be sent again.
    async fn exists(&self, key: &str) -> Result<bool, StoreError>;

    /// The value under `key`.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Keeps `value` under `key`, over whatever was there. `Ok` promises that it is durable; after an error it may or may
    /// not be there, but never in part.
    async fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError>;

    /// Removes what is under `key`, if anything is. `Ok` promises that it is durable.
    async fn delete(&self, key: &str) -> Result<(), StoreError>;

    /// All keys that there are, in no order. No platform lists fewer.
    async fn get_keys(&self) -> Result<Vec<String>, StoreError>;
}

/// A store that did not do as asked: down, full, slow, or closed to us.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store failed: {0}")]
pub struct StoreError(pub String);

impl From<SettingsError> for StoreError {
    /// A store whose name is not known is none.
    fn from(error: SettingsError) -> Self {
        Self(error.to_string())
    }
}

/// What became of a value to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is stored now.
    New,
    /// It was there already, whole, and is unchanged.
    Before,
}

/// Keeps `value`, which is JSON, under a key that no other value can have: one read, and a write if it was not there. A
/// value that is said to be there is read before that is believed: a "duplicate" of nothing would be an event lost.
///
/// Two overlapping repeats may both write. They write the same, but for the time of recording.
pub async fn keep(store: &impl Store, key: &str, value: &[u8]) -> Result<Kept, StoreError> {
    if holds(store, key).await? {
        return Ok(Kept::Before);
    }
    store.set(key, value).await?;
    Ok(Kept::New)
}

/// Whether there is a whole value under a key.
pub async fn holds(store: &impl Store, key: &str) -> Result<bool, StoreError> {
    Ok(store.exists(key).await? && store.get(key).await?.is_some_and(|before| is_whole(&before)))
}

/// Whether a value has its end. What a store lost a part of, or filled up with zeros, no longer reads as JSON.
fn is_whole(value: &[u8]) -> bool {
    str::from_utf8(value).is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
}
