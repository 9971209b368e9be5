//! Debian's and Ubuntu's packages, installed where that may be done without asking: as root, or with sudo.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::command::{Command, is_on_path, root};

/// Where packages are unpacked that are not installed.
pub const UNPACKED: &str = "target/debian";

/// Whether there are such packages here.
pub fn is_here() -> bool {
    is_on_path("apt-get")
}

/// Installs packages, or says what to type. What the user has installed is not replaced by them.
pub fn install(packages: &[&str], purpose: &str) -> Result<()> {
    let install = ["install", "--yes", "--no-install-recommends", "--no-remove"];
    if !is_root() && Command::new("sudo").args(["--non-interactive", "true"]).output().is_none() {
        bail!(
            "{purpose} takes an administrator. Type this, then try again:\n    sudo apt-get update && sudo apt-get {} {}",
            install.join(" "),
            packages.join(" ")
        );
    }
    apt_get(&["update"]).run("reading the list of Debian's packages")?;
    apt_get(&install).args(packages).env("DEBIAN_FRONTEND", "noninteractive").run(purpose)
}

/// Takes a package apart, into `target/debian`, without installing it: for what would be started if it were installed, and be
/// left running. Takes no administrator, unless the list of packages has never been read.
pub fn unpack(package: &str) -> Result<()> {
    let folder = root().join(UNPACKED);
    let archives = folder.join("archives").join(package);
    // Of another version, from another time.
    let _ = fs::remove_dir_all(&archives);
    fs::create_dir_all(&archives).with_context(|| format!("{} cannot be made", archives.display()))?;
    let download = || {
        let command = Command::new("apt-get").args(["download", package]).within(&archives);
        command.run(&format!("downloading {package}, which is not installed"))
    };
    if download().is_err() {
        apt_get(&["update"]).run("reading the list of Debian's packages")?;
        download()?;
    }
    Command::new("dpkg-deb").arg("--extract").arg(archive(&archives)?).arg(&folder).run(&format!("unpacking {package}"))
}

fn archive(folder: &Path) -> Result<PathBuf> {
    let mut files = fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
    let file = files.pop().with_context(|| format!("nothing was downloaded into {}", folder.display()))?;
    Ok(file.path())
}

fn apt_get(arguments: &[&str]) -> Command {
    if is_root() {
        Command::new("apt-get").args(arguments)
    } else {
        Command::new("sudo").args(["--non-interactive", "apt-get"]).args(arguments)
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_some_and(|id| id == "0")
}
