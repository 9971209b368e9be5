//! Room on the store's disk that is kept for removal: where nothing more can be written, nothing could be deleted either.
//!
//! It is a file beside the store, as large as [`MOST`] or an eighth of the disk, whichever is less. When a write that removes finds the
//! disk full, the file is deleted, and what it took is for such writes alone: no event is taken until it stands there again, or what was
//! removed has left enough free pages in the store's file.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::store::layout::beside;

/// How large it is at most, in bytes: enough for some packs that are written again, and for what SQLite writes beside them.
const MOST: u64 = 8 << 20;

/// The part of it that must be free besides before it is made again: the log has that much until it is copied into the file.
const BESIDE: u64 = 2;

/// How much is written at once, in bytes.
const PART: usize = 64 << 10;

/// The reserve of a store.
#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
    /// Whether it was given up, and not made again since.
    given_up: bool,
    /// Whether it is to be there, as long as it was not given up.
    kept: bool,
}

impl Reserve {
    /// That of the store in this file. Makes nothing.
    pub fn of(store: &Path) -> Self {
        Self { path: beside(store, ".reserve"), given_up: false, kept: false }
    }

    /// Whether what it took is for removal alone.
    pub fn is_given_up(&self) -> bool {
        self.given_up
    }

    /// Deletes it, so that its room can be used. Whether there was any.
    pub fn give_up(&mut self) -> bool {
        let was_there = std::fs::remove_file(&self.path).is_ok();
        if was_there {
            tracing::warn!(
                "the store's disk is full: {} is given up for removal; no event is taken until there is room for it again",
                self.path.display()
            );
        }
        self.given_up |= was_there;
        was_there
    }

    /// Makes it where a host is to serve. If there is no room for it, the disk is full: it is as if it were given up.
    pub fn keep(&mut self) -> io::Result<()> {
        self.kept = true;
        self.make().inspect_err(|error| self.given_up |= error.kind() == io::ErrorKind::StorageFull)
    }

    /// Looks whether another process has given it up: one that removes something from the same store, or somebody by hand.
    pub fn notice(&mut self) {
        if self.kept && !self.given_up && !self.path.exists() {
            tracing::warn!("{} is gone: no event is taken until there is room for it again", self.path.display());
            self.given_up = true;
        }
    }

    /// Makes it, unless it is there. An error if there is no room for it, or it cannot be made for another reason.
    pub fn make(&mut self) -> io::Result<()> {
        // One that a killed host has not written to its end is shorter.
        let there = std::fs::metadata(&self.path).map_or(0, |file| file.len());
        if there < self.bytes()? / PART as u64 * PART as u64 {
            let _ = std::fs::remove_file(&self.path);
            self.write().inspect_err(|_| _ = std::fs::remove_file(&self.path))?;
            if self.given_up {
                tracing::info!("{} is made again: the store's disk has room", self.path.display());
            }
        }
        self.given_up = false;
        Ok(())
    }

    /// How large it is, or is to be, in bytes.
    pub fn bytes(&self) -> io::Result<u64> {
        Ok(MOST.min(fs4::statvfs(self.folder())?.total_space() / 8))
    }

    /// How much is free on the disk, in bytes.
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
        // Noise, so that no file system makes less of it.
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
    fn it_takes_room_until_it_is_given_up_and_again_once_it_is_made() {
        let folder = TempDir::new().unwrap();
        let mut reserve = Reserve::of(&folder.path().join("store.db"));
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
    fn one_that_another_process_gave_up_is_missed_and_one_that_is_short_is_made_anew() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("store.db.reserve");
        let mut reserve = Reserve::of(&folder.path().join("store.db"));
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
