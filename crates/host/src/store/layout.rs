//! Where a store's file keeps what, what stands beside it, and how long all who use it wait for each other.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Spin keeps its stores in one table, by their labels. Ours is the default one.
pub(crate) const STORE: &str = "default";

/// How long a write waits for another process to let go of the file.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

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
