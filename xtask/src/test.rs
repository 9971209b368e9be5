//! Every test of the workspace, and how many ran.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::build_ahead::BuildAhead;
use crate::command::{Command, print_time};
use crate::page;

/// The workspace's packages, tested one after the other. Together, the needs of all their tests would decide how
/// wasmtime is compiled, and `cargo xtask run` would have to compile it again.
const PACKAGES: [&str; 5] = ["outbound-events", "outbound-events-host", "appliance", "bench", "xtask"];

/// Those of them that are libraries, whose documentation can have tests.
const LIBRARIES: &[&str] = PACKAGES.as_slice().split_at(PACKAGES.len() - 1).0;

/// The packages after the first.
const OTHER_PACKAGES: &[&str] = PACKAGES.as_slice().split_at(1).1;

/// All but the tests of the documentation. Those read the libraries in the build folder, which compiling ahead replaces,
/// without cargo's lock.
const TARGETS: [&str; 2] = ["--tests", "--examples"];

/// What the closing lines of the tests add up to, and why how many were skipped.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
    ignored: u64,
    reasons: BTreeMap<String, u64>,
}

/// Runs every test and prints how many ran. An error if one failed, or if none ran.
pub fn test(arguments: &[String]) -> Result<()> {
    let mut count = Count::default();
    let mut unsuccessful = Vec::new();
    // Arguments name some of cargo's tests: the page is none of them.
    if arguments.is_empty() && !count.add_page(page::check()?) {
        unsuccessful.push("the page");
    }
    let ahead = OnceCell::new();
    let targets: &[String] = if arguments.is_empty() { &TARGETS.map(str::to_owned) } else { arguments };
    for package in PACKAGES {
        // Cargo's lock is free once the tests run. With arguments, perhaps nothing else is needed.
        let running = || _ = arguments.is_empty().then(|| ahead.get_or_init(|| BuildAhead::start(OTHER_PACKAGES)));
        if !test_package(package, targets, &mut count, running)? {
            unsuccessful.push(package);
        }
    }
    if let Some(ahead) = ahead.into_inner() {
        ahead.join();
        for package in LIBRARIES {
            if !test_package(package, &["--doc".to_owned()], &mut count, || {})? {
                unsuccessful.push(package);
            }
        }
    }
    println!();
    for (reason, tests) in &count.reasons {
        println!("{tests} skipped: {reason}");
    }
    println!("{} passed, {} failed, {} skipped", count.passed, count.failed, count.ignored);
    if !unsuccessful.is_empty() {
        bail!("the tests of {} failed", unsuccessful.join(" and "));
    }
    if count.passed == 0 {
        bail!("no test ran");
    }
    Ok(())
}

/// Runs `schedules` schedules of the archive's model on each kind of store, and a twentieth as many sequences of requests
/// to reused instances. Each is a seed, so a second run repeats them. Then swaps all of the host's memory out
/// `swap_rounds` times.
pub fn soak(schedules: u64, swap_rounds: u64) -> Result<()> {
    let model = ["test", "--release", "--package", "outbound-events", "--test", "library", "archive_model"];
    let command = Command::cargo(model).env("MODEL_SCHEDULES", schedules.to_string());
    command.run(&format!("running {schedules} schedules on each kind of store"))?;
    let sequences = schedules / 20;
    let reuse = ["test", "--release", "--package", "outbound-events-host", "--test", "it", "reuse"];
    let command = Command::cargo(reuse).env("REUSE_SEQUENCES", sequences.to_string());
    command.run(&format!("sending {sequences} sequences of requests to one instance and to fresh ones"))?;
    let swap = ["test", "--release", "--package", "outbound-events-host", "--test", "swap"];
    let command = Command::cargo(swap).env("SWAP_ROUNDS", swap_rounds.to_string());
    command.run(&format!("swapping the host's memory out {swap_rounds} times"))
}

/// Whether all its tests passed.
fn test_package(package: &str, arguments: &[String], count: &mut Count, running: impl Fn()) -> Result<bool> {
    let command = Command::cargo(["test", "--release", "--no-fail-fast", "--package", package]).args(arguments);
    let what = format!("testing {package}{}", if arguments == ["--doc"] { "'s documentation" } else { "" });
    eprintln!("==> {what}\n    {}", command.line());
    let started = Instant::now();
    let mut child = command.into_inner().stdout(Stdio::piped()).spawn().context("cargo cannot be started")?;
    for line in child.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
        let line = line.context("what cargo prints cannot be read")?;
        println!("{line}");
        running();
        count.add(&line);
    }
    let status = child.wait().context("cargo was lost")?;
    print_time(&what, started);
    Ok(status.success())
}

impl Count {
    /// Whether all checks passed.
    fn add_page(&mut self, checked: page::PageChecks) -> bool {
        self.passed += checked.passed;
        self.failed += checked.failed;
        for reason in checked.skipped {
            self.ignored += 1;
            *self.reasons.entry(reason).or_default() += 1;
        }
        checked.failed == 0
    }

    /// Reads a closing line: `test result: ok. 3 passed; 0 failed; 0 ignored; …`, or that of a test that was skipped:
    /// `test [spin] events_outlive_the_recipient (spin is not on PATH) ... ignored`.
    fn add(&mut self, line: &str) {
        if let Some(skipped) = line.strip_prefix("test ").and_then(|line| line.strip_suffix("... ignored")) {
            let reason = skipped.trim().strip_suffix(')').and_then(|skipped| skipped.split_once('('));
            *self.reasons.entry(reason.map_or(skipped.trim(), |(_, reason)| reason).to_owned()).or_default() += 1;
        }
        let Some(result) = line.strip_prefix("test result: ") else { return };
        for part in result.split([';', '.']) {
            match part.trim().split_once(' ').map(|(number, what)| (number.parse::<u64>(), what)) {
                Some((Ok(number), "passed")) => self.passed += number,
                Some((Ok(number), "failed")) => self.failed += number,
                Some((Ok(number), "ignored")) => self.ignored += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Count;

    #[test]
    fn closing_lines_are_added_up_and_others_are_not() {
        let mut count = Count::default();
        for line in [
            "test result: ok. 24 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.08s",
            "test result: FAILED. 13 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.11s",
            "test 5 passed; and so on ... ok",
            "running 7 tests",
            "test [spin]  events_outlive_the_recipient (spin is not on PATH) ... ignored",
            "test [spin]  the_token_decides (spin is not on PATH)            ... ignored",
        ] {
            count.add(line);
        }
        let reasons = [("spin is not on PATH".to_owned(), 2)].into();
        assert_eq!(count, Count { passed: 37, failed: 1, ignored: 2, reasons });
    }
}
