//! A copy of a store's file, made while others work on it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use tempfile::NamedTempFile;

use crate::store::error::{StoreError, told};
use crate::store::layout::log_of;
use crate::store::snapshot::Snapshot;

/// How many pages are copied at once: 4 MiB of a store.
const PAGES: i32 = 1024;

/// How long the disk is left to others after that.
const PAUSE: Duration = Duration::from_millis(10);

/// Copies a store's file to a new one, which holds all that was stored when this began, and which is there only once it is whole,
/// looked at and on disk. It is its owner's alone, whoever may read the store. `progress` is told how many pages are copied, of how many.
pub fn backup(from: &Path, new: &Path, progress: impl FnMut(u64, u64)) -> Result<(), StoreError> {
    let snapshot = Snapshot::open(from)?;
    make(&snapshot, new, progress)
        .map_err(|error| StoreError::Backup { path: new.display().to_string(), reason: told(&error) })
}

fn make(snapshot: &Snapshot, new: &Path, progress: impl FnMut(u64, u64)) -> anyhow::Result<()> {
    ensure!(!new.try_exists()?, "it is there already, and was not touched");
    // SQLite would take it for the copy's own.
    let log = log_of(new);
    ensure!(!log.try_exists()?, "the log of a file that it once was, {}, is still there", log.display());
    let folder = new.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unfinished = beside(new, folder).with_context(|| format!("nothing can be made in {}", folder.display()))?;
    copy(snapshot, unfinished.path(), unfinished.as_file(), progress)?;
    Snapshot::open(unfinished.path())?.check_pages()?;
    unfinished.as_file().sync_all()?;
    unfinished.persist_noclobber(new).map_err(|error| error.error)?;
    sync_folder(folder)?;
    Ok(())
}

fn beside(new: &Path, folder: &Path) -> std::io::Result<NamedTempFile> {
    let mut prefix = new.file_name().map(OsStr::to_owned).unwrap_or_default();
    prefix.push(OsString::from("."));
    tempfile::Builder::new().prefix(&prefix).suffix(".unfinished").tempfile_in(folder)
}

/// Copies what the snapshot sees: what others write meanwhile would otherwise have SQLite begin again, each time.
fn copy(snapshot: &Snapshot, to: &Path, file: &File, mut progress: impl FnMut(u64, u64)) -> anyhow::Result<()> {
    let mut connection = Connection::open(to)?;
    // A file that is not whole is never used. It is synced by hand, a step at a time: one sync of everything would hold up the
    // host's own.
    connection.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")?;
    let pause = if snapshot.holds_up_writers()? { Duration::ZERO } else { PAUSE };
    let backup = Backup::new(snapshot.connection(), &mut connection)?;
    loop {
        let step = backup.step(PAGES)?;
        let at = backup.progress();
        progress((at.pagecount - at.remaining).unsigned_abs().into(), at.pagecount.unsigned_abs().into());
        match step {
            StepResult::Done => break,
            StepResult::More => file.sync_data()?,
            _ => anyhow::bail!("another process holds the file locked"),
        }
        std::thread::sleep(pause);
    }
    drop(backup);
    connection.close().map_err(|(_, error)| error)?;
    Ok(())
}

/// A name is on disk only when its folder is.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Where folders cannot be synced, their system does it by itself.
#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> std::io::Result<()> {
    Ok(())
}
