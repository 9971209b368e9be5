//! Bills of materials in CycloneDX, by cargo-cyclonedx, without paths of this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::contents::ShippedProgram;
use crate::command::{Command, root};
use crate::tool;

const VERSION: &str = "0.5.9";

/// The name of the tool's files. It writes one beside each manifest of the workspace.
const NAME: &str = "bill-of-materials.cdx";

/// The bill of materials of a program in JSON, dated `time`.
pub fn sbom(program: ShippedProgram, time: u64) -> Result<String> {
    let tool = tool::tool("cargo-cyclonedx", VERSION)?;
    let options = ["cyclonedx", "--quiet", "--format", "json", "--spec-version", "1.5", "--no-build-deps"];
    let made = Command::new(tool)
        .args(options)
        .args(["--override-filename", NAME, "--target", &program.target()?])
        .args(program.features())
        // Replaces the current time and a random serial number.
        .env("SOURCE_DATE_EPOCH", time.to_string())
        .run(&format!("listing the dependencies of {}", program.package()));
    let written = manifest_folders()?.into_iter().map(|folder| folder.join(format!("{NAME}.json")));
    let written: BTreeMap<_, _> =
        written.filter_map(|file| Some((file.clone(), fs::read_to_string(file).ok()?))).collect();
    for file in written.keys() {
        fs::remove_file(file).with_context(|| format!("{} cannot be removed", file.display()))?;
    }
    made?;
    let own = root().join(program.folder()).join(format!("{NAME}.json"));
    let text = written.get(&own).context("cargo-cyclonedx wrote no list")?;
    let list = text.replace(&format!("path+file://{}", root().canonicalize()?.display()), "path+file://");
    check(&list, program)?;
    Ok(list)
}

fn metadata(arguments: &[&str]) -> Result<Value> {
    let metadata = Command::cargo(["metadata", "--format-version", "1", "--locked"]).args(arguments);
    let metadata = metadata.output().context("cargo metadata failed")?;
    Ok(serde_json::from_str(&metadata)?)
}

fn array<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn manifest_folders() -> Result<Vec<PathBuf>> {
    let metadata = metadata(&["--no-deps"])?;
    let manifests = array(&metadata, "/packages").map(|package| PathBuf::from(text(package, "manifest_path")));
    Ok(manifests.filter_map(|manifest| Some(manifest.parent()?.to_owned())).collect())
}

/// An error unless the list has every package that is linked into the program.
fn check(list: &str, program: ShippedProgram) -> Result<()> {
    let list: Value = serde_json::from_str(list)?;
    let name = |package: &Value| format!("{} {}", text(package, "name"), text(package, "version"));
    let listed: BTreeSet<_> = array(&list, "/components").map(name).collect();
    let missing: Vec<_> = linked(program)?.into_iter().filter(|package| !listed.contains(package)).collect();
    ensure!(missing.is_empty(), "the list of the dependencies of {} lacks {}", program.package(), missing.join(", "));
    Ok(())
}

/// Names and versions of the packages that are linked into a program, without those that only builds or tests need.
fn linked(program: ShippedProgram) -> Result<BTreeSet<String>> {
    let target = program.target()?;
    let metadata = metadata(&[&["--filter-platform", &target], program.features()].concat())?;
    let packages: BTreeMap<_, _> =
        array(&metadata, "/packages").map(|package| (text(package, "id"), package)).collect();
    let nodes: BTreeMap<_, _> = array(&metadata, "/resolve/nodes").map(|node| (text(node, "id"), node)).collect();
    let is_own = |package: &&Value| text(package, "name") == program.package();
    let Some(first) = packages.values().copied().find(is_own) else {
        bail!("there is no package {}", program.package())
    };
    let (mut found, mut next) = (BTreeSet::new(), vec![text(first, "id")]);
    while let Some(id) = next.pop() {
        let is_linked = |dependency: &&Value| array(dependency, "/dep_kinds").any(|kind| text(kind, "kind").is_empty());
        let dependencies = nodes.get(id).into_iter().flat_map(|node| array(node, "/deps")).filter(is_linked);
        next.extend(dependencies.map(|dependency| text(dependency, "pkg")).filter(|id| found.insert(*id)));
    }
    let of_package =
        |id: &&str| packages.get(id).map(|package| format!("{} {}", text(package, "name"), text(package, "version")));
    Ok(found.iter().filter_map(of_package).collect())
}
