//! Why the queues cannot be used.

use std::path::PathBuf;

/// Why the queues cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// Another process has the file open.
    #[error("{} is in use by another appliance; stop that one, or set another `queue`", .0.display())]
    InUse(PathBuf),
    /// A database of another program.
    #[error("{} is not a queue file of an appliance; set another `queue`", .0.display())]
    Foreign(PathBuf),
    /// A damaged file cannot be renamed.
    #[error("{} is damaged and cannot be renamed", path.display())]
    NotRenamed {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Any other error of SQLite, such as a full disk.
    #[error("the queues cannot be written: {0}")]
    Store(rusqlite::Error),
}

/// Without `#[from]`: the text of SQLite's error includes its cause, which would appear twice.
impl From<rusqlite::Error> for QueueError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error)
    }
}
