//! Every test of the workspace, and how many ran.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};

use crate::command::Command;

/// What the runners' closing lines add up to.
#[derive(Default)]
struct Count {
    passed: u64,
    failed: u64,
    ignored: u64,
}

/// Runs every test and prints how many ran. An error if one failed, or if none ran.
pub fn test(arguments: Vec<String>) -> Result<()> {
    let command = Command::cargo(["test", "--release", "--workspace", "--no-fail-fast"]).args(arguments);
    eprintln!("==> running the tests\n    {}", command.line());
    let mut child = command.into_inner().stdout(Stdio::piped()).spawn().context("cargo cannot be started")?;
    let mut count = Count::default();
    for line in child.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
        let line = line.context("what cargo prints cannot be read")?;
        println!("{line}");
        count.add(&line);
    }
    let status = child.wait().context("cargo was lost")?;
    println!("\n{} passed, {} failed, {} skipped", count.passed, count.failed, count.ignored);
    if !status.success() || count.failed > 0 {
        bail!("the tests failed");
    }
    if count.passed == 0 {
        bail!("no test ran");
    }
    Ok(())
}

impl Count {
    /// Reads a closing line: `test result: ok. 3 passed; 0 failed; 0 ignored; …`
    fn add(&mut self, line: &str) {
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
