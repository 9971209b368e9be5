//! The files that a store was opened from, and whether its paths still name them.
//!
//! A file that is renamed, deleted or replaced while a host has it open still accepts every write, and the writes are
//! lost. The log is part of the store: it has commits that are not in the file yet. So all files are compared by device
//! and inode.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::store::layout::{index_of, log_of};

/// The files of an open store.
#[derive(Debug)]
pub(crate) struct OpenedFiles {
    /// Each path with the file that it named.
    files: Vec<(FileRole, PathBuf, InodeId)>,
}

/// The role of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileRole {
    /// The store's file, by the given path and by its canonical path.
    Database,
    /// SQLite's log, or its index in shared memory.
    Log,
}

/// Identifies a file by device and inode.
#[cfg_attr(not(unix), expect(dead_code, reason = "none is compared there"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct InodeId {
    device: u64,
    inode: u64,
}

/// A path that does not name the file that was opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) struct Moved {
    path: PathBuf,
    role: FileRole,
    how: MoveKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum MoveKind {
    Gone,
    Replaced,
    Unknown(String),
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.how {
            MoveKind::Gone => write!(f, "{path} was moved or deleted"),
            MoveKind::Replaced => write!(f, "{path} is another file than the one that was opened"),
            MoveKind::Unknown(error) => write!(f, "{path} cannot be checked: {error}"),
        }
    }
}

impl OpenedFiles {
    /// The file at a path before the store is opened. `None` if it does not exist yet.
    pub fn before(path: &Path) -> Option<FileBefore> {
        file_id(path).ok().flatten().map(FileBefore)
    }

    /// Records the files of a store that is open and has a log. `before` is the file before it was opened.
    pub fn record(path: &Path, before: Option<FileBefore>) -> io::Result<Self> {
        let canonical = path.canonicalize()?;
        let (log, index) = (log_of(&canonical), index_of(&canonical));
        let mut paths = vec![(FileRole::Database, canonical), (FileRole::Log, log), (FileRole::Log, index)];
        if paths.iter().all(|(_, known)| known != path) {
            paths.push((FileRole::Database, path.to_owned()));
        }
        let mut files = Vec::new();
        for (role, path) in paths {
            // Systems without inodes compare nothing.
            if let Some(id) = file_id(&path)? {
                let replaced = role == FileRole::Database && before.as_ref().is_some_and(|before| before.0 != id);
                if replaced {
                    return Err(io::Error::other("it was replaced while it was being opened; try again"));
                }
                files.push((role, path, id));
            }
        }
        Ok(Self { files })
    }

    /// An error with the first path that does not name its file now.
    pub fn compare(&self) -> Result<(), Moved> {
        for (role, path, opened) in &self.files {
            let how = match file_id(path) {
                Ok(Some(found)) if found != *opened => MoveKind::Replaced,
                Ok(_) => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => MoveKind::Gone,
                Err(error) => MoveKind::Unknown(error.to_string()),
            };
            return Err(Moved { path: path.clone(), role: *role, how });
        }
        Ok(())
    }
}

impl Moved {
    /// Whether only the log was deleted. The log is still open here, so it can be copied into the file.
    pub fn is_deleted_log(&self) -> bool {
        self.role == FileRole::Log && self.how == MoveKind::Gone
    }
}

/// See [`OpenedFiles::before`].
#[derive(Debug)]
pub(crate) struct FileBefore(InodeId);

/// The file that a path names. `None` if the system has no inodes.
///
/// Does not ask for the times of the file: since Linux 6.13, that makes the next write update them exactly, and its
/// sync write the inode, too.
#[cfg(target_os = "linux")]
fn file_id(path: &Path) -> io::Result<Option<InodeId>> {
    use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
    let file = statx(CWD, path, AtFlags::empty(), StatxFlags::INO)?;
    let device = u64::from(file.stx_dev_major) << 32 | u64::from(file.stx_dev_minor);
    Ok(Some(InodeId { device, inode: file.stx_ino }))
}

#[cfg(all(unix, not(target_os = "linux")))]
fn file_id(path: &Path) -> io::Result<Option<InodeId>> {
    use std::os::unix::fs::MetadataExt as _;
    let file = std::fs::metadata(path)?;
    Ok(Some(InodeId { device: file.dev(), inode: file.ino() }))
}

#[cfg(not(unix))]
fn file_id(path: &Path) -> io::Result<Option<InodeId>> {
    std::fs::metadata(path).map(|_| None)
}

/// Warns if the file itself is a mount, as in a container's volume: its log is then on another disk and lost with the
/// container.
#[cfg(target_os = "linux")]
pub(crate) fn warn_if_mounted(path: &Path) {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    let found = statx(CWD, path, AtFlags::empty(), StatxFlags::empty());
    if found.is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)) {
        tracing::warn!(
            "{} itself is a mount, so its log is on another disk; mount the folder instead of the file",
            path.display()
        );
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn warn_if_mounted(_: &Path) {}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use tempfile::TempDir;

    use super::OpenedFiles;

    fn opened(folder: &Path) -> OpenedFiles {
        for name in ["real.db", "real.db-wal", "real.db-shm", "other"] {
            fs::write(folder.join(name), name).unwrap();
        }
        symlink("real.db", folder.join("store.db")).unwrap();
        OpenedFiles::record(&folder.join("store.db"), None).unwrap()
    }

    #[test]
    fn a_moved_or_replaced_file_is_reported_until_it_is_back() {
        let names = ["real.db", "real.db-wal", "real.db-shm", "store.db"];
        for (name, replace) in names.into_iter().flat_map(|name| [(name, false), (name, true)]) {
            let folder = TempDir::new().unwrap();
            let files = opened(folder.path());
            assert_eq!(files.compare(), Ok(()));
            let (path, aside) = (folder.path().join(name), folder.path().join("aside"));
            fs::rename(&path, &aside).unwrap();
            if replace {
                fs::copy(folder.path().join("other"), &path).unwrap();
            }
            let moved = files.compare().unwrap_err();
            assert!(moved.to_string().contains(name), "{moved}");
            let log = name.contains("-wal") || name.contains("-shm");
            assert_eq!(moved.is_deleted_log(), log && !replace, "{moved}");
            fs::rename(&aside, &path).unwrap();
            assert_eq!(files.compare(), Ok(()), "{name}");
        }
    }

    #[test]
    fn a_changed_link_is_reported_although_the_file_is_in_place() {
        let folder = TempDir::new().unwrap();
        let files = opened(folder.path());
        fs::remove_file(folder.path().join("store.db")).unwrap();
        symlink("other", folder.path().join("store.db")).unwrap();
        assert!(files.compare().is_err());
    }

    #[test]
    fn a_file_that_is_replaced_while_being_opened_is_an_error() {
        let folder = TempDir::new().unwrap();
        drop(opened(folder.path()));
        let path = folder.path().join("real.db");
        let before = OpenedFiles::before(&path);
        fs::rename(folder.path().join("other"), &path).unwrap();
        assert!(OpenedFiles::record(&path, before).is_err());
    }
}
