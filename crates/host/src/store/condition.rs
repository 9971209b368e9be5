//! What is wrong with a store's files, for all who use them: who reads, who writes, and who is asked whether the host is ready.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::ErrorCode;

use crate::store::error::{StoreError, explain};
use crate::store::opened_files::{Moved, OpenedFiles};

/// The condition of the files that are open.
#[derive(Debug)]
pub(crate) struct Condition {
    path: PathBuf,
    files: OpenedFiles,
    /// Whether a path led elsewhere when they were compared last.
    moved: AtomicBool,
    /// What SQLite said when it found damage. It stays: no file mends by itself.
    damage: OnceLock<String>,
    /// Whether the last commit failed.
    commit_failed: AtomicBool,
}

impl Condition {
    /// Nothing is wrong so far.
    pub fn of(path: &Path, files: OpenedFiles) -> Self {
        Self {
            path: path.to_owned(),
            files,
            moved: AtomicBool::default(),
            damage: OnceLock::new(),
            commit_failed: AtomicBool::default(),
        }
    }

    /// Compares the files with those that were opened. A change is logged, once.
    pub fn compare(&self) -> Result<(), Moved> {
        let found = self.files.compare();
        match (&found, self.moved.swap(found.is_err(), Ordering::Relaxed)) {
            (Err(moved), false) => tracing::error!(
                "{moved}: what is written now would be lost, so requests are answered 503. Put back what was there, with the log beside it \
                 (-wal, -shm): then it goes on. If it is to be another file, stop the host first"
            ),
            (Ok(()), true) => tracing::info!("{} and its log are back", self.path.display()),
            _ => {}
        }
        found
    }

    /// The same, as an error of the store.
    pub fn look(&self) -> Result<(), StoreError> {
        self.compare().map_err(|moved| StoreError::Moved(moved.to_string()))
    }

    /// Looks again, if something was wrong when it was looked last. Costs nothing otherwise.
    pub fn look_again(&self) -> Result<(), StoreError> {
        if self.moved.load(Ordering::Relaxed) { self.look() } else { Ok(()) }
    }

    /// An error of SQLite, as one of the store. That it found damage is remembered.
    pub fn failed(&self, error: rusqlite::Error) -> StoreError {
        if !matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)) {
            return error.into();
        }
        let reason = explain(&self.path, &error.into());
        if self.damage.set(reason.clone()).is_ok() {
            tracing::error!("the store's file is damaged: {reason}");
        }
        StoreError::Damaged(reason)
    }

    /// An error if the files are not those that were opened, or damage was found.
    pub fn check(&self) -> Result<(), StoreError> {
        self.look()?;
        self.damage.get().map_or(Ok(()), |reason| Err(StoreError::Damaged(reason.clone())))
    }

    /// Notes how a commit ended.
    pub fn committed(&self, succeeded: bool) {
        self.commit_failed.store(!succeeded, Ordering::Relaxed);
    }

    /// Whether the last one failed.
    pub fn commit_failed(&self) -> bool {
        self.commit_failed.load(Ordering::Relaxed)
    }
}
