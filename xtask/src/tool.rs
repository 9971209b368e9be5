//! Programs from Rust's registry that the commands use: each of one version, in `target/tools`, away from the user's own.

use std::env::consts::EXE_SUFFIX;
use std::path::PathBuf;

use anyhow::Result;

use crate::command::{Command, root};

const FOLDER: &str = "target/tools";

/// The program's path. Installs it, unless it is there in that version.
pub fn tool(name: &str, version: &str) -> Result<PathBuf> {
    let program = root().join(FOLDER).join("bin").join(format!("{name}{EXE_SUFFIX}"));
    let installed = Command::new(&program).arg("--version").output();
    if installed.is_none_or(|line| line != format!("{name} {version}")) {
        let install = Command::cargo(["install", "--locked", "--root", FOLDER]).arg(format!("{name}@={version}"));
        // Each works for seconds: to optimize it would take longer than that.
        let install = install.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0").env("CARGO_PROFILE_RELEASE_LTO", "false");
        install.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16").run(&format!("installing {name}"))?;
    }
    Ok(program)
}
