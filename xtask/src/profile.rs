//! `profile`: where the component spends its time.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::build::{self, Package};
use crate::command::{Command, is_on_path, root};

/// Runs the component under `perf`, and prints the functions with the most samples.
pub fn profile(events: u64) -> Result<()> {
    if !is_on_path("perf") {
        bail!("perf is not on PATH; install it, on Debian from the package linux-perf");
    }
    let component = build::build(Package::Named)?;
    Command::cargo(["build", "--release", "--package", "bench"]).run("building the benchmark")?;
    let samples = root().join("target/perf.data");
    let bench = root().join("target/release/bench");
    let record =
        Command::new("perf").args(["record", "--event", "cpu-clock", "--freq", "4000", "--output"]).arg(&samples);
    let take = record.arg("--").arg(bench).args(["take", "--events", &events.to_string(), "--component"]);
    take.arg(relative(&component)?).run("profiling the component")?;
    let report = ["report", "--stdio", "--sort", "symbol", "--percent-limit", "0.4", "--input"];
    Command::new("perf").args(report).arg(&samples).run("reporting the samples")
}

/// The path relative to the project's top folder.
fn relative(path: &std::path::Path) -> Result<PathBuf> {
    Ok(path.strip_prefix(root()).context("the component is outside the project's folder")?.to_owned())
}
