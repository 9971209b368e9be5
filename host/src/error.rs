//! What can be wrong with a store, for all that work on one.

/// A store that did not do as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be a store.
    #[error("{path} cannot be used as a store: {reason}")]
    Open {
        /// The file.
        path: String,
        /// What SQLite or the file system says.
        reason: String,
    },
    /// No copy can be made.
    #[error("{path} cannot be made a copy of the store: {reason}")]
    Backup {
        /// The file to be.
        path: String,
        /// What is in the way.
        reason: String,
    },
    /// SQLite says so: the disk is full, the file is locked by another process, or worse.
    #[error("the store's file: {0}")]
    Sqlite(String),
    /// The disk did not answer in time. The write may or may not be kept.
    #[error("the store did not answer within {0} seconds")]
    Slow(u64),
    /// The store's thread is gone.
    #[error("the store is closed")]
    Closed,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error.to_string())
    }
}
