//! `outbound-events-host store …`: what can be done to a store's file, whether or not a host runs on it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail, ensure};
use clap::Subcommand;
use indicatif::DecimalBytes;
use outbound_events_host::backup::backup;
use outbound_events_host::store::KeyValueStore;

use super::progress::Progress;

/// What to do to a store's file.
#[derive(Subcommand)]
pub enum StoreCommand {
    /// Makes an empty store file in WAL mode, in which Spin's own store is several times faster.
    Init {
        /// The file to make.
        path: PathBuf,
    },
    /// Copies a store file, also while a host runs on it: the copy holds all that was answered 200 before.
    ///
    /// The copy is checked, and stands under its name only when it is whole and on disk. Until then it is NEW.….unfinished,
    /// which may be deleted if this was stopped. To put a copy in place of a store, stop the host, take away the store's file
    /// and what stands beside it (….db-wal, ….db-shm), and give the copy its name.
    Backup {
        /// The file to copy.
        path: PathBuf,
        /// The file to make.
        new: PathBuf,
    },
}

impl StoreCommand {
    /// Does it, and says how it ended.
    pub fn run(self) -> Result<ExitCode> {
        match self {
            Self::Init { path } => init(&path)?,
            Self::Backup { path, new } => copy(&path, &new)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn init(path: &Path) -> Result<()> {
    if path.exists() {
        bail!("{} is there already; it was not touched", path.display());
    }
    KeyValueStore::sqlite(path)?;
    println!("{} is an empty store in WAL mode", path.display());
    Ok(())
}

fn copy(path: &Path, new: &Path) -> Result<()> {
    must_be_there(path)?;
    let progress = Progress::new(&format!("copying {}", path.display()), "pages");
    backup(path, new, |done, total| progress.at(done, total))?;
    drop(progress);
    let size = DecimalBytes(std::fs::metadata(new)?.len());
    println!("{} is a copy of {}: {size}, checked, on disk", new.display(), path.display());
    Ok(())
}

fn must_be_there(path: &Path) -> Result<()> {
    ensure!(
        path.exists(),
        "there is no file {}, and none was made; `cargo xtask run` keeps its store in .spin/sqlite_key_value.db",
        path.display()
    );
    Ok(())
}
