//! One host a store's file: a second one, started by mistake, would serve beside the first unseen, and each would count its limits alone.
//!
//! The system lets go of the lock when its process ends, however that ends. The file stays.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use crate::store::error::StoreError;
use crate::store::layout::beside;

/// Held while a host serves from a store's file.
#[derive(Debug)]
pub struct HostLock {
    #[expect(dead_code, reason = "held, not read")]
    file: File,
}

impl HostLock {
    /// Takes the lock of a store's file that is there; it lies beside it and says whose it is. `None` where another host holds it and they are to
    /// share the store; an error with the other's process where they are not.
    pub fn take(store: &Path, shared: bool) -> Result<Option<Self>, StoreError> {
        let unusable = |reason: String| StoreError::Open { path: store.display().to_string(), reason };
        let path = lock_of(store);
        let named = |error: std::io::Error| unusable(format!("{}: {error}", path.display()));
        let mut file = open(&path).map_err(named)?;
        match file.try_lock() {
            Ok(()) => {
                // Where the disk is full, whose it is stays unsaid.
                let _ = write_process(&mut file);
                Ok(Some(Self { file }))
            }
            Err(TryLockError::WouldBlock) if shared => Ok(None),
            Err(TryLockError::WouldBlock) => Err(unusable(format!(
                "another host serves from it{}. Stop that one, or give this one another --store; --shared serves beside it",
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

/// Whose it is, if that was written down already.
fn process(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
