//! Under what terms others gave what is inside: their licences, word for word, by cargo-about.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::contents::Contents;
use crate::command::{Command, root};
use crate::tool;

const VERSION: &str = "0.9.3";

/// The licences of all that `contents` is made of, and who has which.
pub fn licences(contents: Contents) -> Result<Vec<u8>> {
    let tool = tool::tool_with("cargo-about", VERSION, &["cli"], &["spdx"])?;
    let file = root().join("target/licences.txt");
    Command::new(tool)
        .args(["generate", "--fail", "--locked", "--config", "xtask/about.toml", "--target", &contents.target()?])
        .args(contents.features())
        .arg("--manifest-path")
        .arg(root().join(contents.folder()).join("Cargo.toml"))
        .arg("--output-file")
        .arg(&file)
        .arg("xtask/about.hbs")
        .run(&format!("collecting the licences of what {} is made of", contents.package()))?;
    fs::read(&file).context("cargo-about wrote no licences")
}

/// Those of the standard library, which is in each of them. They come with the compiler.
pub fn of_standard_library() -> Result<Vec<u8>> {
    let sysroot = Command::new("rustc").args(["--print", "sysroot"]).output().context("rustc is not on PATH")?;
    let file = PathBuf::from(sysroot).join("share/doc/rust/COPYRIGHT-library.html");
    fs::read(&file).with_context(|| format!("{} cannot be read; rustup's toolchains have it", file.display()))
}
