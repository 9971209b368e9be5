//! Where the component's time goes, function by function.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::build::{self, Package};
use crate::command::{Command, is_on_path, root};

/// Has `perf` look at a component that takes events, and prints the functions where most samples were.
pub fn profile(events: u64) -> Result<()> {
    if !is_on_path("perf") {
        bail!("perf is not on PATH; on Debian it is in the package linux-perf");
    }
    let component = build::build(Package::Named)?;
    Command::cargo(["build", "--release", "--package", "bench"]).run("building the benchmark")?;
    let samples = root().join("target/perf.data");
    let bench = root().join("target/release/bench");
    let record =
        Command::new("perf").args(["record", "--event", "cpu-clock", "--freq", "4000", "--output"]).arg(&samples);
    let take = record.arg("--").arg(bench).args(["take", "--events", &events.to_string(), "--component"]);
    take.arg(relative(&component)?).run("looking at a component that takes events")?;
    let report = ["report", "--stdio", "--sort", "symbol", "--percent-limit", "0.4", "--input"];
    Command::new("perf").args(report).arg(&samples).run("adding up")
}

/// As seen from the project's top folder.
fn relative(path: &std::path::Path) -> Result<PathBuf> {
    Ok(path.strip_prefix(root()).context("the component is elsewhere")?.to_owned())
}
