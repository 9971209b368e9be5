//! Replaces folders of this machine by constant names: compilers write the paths of sources into programs, and a build
//! must not depend on its folder.

use std::env;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::command::{Command, root};

/// Each folder with sources and its constant name. Of two folders that match, the later one applies.
pub fn folders() -> Result<Vec<(PathBuf, &'static str)>> {
    let mut folders =
        vec![(root().canonicalize().context("the project's folder cannot be found")?, "/outbound-events")];
    let registries = cargo_home()?.join("registry/src");
    // The folder's name contains the registry's name, which differs for a mirror.
    for entry in fs::read_dir(&registries).into_iter().flatten() {
        folders.push((entry?.path(), "/crates"));
    }
    if let Some(sysroot) = Command::new("rustc").args(["--print", "sysroot"]).output() {
        folders.push((PathBuf::from(sysroot).join("lib/rustlib/src/rust"), "/rust"));
    }
    Ok(folders)
}

fn cargo_home() -> Result<PathBuf> {
    let of_user = || env::home_dir().map(|home| home.join(".cargo"));
    env::var_os("CARGO_HOME").map(PathBuf::from).or_else(of_user).context("cargo's folder cannot be found")
}

/// The replacements for rustc, as a setting of cargo for this target. Adds to the flags of `.cargo/config.toml`.
pub fn cargo_setting(target: &str) -> Result<String> {
    let flag = |(folder, name): (PathBuf, &str)| format!("--remap-path-prefix={}={name}", folder.display());
    let flags: Vec<_> = folders()?.into_iter().map(flag).collect();
    // A list of strings in JSON is also valid TOML.
    Ok(format!("target.{target}.rustflags={}", serde_json::to_string(&flags)?))
}

/// The replacements for C compilers. The crate `cc` needs `CC_SHELL_ESCAPED_FLAGS` for the quotes.
pub fn c_flags() -> Result<String> {
    let flag = |(folder, name): (PathBuf, &str)| format!("'-ffile-prefix-map={}={name}'", folder.display());
    Ok(folders()?.into_iter().map(flag).collect::<Vec<_>>().join(" "))
}
