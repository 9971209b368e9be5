//! Packages of Debian and Ubuntu, installed as root or with sudo without a password.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::command::{Command, is_on_path, root};

/// The folder for packages that are unpacked instead of installed.
pub const UNPACKED: &str = "target/debian";

/// Whether this is Debian or a derivative.
pub fn has_apt() -> bool {
    is_on_path("apt-get")
}

/// Installs packages without removing others, or returns an error with the command to type.
pub fn install(packages: &[&str], purpose: &str) -> Result<()> {
    let install = ["install", "--yes", "--no-install-recommends", "--no-remove"];
    if !is_root() && Command::new("sudo").args(["--non-interactive", "true"]).output().is_none() {
        bail!(
            "{purpose} needs root. Run this, then try again:\n    sudo apt-get update && sudo apt-get {} {}",
            install.join(" "),
            packages.join(" ")
        );
    }
    apt_get(&["update"]).run("updating the list of Debian's packages")?;
    apt_get(&install).args(packages).env("DEBIAN_FRONTEND", "noninteractive").run(purpose)
}

/// Unpacks a package into `target/debian` without installing it, since its installation would start a service. Needs no
/// root, unless the list of packages has never been updated.
pub fn unpack(package: &str) -> Result<()> {
    let folder = root().join(UNPACKED);
    let archives = folder.join("archives").join(package);
    // Can contain another version.
    let _ = fs::remove_dir_all(&archives);
    fs::create_dir_all(&archives).with_context(|| format!("{} cannot be made", archives.display()))?;
    let download = || {
        let command = Command::new("apt-get").args(["download", package]).within(&archives);
        command.run(&format!("downloading {package}, which is not installed"))
    };
    if download().is_err() {
        apt_get(&["update"]).run("updating the list of Debian's packages")?;
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
