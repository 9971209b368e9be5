//! Debian's and Ubuntu's packages, installed where that may be done without asking: as root, or with sudo.

use anyhow::{Result, bail};

use crate::command::{Command, is_on_path};

/// Whether there are such packages here.
pub fn is_here() -> bool {
    is_on_path("apt-get")
}

/// Installs packages, or says what to type. What the user has installed is not replaced by them.
pub fn install(packages: &[&str], purpose: &str) -> Result<()> {
    let install = ["install", "--yes", "--no-install-recommends", "--no-remove"];
    let apt_get = |arguments: &[&str]| match is_root() {
        true => Command::new("apt-get").args(arguments),
        false => Command::new("sudo").args(["--non-interactive", "apt-get"]).args(arguments),
    };
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

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_some_and(|id| id == "0")
}
