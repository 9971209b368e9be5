//! Which files a store was opened from, and whether its paths still name them.
//!
//! A file that is renamed, deleted or replaced while a host has it open still takes every write, and nobody finds them again. The log
//! beside it is a part of the store: what was committed is in it, and not yet in the file. So all of them are compared by device and inode.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::store::layout::{index_of, log_of};

/// The files of a store that is open.
#[derive(Debug)]
pub(crate) struct OpenedFiles {
    /// Each path with the file that it led to.
    files: Vec<(Role, PathBuf, FileId)>,
}

/// What a path is to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// The store's file, by the path that was given and by the one that this leads to.
    Database,
    /// SQLite's log, or the log's index in shared memory.
    Log,
}

/// A file, whatever its name.
#[cfg_attr(not(unix), expect(dead_code, reason = "none is compared there"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

/// A path that does not lead to the file that was opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) struct Moved {
    path: PathBuf,
    role: Role,
    how: How,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum How {
    Gone,
    Replaced,
    Unknown(String),
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.how {
            How::Gone => write!(f, "{path} was moved or deleted"),
            How::Replaced => write!(f, "{path} is another file than the one that was opened"),
            How::Unknown(error) => write!(f, "{path} cannot be looked at: {error}"),
        }
    }
}

impl OpenedFiles {
    /// The file of a store that is to be opened. It may not be there yet.
    pub fn before(path: &Path) -> Option<FileBefore> {
        file_id(path).ok().flatten().map(FileBefore)
    }

    /// Those of a store that is open by now and has a log. `before` is what the path led to before it was opened.
    pub fn of(path: &Path, before: Option<FileBefore>) -> io::Result<Self> {
        let canonical = path.canonicalize()?;
        let (log, index) = (log_of(&canonical), index_of(&canonical));
        let mut paths = vec![(Role::Database, canonical), (Role::Log, log), (Role::Log, index)];
        if paths.iter().all(|(_, known)| known != path) {
            paths.push((Role::Database, path.to_owned()));
        }
        let mut files = Vec::new();
        for (role, path) in paths {
            // Where files have no such number, none is compared.
            if let Some(id) = file_id(&path)? {
                let replaced = role == Role::Database && before.as_ref().is_some_and(|before| before.0 != id);
                if replaced {
                    return Err(io::Error::other("it was replaced while it was opened; try again"));
                }
                files.push((role, path, id));
            }
        }
        Ok(Self { files })
    }

    /// The first path that does not lead to its file now.
    pub fn compare(&self) -> Result<(), Moved> {
        for (role, path, opened) in &self.files {
            let how = match file_id(path) {
                Ok(Some(found)) if found != *opened => How::Replaced,
                Ok(_) => continue,
                Err(error) if error.kind() == io::ErrorKind::NotFound => How::Gone,
                Err(error) => How::Unknown(error.to_string()),
            };
            return Err(Moved { path: path.clone(), role: *role, how });
        }
        Ok(())
    }
}

impl Moved {
    /// Whether the file is where it was, and its log alone was deleted: then the log, which is still open here, can be saved into the file.
    pub fn is_deleted_log(&self) -> bool {
        self.role == Role::Log && self.how == How::Gone
    }
}

/// See [`OpenedFiles::before`].
#[derive(Debug)]
pub(crate) struct FileBefore(FileId);

/// The file that a path leads to. `None` where the system has no such number.
///
/// The times of the file are not asked for: since Linux 6.13, the next write would note its time exactly, and the sync after it write the inode too.
#[cfg(target_os = "linux")]
fn file_id(path: &Path) -> io::Result<Option<FileId>> {
    use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
    let file = statx(CWD, path, AtFlags::empty(), StatxFlags::INO)?;
    let device = u64::from(file.stx_dev_major) << 32 | u64::from(file.stx_dev_minor);
    Ok(Some(FileId { device, inode: file.stx_ino }))
}

#[cfg(all(unix, not(target_os = "linux")))]
fn file_id(path: &Path) -> io::Result<Option<FileId>> {
    use std::os::unix::fs::MetadataExt as _;
    let file = std::fs::metadata(path)?;
    Ok(Some(FileId { device: file.dev(), inode: file.ino() }))
}

#[cfg(not(unix))]
fn file_id(path: &Path) -> io::Result<Option<FileId>> {
    std::fs::metadata(path).map(|_| None)
}

/// Warns if a file is mounted by itself, as a container's volume can be: its log then stands on another disk, and is gone with the container.
#[cfg(target_os = "linux")]
pub(crate) fn warn_if_mounted(path: &Path) {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    let found = statx(CWD, path, AtFlags::empty(), StatxFlags::empty());
    if found.is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)) {
        tracing::warn!(
            "{} is a mount of its own, and the log beside it is elsewhere; mount the folder instead of the file",
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
        OpenedFiles::of(&folder.join("store.db"), None).unwrap()
    }

    #[test]
    fn whatever_path_leads_to_another_file_is_named_and_none_once_it_leads_back() {
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
    fn a_link_that_leads_elsewhere_is_noticed_though_the_file_is_where_it_was() {
        let folder = TempDir::new().unwrap();
        let files = opened(folder.path());
        fs::remove_file(folder.path().join("store.db")).unwrap();
        symlink("other", folder.path().join("store.db")).unwrap();
        assert!(files.compare().is_err());
    }

    #[test]
    fn a_file_that_is_replaced_while_it_is_opened_is_an_error() {
        let folder = TempDir::new().unwrap();
        drop(opened(folder.path()));
        let path = folder.path().join("real.db");
        let before = OpenedFiles::before(&path);
        fs::rename(folder.path().join("other"), &path).unwrap();
        assert!(OpenedFiles::of(&path, before).is_err());
    }
}
