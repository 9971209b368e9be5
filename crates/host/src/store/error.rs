//! Errors of a store.

use std::path::Path;

use rusqlite::ErrorCode;

/// Why a store operation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostStoreError {
    /// The file cannot be used as a store.
    #[error("{path} cannot be used as a store: {reason}")]
    Open {
        /// The file.
        path: String,
        /// The cause.
        reason: String,
    },
    /// The store cannot be copied.
    #[error("the store cannot be copied to {path}: {reason}")]
    Backup {
        /// The file to create.
        path: String,
        /// The cause.
        reason: String,
    },
    /// The disk is full. The component gets only this text: the library recognises it by the words "database or disk is
    /// full" (`StoreError::of_words` in `src/store.rs`).
    #[error("the store's file: database or disk is full")]
    Full,
    /// A path of the store names another file than the one that was opened, or none: a write would be lost. The library
    /// recognises the words "nothing is taken until it is back".
    #[error("the store's file: {0}; nothing is taken until it is back, or the host is restarted")]
    Moved(String),
    /// SQLite reports damage.
    #[error("the store's file is damaged: {0}")]
    Damaged(String),
    /// Another error of SQLite, for example because another process locks the file.
    #[error("the store's file: {0}")]
    Sqlite(String),
    /// The disk did not answer in time. The write may have been stored.
    #[error("the store did not answer within {0} seconds")]
    Slow(u64),
    /// The store's thread has ended.
    #[error("the store is closed")]
    Closed,
}

impl From<rusqlite::Error> for HostStoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            _ => Self::Sqlite(error.to_string()),
        }
    }
}

/// Why a file cannot be used as a store, and what to do about it.
pub fn explain(path: &Path, error: &anyhow::Error) -> String {
    let reason = with_causes(error);
    match error.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code) {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => format!(
            "{reason}. Keep the file: `sqlite3 {} .recover | sqlite3 NEW-FILE` can save events. Or restore a copy",
            path.display()
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!("{reason}: another process locks it. Stop that process, or try again later")
        }
        Some(ErrorCode::ReadOnly) => "its folder cannot be written, and SQLite keeps its log there".to_owned(),
        _ => reason,
    }
}

/// An error with its causes, without repetitions: some libraries repeat a cause in their own message.
pub fn with_causes(error: &anyhow::Error) -> String {
    let mut messages: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string) {
        if !messages.iter().any(|before| before.contains(&cause) || cause.contains(before)) {
            messages.push(cause);
        }
    }
    messages.join(": ")
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::with_causes;

    #[test]
    fn a_cause_is_not_repeated() {
        let cases: [(&[&str], &str); 4] = [
            (&["no such file", "settings.env cannot be read"], "settings.env cannot be read: no such file"),
            (&["no such file", "no such file", "it cannot be read"], "it cannot be read: no such file"),
            (&["Error code 26: not a database", "not a database"], "not a database"),
            (&["locked", "it is locked by another"], "it is locked by another"),
        ];
        for (causes, expected) in cases {
            let first = anyhow!(causes[0]);
            let error = causes[1..].iter().fold(first, |error, context| error.context(context.to_string()));
            assert_eq!(with_causes(&error), expected);
        }
    }
}
