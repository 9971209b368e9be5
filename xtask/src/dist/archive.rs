//! A reproducible archive: its bytes depend only on its files and one time.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};
use flate2::{Compression, GzBuilder};
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

/// A file of the archive.
pub struct PackedFile {
    pub bytes: Vec<u8>,
    pub is_program: bool,
}

/// Files by their paths in the archive's folder, sorted.
#[derive(Default)]
pub struct PackedFiles(pub BTreeMap<String, PackedFile>);

/// The file of checksums for `sha256sum --check`.
pub const CHECKSUMS: &str = "SHA256SUMS";

impl PackedFiles {
    /// Adds a file that is not executable. An error if the path exists.
    pub fn add(&mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Result<()> {
        self.insert(path.into(), PackedFile { bytes: bytes.into(), is_program: false })
    }

    /// Adds an executable file. An error if the path exists.
    pub fn add_program(&mut self, path: impl Into<String>, bytes: Vec<u8>) -> Result<()> {
        self.insert(path.into(), PackedFile { bytes, is_program: true })
    }

    fn insert(&mut self, path: String, file: PackedFile) -> Result<()> {
        ensure!(!self.0.contains_key(&path), "{path} would be packed twice");
        self.0.insert(path, file);
        Ok(())
    }

    /// The checksums of all files.
    pub fn checksums(&self) -> String {
        self.0.iter().fold(String::new(), |mut sums, (path, file)| {
            // Writing to a string cannot fail.
            let _ = writeln!(sums, "{}  {path}", sha256(&file.bytes));
            sums
        })
    }

    /// A tar.gz with the files in one folder. It contains no user and no time except `time`.
    pub fn pack(&self, folder: &str, time: u64) -> Result<Vec<u8>> {
        let gzip = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::best());
        let mut tar = Builder::new(gzip);
        for (path, file) in &self.0 {
            let mut header = Header::new_gnu();
            header.set_entry_type(EntryType::Regular);
            header.set_size(file.bytes.len() as u64);
            header.set_mode(if file.is_program { 0o755 } else { 0o644 });
            header.set_mtime(time);
            header.set_uid(0);
            header.set_gid(0);
            tar.append_data(&mut header, format!("{folder}/{path}"), file.bytes.as_slice())
                .with_context(|| format!("{path} cannot be packed"))?;
        }
        let mut gzip = tar.into_inner()?;
        gzip.flush()?;
        Ok(gzip.finish()?)
    }
}

/// The SHA-256 in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut digits, byte| {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::{CHECKSUMS, PackedFiles};

    const TIME: u64 = 1_700_000_000;

    /// Up to three files, added in this order.
    fn files(order: impl IntoIterator<Item = usize>) -> PackedFiles {
        let mut files = PackedFiles::default();
        for number in order {
            match number {
                0 => files.add_program("run-me", b"#!/bin/sh\necho it ran\n".to_vec()).unwrap(),
                1 => files.add("docs/a page.md", "text").unwrap(),
                // Longer than a name in a tar header.
                _ => files.add(format!("docs/{}.md", "long".repeat(40)), "more text").unwrap(),
            }
        }
        let sums = files.checksums();
        files.add(CHECKSUMS, sums).unwrap();
        files
    }

    fn run(command: &mut Command) -> String {
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{command:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn the_bytes_do_not_depend_on_the_order_of_adding() {
        let once = files([0, 1, 2]).pack("folder-1.0", TIME).unwrap();
        assert_eq!(files([2, 0, 1]).pack("folder-1.0", TIME).unwrap(), once);
        assert_ne!(files([0, 1]).pack("folder-1.0", TIME).unwrap(), once);
        assert_ne!(files([0, 1, 2]).pack("folder-1.0", TIME + 1).unwrap(), once);
    }

    #[cfg(unix)]
    #[test]
    fn tar_unpacks_it_checksums_match_and_programs_run() {
        let folder = tempfile::tempdir().unwrap();
        let packed = folder.path().join("packed.tar.gz");
        std::fs::write(&packed, files([0, 1, 2]).pack("folder-1.0", TIME).unwrap()).unwrap();
        let list =
            run(Command::new("tar").args(["--list", "--verbose", "--gzip", "--numeric-owner", "--file"]).arg(&packed));
        for line in list.lines() {
            let mode = if line.ends_with("run-me") { "-rwxr-xr-x 0/0" } else { "-rw-r--r-- 0/0" };
            assert!(line.starts_with(mode), "{line}");
        }
        let paths: Vec<_> =
            list.lines().filter_map(|line| line.split_once("folder-1.0/")).map(|(_, path)| path).collect();
        assert!(paths.is_sorted() && paths.len() == 4, "{list}");
        run(Command::new("tar").args(["--extract", "--gzip", "--file"]).arg(&packed).current_dir(folder.path()));
        let unpacked = folder.path().join("folder-1.0");
        let checked = run(Command::new("sha256sum").args(["--check", CHECKSUMS]).current_dir(&unpacked));
        assert_eq!(checked.lines().filter(|line| line.ends_with(": OK")).count(), 3, "{checked}");
        assert_eq!(run(&mut Command::new(unpacked.join("run-me"))), "it ran\n");
        std::fs::write(unpacked.join("run-me"), "changed").unwrap();
        let output = Command::new("sha256sum").args(["--check", CHECKSUMS]).current_dir(&unpacked).output().unwrap();
        assert!(!output.status.success());
    }

    #[test]
    fn a_path_cannot_be_packed_twice() {
        let mut files = files([0]);
        assert_eq!(files.add("run-me", "other").unwrap_err().to_string(), "run-me would be packed twice");
    }
}
