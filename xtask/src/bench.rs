//! `bench`: builds everything that the benchmark measures, and runs it.

use std::env::consts::EXE_SUFFIX;
use std::ffi::OsStr;
use std::path::{Path, absolute};

use anyhow::Result;

use crate::build::{Package, build};
use crate::command::{Command, root};
use crate::python;

/// Runs the benchmark, shorter if `quick`, and writes its tables into the page `record`.
pub fn bench(quick: bool, record: Option<&Path>) -> Result<()> {
    let record = record.map(absolute).transpose()?;
    build(Package::Spin)?;
    build(Package::Bare)?;
    python::environment()?;
    // One by one, as `run` and `test` build them. Together, feature unification would recompile their dependencies.
    for package in ["outbound-events-host", "appliance", "bench"] {
        Command::cargo(["build", "--release", "--package", package]).run(&format!("building {package}"))?;
    }
    Command::new(root().join(format!("target/release/bench{EXE_SUFFIX}")))
        .arg("run")
        .args(quick.then_some("--quick"))
        .args(record.iter().flat_map(|page| [OsStr::new("--record"), page.as_os_str()]))
        .run("measuring")
}
