//! Reserved room on the store's disk for removal: without it, nothing could be deleted on a full disk.
//!
//! The reserve is a file beside the store, of [`MOST`] bytes or an eighth of the disk, whichever is less. When a
//! removal finds the disk full, the file is deleted, and only removals can use its room: events are refused until the
//! file is made again, or until removals have freed enough pages in the store's file.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::store::layout::beside;

/// The most bytes of the reserve: enough to rewrite some packs, with SQLite's overhead.
const MOST: u64 = 8 << 20;

/// Before the reserve is made, the disk must have this fraction of it free in addition (a half): the log needs it until
/// the next checkpoint.
const BESIDE: u64 = 2;

/// The size of a write, in bytes.
const PART: usize = 64 << 10;

/// The reserve of a store.
#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
    /// Whether the file was given up and not made again since.
    given_up: bool,
    /// Whether the file must exist unless it was given up.
    kept: bool,
}

impl Reserve {
    /// The reserve of a store file. Creates nothing.
    pub fn new(store: &Path) -> Self {
        Self { path: beside(store, ".reserve"), given_up: false, kept: false }
    }

    /// Whether the room of the reserve is for removals only.
    pub fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// Deletes the file to free its room. False if there was none.
    pub fn give_up(&mut self) -> bool {
        let was_there = std::fs::remove_file(&self.path).is_ok();
        if was_there {
            tracing::warn!(
                "the store's disk is full: {} was deleted for removals; events are refused until it has room again",
                self.path.display()
            );
        }
        self.given_up |= was_there;
        was_there
    }

    /// Makes the file for a serving host. Without room for it, the disk is full, and the reserve counts as given up.
    pub fn keep(&mut self) -> io::Result<()> {
        self.kept = true;
        self.make().inspect_err(|error| self.given_up |= error.kind() == io::ErrorKind::StorageFull)
    }

    /// Notices that another process deleted the file: one that removes events from the same store, or an administrator.
    pub fn notice(&mut self) {
        if self.kept && !self.given_up && !self.path.exists() {
            tracing::warn!("{} is gone: events are refused until there is room for it again", self.path.display());
            self.given_up = true;
        }
    }

    /// Makes the file unless it exists. An error if there is no room for it, or for another reason.
    pub fn make(&mut self) -> io::Result<()> {
        // The file of a host that was killed while writing it is shorter.
        let there = std::fs::metadata(&self.path).map_or(0, |file| file.len());
        if there < self.bytes()? / PART as u64 * PART as u64 {
            let _ = std::fs::remove_file(&self.path);
            self.write().inspect_err(|_| _ = std::fs::remove_file(&self.path))?;
            if self.given_up {
                tracing::info!("{} was made again: the store's disk has room", self.path.display());
            }
        }
        self.given_up = false;
        Ok(())
    }

    /// The size of the file in bytes, whether or not it exists.
    pub fn bytes(&self) -> io::Result<u64> {
        Ok(MOST.min(fs4::statvfs(self.folder())?.total_space() / 8))
    }

    /// The free space on the disk, in bytes.
    pub fn free(&self) -> io::Result<u64> {
        Ok(fs4::statvfs(self.folder())?.available_space())
    }

    fn folder(&self) -> &Path {
        self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }

    fn write(&self) -> io::Result<()> {
        let bytes = self.bytes()?;
        if self.free()? < bytes + bytes / BESIDE {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut file = create(&self.path)?;
        // Random, so that no file system compresses it.
        let mut part = [0; PART];
        for _ in 0..bytes / PART as u64 {
            getrandom::fill(&mut part).map_err(io::Error::other)?;
            file.write_all(&part)?;
        }
        file.sync_all()
    }
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::{MOST, Reserve};

    #[test]
    fn the_reserve_occupies_room_until_it_is_given_up_and_can_be_made_again() {
        let folder = TempDir::new().unwrap();
        let mut reserve = Reserve::new(&folder.path().join("store.db"));
        assert!(!reserve.give_up() && !reserve.is_given_up(), "there was none");
        for _ in 0..2 {
            reserve.make().unwrap();
            reserve.make().unwrap();
            assert!(!reserve.is_given_up());
            assert_eq!(folder.path().join("store.db.reserve").metadata().unwrap().len(), MOST);
            assert!(reserve.give_up() && reserve.is_given_up());
            assert!(!folder.path().join("store.db.reserve").exists());
        }
    }

    #[test]
    fn a_deleted_reserve_is_noticed_and_a_short_one_is_made_again() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("store.db.reserve");
        let mut reserve = Reserve::new(&folder.path().join("store.db"));
        reserve.notice();
        assert!(!reserve.is_given_up(), "none was kept");
        reserve.keep().unwrap();
        std::fs::remove_file(&path).unwrap();
        reserve.notice();
        assert!(reserve.is_given_up());
        std::fs::write(&path, "cut short by a kill").unwrap();
        reserve.keep().unwrap();
        assert!(!reserve.is_given_up());
        assert_eq!(path.metadata().unwrap().len(), MOST);
    }
}
