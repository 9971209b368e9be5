//! The licences of all dependencies, word for word, collected by cargo-about.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::contents::ShippedProgram;
use crate::command::{Command, root};
use crate::tool;

const VERSION: &str = "0.9.3";

/// The licences of a program's dependencies, each with the packages that use it.
pub fn licences(program: ShippedProgram) -> Result<Vec<u8>> {
    let tool = tool::tool_with("cargo-about", VERSION, &["cli"], &["spdx"])?;
    let file = root().join("target/licences.txt");
    Command::new(tool)
        .args(["generate", "--fail", "--locked", "--config", "xtask/about.toml", "--target", &program.target()?])
        .args(program.features())
        .arg("--manifest-path")
        .arg(root().join(program.folder()).join("Cargo.toml"))
        .arg("--output-file")
        .arg(&file)
        .arg("xtask/about.hbs")
        .run(&format!("collecting the licences of {}", program.package()))?;
    fs::read(&file).context("cargo-about wrote no licences")
}

/// The licences of the standard library, a part of every program. The compiler brings them.
pub fn of_standard_library() -> Result<Vec<u8>> {
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output().context("rustc is not on PATH")?;
    let file = PathBuf::from(sysroot).join("share/doc/rust/COPYRIGHT-library.html");
    fs::read(&file).with_context(|| format!("{} cannot be read; rustup's toolchains have it", file.display()))
}
