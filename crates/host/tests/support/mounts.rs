//! A process with mounts of its own.
#![allow(dead_code, clippy::unwrap_used, reason = "shared by tests that use a part")]

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::support::{Recipient, is_root, store_of, store_path, succeeds};

/// How a process gets mounts of its own, and how another one sees them.
pub fn own_mounts() -> (&'static [&'static str], &'static [&'static str]) {
    if is_root() {
        (&["--mount"], &["--mount"])
    } else {
        (&["--mount", "--map-root-user"], &["--mount", "--user", "--preserve-credentials"])
    }
}

/// Why there can be none here.
pub fn missing() -> Option<&'static str> {
    let nowhere = tempfile::tempdir().unwrap();
    let (unshare, _) = own_mounts();
    let mount = ["mount", "-t", "tmpfs", "tmpfs"];
    let can_mount = succeeds(Command::new("unshare").args(unshare).args(mount).arg(nowhere.path()));
    (!can_mount).then_some("no file system can be mounted here")
}

/// Gives a file system that only the process has another size. Whether that was possible.
pub fn resize(process: u32, disk: &Path, size: &str) -> bool {
    let (_, nsenter) = own_mounts();
    let mut remount = Command::new("nsenter");
    remount.args(["--target", &process.to_string()]).args(nsenter);
    remount.args(["mount", "-t", "tmpfs", "-o", &format!("remount,size={size}"), "tmpfs"]).arg(disk);
    succeeds(&mut remount)
}

/// A path that the process has, as it is seen from outside.
pub fn seen_from_outside(process: u32, path: &Path) -> PathBuf {
    Path::new("/proc").join(process.to_string()).join("root").join(path.strip_prefix("/").unwrap())
}

/// A disk of its own, in memory, that outlives the processes that use it. Only they see it.
pub struct Disk {
    folder: TempDir,
    /// What keeps it.
    holder: Child,
}

impl Disk {
    /// Of this size, such as `4m`.
    pub fn of(size: &str) -> Self {
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

    /// Where its users find the store.
    pub fn store(&self) -> PathBuf {
        store_path(self.folder.path())
    }

    /// Its files, as they are seen from outside.
    pub fn seen_from_outside(&self) -> PathBuf {
        seen_from_outside(self.holder.id(), self.folder.path())
    }

    /// A command of one that uses it.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let (_, nsenter) = own_mounts();
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.id().to_string()]).args(nsenter).arg("--").arg(program);
        command
    }

    /// A host that has its store there.
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

    /// Whether it could be given another size.
    pub fn resize(&self, size: &str) -> bool {
        resize(self.holder.id(), self.folder.path(), size)
    }

    /// Leaves no room on it.
    pub fn fill_up(&self) {
        let mut filler = fs::File::create(self.seen_from_outside().join("filler")).unwrap();
        while filler.write_all(&[1; 4096]).is_ok() {}
    }

    /// Gives that room back.
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
