//! The layout shared by everything that opens a store file: its label, the files beside it, and a timeout.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Spin keeps all stores in one table, by label. This is the label of its default store.
pub(crate) const STORE: &str = "default";

/// How long a write waits while another process locks the file.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The path of SQLite's log.
pub(crate) fn log_of(path: &Path) -> PathBuf {
    beside(path, "-wal")
}

/// The path of the index of that log, which processes share.
pub(crate) fn index_of(path: &Path) -> PathBuf {
    beside(path, "-shm")
}

/// The path with `suffix` appended.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(suffix);
    beside.into()
}
