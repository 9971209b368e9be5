//! Where a store's file keeps what, and what stands beside it.

use std::path::{Path, PathBuf};

/// Spin keeps its stores in one table, by their labels. Ours is the default one.
pub(crate) const STORE: &str = "default";

/// Where SQLite keeps a file's log.
pub(crate) fn log_of(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

/// Where SQLite keeps the index of that log, in memory that processes share.
pub(crate) fn index_of(path: &Path) -> PathBuf {
    beside(path, "-shm")
}

/// The path with this after it.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(suffix);
    beside.into()
}
