//! A process with its own mounts.
#![allow(dead_code, clippy::unwrap_used, reason = "shared by tests that use a part")]

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::support::{Recipient, is_root, store_of, store_path, succeeds};

/// Commands that give a process its own mounts, and that enter them.
pub fn own_mounts() -> (&'static [&'static str], &'static [&'static str]) {
    if is_root() {
        (&["--mount"], &["--mount"])
    } else {
        (&["--mount", "--map-root-user"], &["--mount", "--user", "--preserve-credentials"])
    }
}

/// Why this is impossible here.
pub fn missing() -> Option<&'static str> {
    let nowhere = tempfile::tempdir().unwrap();
    let (unshare, _) = own_mounts();
    let mount = ["mount", "-t", "tmpfs", "tmpfs"];
    let can_mount = succeeds(Command::new("unshare").args(unshare).args(mount).arg(nowhere.path()));
    (!can_mount).then_some("no file system can be mounted here")
}

/// Changes the size of a file system that only the process sees. False if that is impossible.
pub fn resize(process: u32, disk: &Path, size: &str) -> bool {
    let (_, nsenter) = own_mounts();
    let mut remount = Command::new("nsenter");
    remount.args(["--target", &process.to_string()]).args(nsenter);
    remount.args(["mount", "-t", "tmpfs", "-o", &format!("remount,size={size}"), "tmpfs"]).arg(disk);
    succeeds(&mut remount)
}

/// The path of a file of the process, seen from outside.
pub fn seen_from_outside(process: u32, path: &Path) -> PathBuf {
    Path::new("/proc").join(process.to_string()).join("root").join(path.strip_prefix("/").unwrap())
}

/// A disk in memory that outlives the processes that use it. Only they see it.
pub struct Disk {
    folder: TempDir,
    /// The process that keeps it.
    holder: Child,
}

impl Disk {
    /// A disk of this size, such as `4m`.
    pub fn with_size(size: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (unshare, _) = own_mounts();
        let hold = format!("mount -t tmpfs -o size={size} tmpfs \"$0\" && echo held && exec sleep infinity");
        let mut holder = Command::new("unshare");
        holder.args(unshare).args(["sh", "-c", &hold]).arg(folder.path()).stdout(Stdio::piped());
        let mut holder = holder.spawn().unwrap();
        let mut said = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "held\n");
        Self { folder, holder }
    }

    /// The path of the store for its users.
    pub fn store(&self) -> PathBuf {
        store_path(self.folder.path())
    }

    /// The path of its files from outside.
    pub fn seen_from_outside(&self) -> PathBuf {
        seen_from_outside(self.holder.id(), self.folder.path())
    }

    /// A command that uses the disk.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let (_, nsenter) = own_mounts();
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.id().to_string()]).args(nsenter).arg("--").arg(program);
        command
    }

    /// A host with its store on the disk.
    pub fn recipient(&self, variables: &[&str]) -> Recipient {
        Recipient::start_host(variables, |host| {
            let elsewhere = store_of(&host);
            let mut command = self.command(host.get_program());
            for argument in host.get_args() {
                command.arg(if argument == elsewhere { self.store().into_os_string() } else { argument.to_owned() });
            }
            command
        })
    }

    /// Changes the size. False if that is impossible.
    pub fn resize(&self, size: &str) -> bool {
        resize(self.holder.id(), self.folder.path(), size)
    }

    /// Fills the disk.
    pub fn fill_up(&self) {
        let mut filler = fs::File::create(self.seen_from_outside().join("filler")).unwrap();
        while filler.write_all(&[1; 4096]).is_ok() {}
    }

    /// Removes the filling.
    pub fn free_up(&self) {
        fs::remove_file(self.seen_from_outside().join("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
