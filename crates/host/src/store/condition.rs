//! Faults of a store's files, shared by readers, the writer and the health check.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::ErrorCode;

use crate::store::error::{HostStoreError, explain};
use crate::store::opened_files::{Moved, OpenedFiles};

/// The condition of the open files.
#[derive(Debug)]
pub(crate) struct Condition {
    path: PathBuf,
    files: OpenedFiles,
    /// Whether a path named another file at the last comparison.
    moved: AtomicBool,
    /// The damage that SQLite reported. It stays set: a file does not repair itself.
    damage: OnceLock<String>,
    /// Whether the last commit failed.
    commit_failed: AtomicBool,
}

impl Condition {
    pub fn new(path: &Path, files: OpenedFiles) -> Self {
        Self {
            path: path.to_owned(),
            files,
            moved: AtomicBool::default(),
            damage: OnceLock::new(),
            commit_failed: AtomicBool::default(),
        }
    }

    /// Compares the files with those that were opened. Logs each change once.
    pub fn compare(&self) -> Result<(), Moved> {
        let found = self.files.compare();
        match (&found, self.moved.swap(found.is_err(), Ordering::Relaxed)) {
            (Err(moved), false) => tracing::error!(
                "{moved}: further events would be lost, so requests are answered 503. Put the file back, with the log \
                 beside it (-wal, -shm), and the host continues. To use another file, stop the host first"
            ),
            (Ok(()), true) => tracing::info!("{} and its log are back", self.path.display()),
            _ => {}
        }
        found
    }

    /// Like [`Self::compare`], with an error of the store.
    pub fn look(&self) -> Result<(), HostStoreError> {
        self.compare().map_err(|moved| HostStoreError::Moved(moved.to_string()))
    }

    /// Compares again if the last comparison found a change. Costs nothing otherwise.
    pub fn look_again(&self) -> Result<(), HostStoreError> {
        if self.moved.load(Ordering::Relaxed) { self.look() } else { Ok(()) }
    }

    /// Converts an error of SQLite. Damage is remembered.
    pub fn failed(&self, error: rusqlite::Error) -> HostStoreError {
        if !matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)) {
            return error.into();
        }
        let reason = explain(&self.path, &error.into());
        if self.damage.set(reason.clone()).is_ok() {
            tracing::error!("the store's file is damaged: {reason}");
        }
        HostStoreError::Damaged(reason)
    }

    /// An error if the files are not those that were opened, or are damaged.
    pub fn check(&self) -> Result<(), HostStoreError> {
        self.look()?;
        self.damage.get().map_or(Ok(()), |reason| Err(HostStoreError::Damaged(reason.clone())))
    }

    pub fn committed(&self, succeeded: bool) {
        self.commit_failed.store(!succeeded, Ordering::Relaxed);
    }

    /// Whether the last commit failed.
    pub fn commit_failed(&self) -> bool {
        self.commit_failed.load(Ordering::Relaxed)
    }
}
