//! Builds the archive in another folder and compares it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use flate2::read::GzDecoder;
use tar::Archive;

use crate::command::{Command, root};

/// Clones the project into a temporary folder, builds the archive there, and compares. Compiles everything, which takes
/// minutes.
pub fn make_and_compare(first: &Path) -> Result<()> {
    let temporary = tempfile::Builder::new().prefix("a-folder-with-another-name-").tempdir()?;
    let clone = temporary.path().join("outbound-events");
    Command::new("git").args(["clone", "--quiet"]).arg(root()).arg(&clone).run("cloning the project")?;
    copy_tools(&clone)?;
    Command::new(std::env::current_exe()?)
        .arg("dist")
        // xtask finds the project by it.
        .env("CARGO_MANIFEST_DIR", clone.join("xtask"))
        .run("building the archive in another folder")?;
    let name = first.file_name().context("the archive has no name")?;
    compare(first, &clone.join("target/dist").join(name))
}

/// Copies the tools and cargo's lists of them, to save building them again.
fn copy_tools(clone: &Path) -> Result<()> {
    fs::create_dir_all(clone.join("target/tools/bin"))?;
    for folder in ["target/tools", "target/tools/bin"] {
        for entry in fs::read_dir(root().join(folder))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                fs::copy(entry.path(), clone.join(folder).join(entry.file_name()))?;
            }
        }
    }
    Ok(())
}

fn compare(first: &Path, second: &Path) -> Result<()> {
    if fs::read(first)? == fs::read(second)? {
        eprintln!("    the same bytes in both folders");
        return Ok(());
    }
    let (one, other) = (unpacked(first)?, unpacked(second)?);
    let paths = one.keys().chain(other.keys()).collect::<std::collections::BTreeSet<_>>();
    let differ: Vec<_> = paths.into_iter().filter(|path| one.get(*path) != other.get(*path)).cloned().collect();
    bail!("these files differ when built in another folder: {}", differ.join(", "));
}

fn unpacked(archive: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut archive = Archive::new(GzDecoder::new(fs::File::open(archive)?));
    let mut files = BTreeMap::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        files.insert(path, bytes);
    }
    Ok(files)
}
