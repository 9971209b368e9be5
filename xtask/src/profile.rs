//! `profile`: what an event demands, and where the component spends its time.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::build::{self, Package};
use crate::command::{Command, is_on_path, root};

/// Counts what an event demands of an instance and of its host, in the component and in the bare one. Then runs the
/// component under `perf`, and prints the functions with the most samples.
pub fn profile(events: u64) -> Result<()> {
    let (component, bare) = (build::build(Package::Named)?, build::build(Package::Bare)?);
    Command::cargo(["build", "--release", "--package", "bench"]).run("building the benchmark")?;
    let bench = root().join("target/release/bench");
    for component in [&component, &bare] {
        let component = relative(component)?;
        let demand = Command::new(&bench).args(["demand", "--component"]).arg(&component);
        demand.run(&format!("counting what an event demands in {}", component.display()))?;
    }
    if !is_on_path("perf") {
        bail!("perf is not on PATH; install it, on Debian from the package linux-perf");
    }
    let samples = root().join("target/perf.data");
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
