//! Programs from Rust's registry in pinned versions, installed in `target/tools`.

use std::env::consts::EXE_SUFFIX;
use std::path::PathBuf;

use anyhow::Result;

use crate::command::{Command, root};

const FOLDER: &str = "target/tools";

/// Installs a program if that version is missing, and returns its path.
pub fn tool(name: &str, version: &str) -> Result<PathBuf> {
    tool_with(name, version, &[], &[])
}

/// The same with features, and with optimization for crates that would be too slow without.
pub fn tool_with(name: &str, version: &str, features: &[&str], optimized: &[&str]) -> Result<PathBuf> {
    let program = root().join(FOLDER).join("bin").join(format!("{name}{EXE_SUFFIX}"));
    // Cargo's list of installed programs: not every program prints its version.
    let installed = Command::cargo(["install", "--list", "--root", FOLDER]).output().unwrap_or_default();
    if !program.is_file() || !installed.lines().any(|line| line == format!("{name} v{version}:")) {
        let install = Command::cargo(["install", "--locked", "--root", FOLDER]).arg(format!("{name}@={version}"));
        let install = features.iter().fold(install, |install, feature| install.args(["--features", feature]));
        let optimize = |name: &&str| ["--config".to_owned(), format!("profile.release.package.{name}.opt-level=3")];
        let install = install.args(optimized.iter().flat_map(optimize));
        // The programs run for seconds: optimizing them would take longer.
        let install = install.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0").env("CARGO_PROFILE_RELEASE_LTO", "false");
        install.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16").niced().run(&format!("installing {name}"))?;
    }
    Ok(program)
}
