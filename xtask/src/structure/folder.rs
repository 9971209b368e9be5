//! The source below a folder: crates, long files, misplaced packages.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::command::Command;

/// Extensions of the files whose lines are counted: Rust, and the sources of the page.
const SOURCES: [&str; 4] = ["rs", "html", "css", "js"];

/// The packages and source files below a folder.
pub struct Folder {
    packages: Vec<PathBuf>,
    sources: Vec<PathBuf>,
}

impl Folder {
    /// Searches a folder, except for hidden folders and those named `target`.
    pub fn scan(root: &Path) -> Result<Self> {
        let mut folder = Self { packages: Vec::new(), sources: Vec::new() };
        let mut next = vec![root.to_owned()];
        while let Some(inner) = next.pop() {
            for entry in fs::read_dir(&inner).with_context(|| format!("{} cannot be read", inner.display()))? {
                let entry = entry?;
                let (name, path, kind) = (entry.file_name(), entry.path(), entry.file_type()?);
                let is_skipped = name == "target" || name.to_string_lossy().starts_with('.');
                if kind.is_dir() && !is_skipped {
                    next.push(path);
                } else if kind.is_file() && name == "Cargo.toml" {
                    folder.packages.push(inner.clone());
                } else if kind.is_file() && path.extension().is_some_and(|is| SOURCES.iter().any(|one| is == *one)) {
                    folder.sources.push(path);
                }
            }
        }
        folder.packages.sort();
        folder.sources.sort();
        Ok(folder)
    }

    /// The root files of all crates: libraries, programs, tests, build scripts.
    pub fn crate_roots(&self) -> Result<BTreeSet<PathBuf>> {
        let (mut known, mut roots) = (BTreeSet::new(), BTreeSet::new());
        for package in &self.packages {
            let manifest = package.join("Cargo.toml");
            // One call of cargo lists a whole workspace.
            if known.contains(&manifest) {
                continue;
            }
            let metadata = metadata(&manifest)?;
            for package in array(&metadata, "packages") {
                known.extend(path(package, "manifest_path"));
                roots.extend(array(package, "targets").filter_map(|target| path(target, "src_path")));
            }
        }
        Ok(roots)
    }

    /// Files with more than `most` lines, and their numbers of lines.
    pub fn long_files(&self, most: usize) -> Result<Vec<(PathBuf, usize)>> {
        let mut long = Vec::new();
        for path in &self.sources {
            let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
            let lines = text.lines().count();
            if lines > most {
                long.push((path.clone(), lines));
            }
        }
        Ok(long)
    }

    /// Packages inside the `src` of another package, and that other package.
    pub fn nested_packages(&self) -> Vec<(&Path, &Path)> {
        let mut nested = Vec::new();
        for inner in &self.packages {
            let outer = self.packages.iter().find(|outer| inner.starts_with(outer.join("src")));
            nested.extend(outer.map(|outer| (inner.as_path(), outer.as_path())));
        }
        nested
    }
}

fn metadata(manifest: &Path) -> Result<Value> {
    let cargo = Command::cargo(["metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path"]);
    let metadata = cargo.arg(manifest).output();
    let metadata = metadata.with_context(|| format!("cargo metadata cannot read {}", manifest.display()))?;
    serde_json::from_str(&metadata).context("cargo metadata did not print JSON")
}

fn array<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn path(value: &Value, name: &str) -> Option<PathBuf> {
    value.get(name).and_then(Value::as_str).map(PathBuf::from)
}
