//! Allows one host per store file: a second host, started by mistake, would serve unnoticed, with separate limits.
//!
//! The system releases the lock when the process ends, however it ends. The lock file stays.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::store::error::HostStoreError;
use crate::store::layout::beside;

/// Held while a host serves from a store file.
#[derive(Debug)]
pub struct HostLock {
    #[expect(dead_code, reason = "held, not read")]
    file: File,
}

impl HostLock {
    /// Takes the lock of an existing store file. The lock file is beside it and has the id of the process. If another
    /// host holds the lock: `None` with `shared`, otherwise an error with the id of that process.
    pub fn take(store: &Path, shared: bool) -> Result<Option<Self>, HostStoreError> {
        let unusable = |reason: String| HostStoreError::Open { path: store.display().to_string(), reason };
        let path = lock_of(store);
        let named = |error: std::io::Error| unusable(format!("{}: {error}", path.display()));
        let mut file = open(&path).map_err(named)?;
        match file.try_lock() {
            Ok(()) => {
                // Fails on a full disk: then the id is missing.
                let _ = write_process(&mut file);
                Ok(Some(Self { file }))
            }
            Err(TryLockError::WouldBlock) if shared => Ok(None),
            Err(TryLockError::WouldBlock) => Err(unusable(format!(
                "another host uses it{}. Stop that host, or set another --store; with --shared, both use it",
                process(&mut file).map(|id| format!(", process {id}")).unwrap_or_default()
            ))),
            Err(TryLockError::Error(error)) => Err(named(error)),
        }
    }
}

fn lock_of(store: &Path) -> PathBuf {
    beside(store, ".lock")
}

fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn write_process(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

/// The process that holds the lock, if it was written.
fn process(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
