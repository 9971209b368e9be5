//! The port to a key-value store, with only the operations that every platform has.
//!
//! Not every platform has atomics, transactions, prefixes or expiry, so the service uses none. Keys derive from
//! identity, values are written once, and no value is read, changed and written back, except advisory state (leases,
//! states of destinations) whose loss only repeats work.

/// A key-value store. The adapters (`spin.rs`, `wasi.rs`), our host (for its own commands) and tests implement it.
///
/// Asynchronous because the stores of some platforms are.
#[expect(async_fn_in_trait, reason = "components are single-threaded, native hosts name their store's type")]
pub trait Store {
    /// Whether there is a value under `key`. Must be true only for a durable value: otherwise an event that a crash
    /// loses would be answered as a duplicate and never be sent again.
    async fn exists(&self, key: &str) -> Result<bool, StoreError>;

    /// Reads the value under `key`.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Writes `value` under `key`, and replaces an earlier value. `Ok` promises that it is durable. After an error
    /// the whole value may or may not be there.
    async fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError>;

    /// Deletes the value under `key`, if there is one. `Ok` promises that the deletion is durable.
    async fn delete(&self, key: &str) -> Result<(), StoreError>;

    /// Lists all keys, in any order. No platform can list fewer.
    async fn get_keys(&self) -> Result<Vec<String>, StoreError>;
}

/// The error of a store. Each variant has the store's own message, for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no room for the value: compaction can make some.
    #[error("the store is full: {0}")]
    Full(String),
    /// The store does not answer, or not in time. A write may have been done.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    /// The component is not allowed to use the store, or there is no store of the configured name.
    #[error("the store cannot be used: {0}")]
    Denied(String),
    /// Any other error, also one that this version does not recognise.
    #[error("the store failed: {0}")]
    Other(String),
}

/// Messages of full stores, in lower case. Platforms pass these messages on as text without a kind.
///
/// | message | source |
/// |---|---|
/// | `database or disk is full` | SQLite (`sqlite3ErrStr`, `SQLITE_FULL`): our host and Spin's own store |
/// | `command not allowed when used memory` | Redis at `maxmemory` (`server.c`, `shared.oomerr`) |
/// | `maximum bytes exceeded` | NATS: a bucket at its `max_bytes` (`server/store.go`, `ErrMaxBytes`) |
const WORDS_OF_FULL: [&str; 3] =
    ["database or disk is full", "command not allowed when used memory", "maximum bytes exceeded"];

/// Messages of our host when its store does not answer (`crates/host/src/store/error.rs`), in lower case.
const WORDS_OF_UNAVAILABLE: [&str; 3] =
    ["the store did not answer within", "the store is closed", "nothing is taken until it is back"];

impl StoreError {
    /// Classifies an error that a platform reports as text. An unknown text is [`StoreError::Other`].
    pub fn of_words(words: String) -> Self {
        let folded = words.to_lowercase();
        let says = |known: &[&str]| known.iter().any(|known| folded.contains(known));
        if says(&WORDS_OF_FULL) {
            Self::Full(words)
        } else if says(&WORDS_OF_UNAVAILABLE) {
            Self::Unavailable(words)
        } else {
            Self::Other(words)
        }
    }
}

/// The result of keeping a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It was stored.
    New,
    /// The same value was stored before. It is whole, and unchanged.
    Before,
}

/// Whether there is a whole value under a key. The value is read before `exists` is believed: a "duplicate" without a
/// stored event would lose the event.
pub async fn holds(store: &impl Store, key: &str) -> Result<bool, StoreError> {
    Ok(store.exists(key).await? && store.get(key).await?.is_some_and(|before| is_whole(&before)))
}

/// Whether a value is complete. A value that was truncated or filled with zeros does not parse as JSON.
fn is_whole(value: &[u8]) -> bool {
    str::from_utf8(value).is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
}
