//! Programs from Rust's registry that the commands use: each of one version, in `target/tools`, away from the user's own.

use std::env::consts::EXE_SUFFIX;
use std::path::PathBuf;

use anyhow::Result;

use crate::command::{Command, root};

const FOLDER: &str = "target/tools";

/// The program's path. Installs it, unless it is there in that version.
pub fn tool(name: &str, version: &str) -> Result<PathBuf> {
    tool_with(name, version, &[], &[])
}

/// The same for one that takes features, and is slow unless these of its crates are optimized after all.
pub fn tool_with(name: &str, version: &str, features: &[&str], optimized: &[&str]) -> Result<PathBuf> {
    let program = root().join(FOLDER).join("bin").join(format!("{name}{EXE_SUFFIX}"));
    // Cargo's list of what it has installed: not every one of them tells its version.
    let installed = Command::cargo(["install", "--list", "--root", FOLDER]).output().unwrap_or_default();
    if !program.is_file() || !installed.lines().any(|line| line == format!("{name} v{version}:")) {
        let install = Command::cargo(["install", "--locked", "--root", FOLDER]).arg(format!("{name}@={version}"));
        let install = features.iter().fold(install, |install, feature| install.args(["--features", feature]));
        let optimize = |name: &&str| ["--config".to_owned(), format!("profile.release.package.{name}.opt-level=3")];
        let install = install.args(optimized.iter().flat_map(optimize));
        // Each works for seconds: to optimize it would take longer than that.
        let install = install.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0").env("CARGO_PROFILE_RELEASE_LTO", "false");
        install.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16").run(&format!("installing {name}"))?;
    }
    Ok(program)
}
