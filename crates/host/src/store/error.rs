//! What can be wrong with a store, for all that work on one.

use std::path::Path;

use rusqlite::ErrorCode;

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
    /// There is no room for it. The component has only this text: the library recognises it by the words "database or disk is full"
    /// (`StoreError::of_words` in `src/store.rs`).
    #[error("the store's file: database or disk is full")]
    Full,
    /// A path of the store leads to another file than the one that was opened, or to none: what is written is not where it will be looked for.
    #[error("the store's file: {0}; nothing is taken until it is back, or the host is started again")]
    Moved(String),
    /// SQLite finds it damaged.
    #[error("the store's file is damaged: {0}")]
    Damaged(String),
    /// SQLite says so: the file is locked by another process, or worse.
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
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            _ => Self::Sqlite(error.to_string()),
        }
    }
}

/// Why a file cannot be a store, and what to do about it where SQLite finds it damaged.
pub fn explain(path: &Path, error: &anyhow::Error) -> String {
    let told = told(error);
    match error.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code) {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => format!(
            "{told}. Keep the file: `sqlite3 {} .recover | sqlite3 NEW-FILE` may save what it holds. Or put back a copy",
            path.display()
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!("{told}: another process holds it. Try again when that has let go")
        }
        Some(ErrorCode::ReadOnly) => "its folder cannot be written, where SQLite's log stands beside it".to_owned(),
        _ => told,
    }
}

/// An error with its causes, each told once: some libraries repeat a cause in what they say themselves.
pub fn told(error: &anyhow::Error) -> String {
    let mut told: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string) {
        if !told.iter().any(|before| before.contains(&cause) || cause.contains(before)) {
            told.push(cause);
        }
    }
    told.join(": ")
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::told;

    #[test]
    fn a_cause_is_told_once() {
        let cases: [(&[&str], &str); 4] = [
            (&["no such file", "settings.env cannot be read"], "settings.env cannot be read: no such file"),
            (&["no such file", "no such file", "it cannot be read"], "it cannot be read: no such file"),
            (&["Error code 26: not a database", "not a database"], "not a database"),
            (&["locked", "it is locked by another"], "it is locked by another"),
        ];
        for (causes, expected) in cases {
            let first = anyhow!(causes[0]);
            let error = causes[1..].iter().fold(first, |error, context| error.context(context.to_string()));
            assert_eq!(told(&error), expected);
        }
    }
}
