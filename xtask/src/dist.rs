//! `dist`: a reproducible archive for operators with the host, the components, documentation and licences. Its bytes do
//! not depend on the folder in which it is built.

mod archive;
mod contents;
mod elsewhere;
mod glibc;
mod licences;
mod sbom;
mod trial;

use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::build::{Package, build};
use crate::command::{Command, root};
use crate::remap;

use archive::{CHECKSUMS, PackedFiles, sha256};
use contents::{HOST, ShippedProgram, VERSION, host_target};

/// Separate from `target/release`: other flags there would recompile everything.
const BUILD_FOLDER: &str = "target/dist-build";

/// Files and folders that are packed unchanged, as far as git tracks them.
const TRACKED: [&str; 6] = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs", "deploy"];

/// Builds the archive and tries its content. With `check`, builds it again in another folder and compares the bytes.
pub fn dist(check: bool) -> Result<()> {
    if check {
        ensure!(
            changes()?.is_empty(),
            "there are uncommitted changes, which a clone would not have; commit or stash them, then try again"
        );
    }
    let time = time()?;
    let folder = format!("outbound-events-{VERSION}-{}", host_target()?);
    let files = files(time)?;
    let packed = files.pack(&folder, time)?;
    let path = root().join("target/dist").join(format!("{folder}.tar.gz"));
    write(&path, &packed)?;
    trial::trial(&path, &folder, &files)?;
    if check {
        elsewhere::make_and_compare(&path)?;
    }
    println!("{}: {} bytes, SHA-256 {}", path.display(), packed.len(), sha256(&packed));
    if let Some(version) = glibc::needed(&root().join(host_program()))? {
        println!("The host needs glibc {version} or newer");
    }
    Ok(())
}

/// The time of all files in seconds: the commit's, or `SOURCE_DATE_EPOCH`.
fn time() -> Result<u64> {
    let set = std::env::var("SOURCE_DATE_EPOCH").ok();
    let time = set.or_else(|| Command::new("git").args(["log", "-1", "--format=%ct"]).output());
    let time = time.context("this is not a git clone; set SOURCE_DATE_EPOCH to the time of the files in seconds")?;
    time.parse().with_context(|| format!("SOURCE_DATE_EPOCH: {time:?} is not a time in seconds"))
}

fn changes() -> Result<String> {
    Command::new("git").args(["status", "--porcelain"]).output().context("git status failed")
}

/// All files of the archive.
fn files(time: u64) -> Result<PackedFiles> {
    let mut files = PackedFiles::default();
    let read = |path: &Path| fs::read(root().join(path)).with_context(|| format!("{} cannot be read", path.display()));
    build_host()?;
    files.add_program(format!("{HOST}{EXE_SUFFIX}"), read(&host_program())?)?;
    for package in [Package::Spin, Package::Wasi] {
        let component = build(package)?;
        let name = component.file_name().context("a component has no name")?.to_string_lossy().into_owned();
        files.add(name, read(&component)?)?;
    }
    files.add("outbound_events.wasm", read(&PathBuf::from(Package::Spin.core_module()))?)?;
    files.add("spin.toml", spin_manifest(&fs::read_to_string(root().join("spin.toml"))?)?)?;
    check_paths(&files)?;
    for path in tracked()? {
        let bytes = read(Path::new(&path))?;
        files.add(path, bytes)?;
    }
    for program in [ShippedProgram::Host, ShippedProgram::Components] {
        let package = program.package();
        files.add(format!("licences/{package}.txt"), licences::licences(program)?)?;
        files.add(format!("{package}.cdx.json"), sbom::sbom(program, time)?)?;
    }
    files.add("licences/rust-standard-library.html", licences::of_standard_library()?)?;
    let sums = files.checksums();
    files.add(CHECKSUMS, sums)?;
    Ok(files)
}

fn host_program() -> PathBuf {
    Path::new(BUILD_FOLDER).join("dist").join(format!("{HOST}{EXE_SUFFIX}"))
}

fn build_host() -> Result<()> {
    Command::cargo(["build", "--profile", "dist", "--locked", "--package", HOST, "--target-dir", BUILD_FOLDER])
        .arg("--config")
        .arg(remap::cargo_setting(&host_target()?)?)
        .env("CFLAGS", remap::c_flags()?)
        .env("CC_SHELL_ESCAPED_FLAGS", "1")
        .without("RUSTFLAGS")
        .without("CARGO_ENCODED_RUSTFLAGS")
        .run("building the host with reproducible paths")
}

/// Spin's manifest for a core module beside it, without the build command.
fn spin_manifest(text: &str) -> Result<String> {
    let source = format!("source = \"{}\"", Package::Spin.core_module());
    let Some((rest, _)) = text.split_once("\n[component.outbound-events.build]\n") else {
        bail!("spin.toml has no [component.outbound-events.build] at its end");
    };
    ensure!(rest.matches(&source).count() == 1, "spin.toml has no line {source}");
    Ok(rest.replace(&source, "source = \"outbound_events.wasm\""))
}

/// The paths below [`TRACKED`] that git tracks.
fn tracked() -> Result<Vec<String>> {
    let list = Command::new("git").args(["-c", "core.quotePath=false", "ls-files", "--"]).args(TRACKED).output();
    let paths: Vec<_> = list.context("git ls-files failed")?.lines().map(str::to_owned).collect();
    for expected in TRACKED {
        ensure!(paths.iter().any(|path| path.starts_with(expected)), "git does not track {expected}");
    }
    Ok(paths)
}

/// An error if a file contains a path of this machine.
fn check_paths(files: &PackedFiles) -> Result<()> {
    for (folder, name) in remap::folders()? {
        let inside = ["target", "src", "crates", "index.crates.io"].map(|part| folder.join(part));
        let traces = if name == "/outbound-events" { inside.to_vec() } else { vec![folder] };
        for trace in traces.iter().map(|trace| trace.as_os_str().as_encoded_bytes()) {
            let has = files.0.iter().find(|(_, file)| file.bytes.windows(trace.len()).any(|bytes| bytes == trace));
            if let Some((path, _)) = has {
                bail!("{path} contains the folder {} of this machine", String::from_utf8_lossy(trace));
            }
        }
    }
    Ok(())
}

/// Writes the archive, and its checksum beside it.
fn write(path: &Path, packed: &[u8]) -> Result<()> {
    let name = path.file_name().context("the archive has no name")?.to_string_lossy();
    fs::create_dir_all(path.parent().context("the archive has no folder")?)?;
    fs::write(path, packed).with_context(|| format!("{} cannot be written", path.display()))?;
    fs::write(format!("{}.sha256", path.display()), format!("{}  {name}\n", sha256(packed)))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Package, spin_manifest};
    use crate::command::root;

    #[test]
    fn spins_manifest_names_the_module_beside_it_without_a_build_command() {
        let ours = std::fs::read_to_string(root().join("spin.toml")).unwrap();
        let packed = spin_manifest(&ours).unwrap();
        assert!(packed.contains("\nsource = \"outbound_events.wasm\"\n"), "{packed}");
        assert!(!packed.contains("target/") && !packed.contains("cargo"), "{packed}");
        assert!(packed.contains("\ndelivery_runs = \"{{ delivery_runs }}\"\n"), "{packed}");
        let moved = ours.replace(&Package::Spin.core_module(), "elsewhere.wasm");
        assert!(spin_manifest(&moved).is_err());
    }
}
