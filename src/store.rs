//! The key-value port: what the service needs from a store, and nothing that some platform lacks.
//!
//! No platform has them all, so no atomics, transactions, prefixes or expiry: keys come from identity, values are
//! written once, and nothing is read, changed and written back.

/// A key-value store. Implemented by the adapters (`spin.rs`, `wasi.rs`), by our host for its own commands, and by tests.
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

/// Why a store did not do what it was asked. Each holds the store's own words, for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no room for the value. The only error that is answered by making room.
    #[error("the store is full: {0}")]
    Full(String),
    /// The store does not answer, or not in time. A write may be done all the same.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    /// The component may not use the store, or there is no store of the configured name.
    #[error("the store cannot be used: {0}")]
    Denied(String),
    /// Anything else, also what this version cannot tell apart.
    #[error("the store failed: {0}")]
    Other(String),
}

/// What stores say when they are full, in lower case. Platforms hand on these words as text without a kind.
///
/// | words | who says them |
/// |---|---|
/// | `database or disk is full` | SQLite (`sqlite3ErrStr`, `SQLITE_FULL`): our host and Spin's own store |
/// | `command not allowed when used memory` | Redis at `maxmemory` (`server.c`, `shared.oomerr`); Spin's client puts a colon after `OOM` |
/// | `maximum bytes exceeded` | NATS: a bucket at its `max_bytes` (`server/store.go`, `ErrMaxBytes`) |
const WORDS_OF_FULL: [&str; 3] =
    ["database or disk is full", "command not allowed when used memory", "maximum bytes exceeded"];

/// What our host says when its store does not answer (`crates/host/src/store/error.rs`), in lower case.
const WORDS_OF_UNAVAILABLE: [&str; 3] =
    ["the store did not answer within", "the store is closed", "nothing is taken until it is back"];

impl StoreError {
    /// The error that a platform has only a text for. A text that is not known is [`StoreError::Other`].
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

/// What became of a value to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is stored now.
    New,
    /// It was there already, whole, and is unchanged.
    Before,
}

/// Whether there is a whole value under a key. A value that is said to be there is read before that is believed: a "duplicate" of
/// nothing would be an event lost.
pub async fn holds(store: &impl Store, key: &str) -> Result<bool, StoreError> {
    Ok(store.exists(key).await? && store.get(key).await?.is_some_and(|before| is_whole(&before)))
}

/// Whether a value has its end. What a store lost a part of, or filled up with zeros, no longer reads as JSON.
fn is_whole(value: &[u8]) -> bool {
    str::from_utf8(value).is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
}
