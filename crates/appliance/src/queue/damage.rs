//! Damaged queue files: found when they are opened, and renamed.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode};

use super::error::QueueError;

/// Returns SQLite's error for a damaged file unless the file passes its check.
pub(super) fn check_integrity(connection: &Connection) -> rusqlite::Result<()> {
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" {
        return Ok(());
    }
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    Err(rusqlite::Error::SqliteFailure(code, Some(verdict)))
}

pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Renames a damaged file and its log to `….damaged-N`, with the first free number. Returns the new name.
pub(super) fn rename_damaged(path: &Path) -> Result<PathBuf, QueueError> {
    let named = |number: u32, suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".damaged-{number}{suffix}"));
        PathBuf::from(name)
    };
    let free = (1..u32::MAX).find(|number| !named(*number, "").exists()).unwrap_or(u32::MAX);
    for suffix in ["-wal", "-shm", ""] {
        let mut beside = path.as_os_str().to_owned();
        beside.push(suffix);
        match std::fs::rename(&beside, named(free, suffix)) {
            Err(source) if suffix.is_empty() => return Err(QueueError::NotRenamed { path: path.to_owned(), source }),
            // A log does not always exist.
            _ => {}
        }
    }
    Ok(named(free, ""))
}
