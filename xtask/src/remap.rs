//! The folders of this machine under other names: compilers write into a program where its sources were, and what is built in one
//! folder is to be the same bytes as what is built in another.

use std::env;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::command::{Command, root};

/// Each folder that holds sources, and what compilers are to call it. Of two that fit, the later counts.
pub fn folders() -> Result<Vec<(PathBuf, &'static str)>> {
    let mut folders =
        vec![(root().canonicalize().context("the project's folder cannot be found")?, "/outbound-events")];
    let registries = cargo_home()?.join("registry/src");
    // Where crates come through a mirror, its name is in that of the folder.
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

/// For rustc, as a setting of cargo's for this target. It adds to what `.cargo/config.toml` has.
pub fn cargo_setting(target: &str) -> Result<String> {
    let flag = |(folder, name): (PathBuf, &str)| format!("--remap-path-prefix={}={name}", folder.display());
    let flags: Vec<_> = folders()?.into_iter().map(flag).collect();
    // Strings in JSON are strings in TOML.
    Ok(format!("target.{target}.rustflags={}", serde_json::to_string(&flags)?))
}

/// For compilers of C, as the crate `cc` takes them where `CC_SHELL_ESCAPED_FLAGS` is set.
pub fn c_flags() -> Result<String> {
    let flag = |(folder, name): (PathBuf, &str)| format!("'-ffile-prefix-map={}={name}'", folder.display());
    Ok(folders()?.into_iter().map(flag).collect::<Vec<_>>().join(" "))
}
