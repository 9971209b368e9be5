//! Copies a store file while others use it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use tempfile::NamedTempFile;

use crate::store::error::{HostStoreError, with_causes};
use crate::store::layout::log_of;
use crate::store::snapshot::Snapshot;

/// How many pages are copied at once: 4 MiB with the default page size.
const PAGES: i32 = 1024;

/// The pause after that, in which others use the disk.
const PAUSE: Duration = Duration::from_millis(10);

/// Copies a store file to a new file with everything that was stored when this began. The new file appears only when it
/// is complete, checked and synced to disk. Only its owner can read it, whatever the permissions of the store.
/// `progress` gets the number of copied pages and the total.
pub fn backup(from: &Path, new: &Path, progress: impl FnMut(u64, u64)) -> Result<(), HostStoreError> {
    let snapshot = Snapshot::open(from)?;
    make(&snapshot, new, progress)
        .map_err(|error| HostStoreError::Backup { path: new.display().to_string(), reason: with_causes(&error) })
}

fn make(snapshot: &Snapshot, new: &Path, progress: impl FnMut(u64, u64)) -> anyhow::Result<()> {
    ensure!(!new.try_exists()?, "it exists and was not changed");
    // SQLite would use it as the log of the copy.
    let log = log_of(new);
    ensure!(!log.try_exists()?, "the log of an earlier file, {}, exists; move it away", log.display());
    let folder = new.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let unfinished = beside(new, folder).with_context(|| format!("no file can be created in {}", folder.display()))?;
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

/// Copies the snapshot. Without a snapshot, SQLite would restart the copy after every write of others.
fn copy(snapshot: &Snapshot, to: &Path, file: &File, mut progress: impl FnMut(u64, u64)) -> anyhow::Result<()> {
    let mut connection = Connection::open(to)?;
    // An incomplete file is never used, so it needs no journal. It is synced step by step: a single sync of the whole
    // file would delay the host's own.
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

/// A new name is on disk only after its folder was synced.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Other systems sync folders by themselves.
#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> std::io::Result<()> {
    Ok(())
}
