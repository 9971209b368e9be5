//! Fuzzing with cargo-fuzz, on the compiler that builds everything else. It goes without a sanitizer, which would need
//! another: those look for faults of unsafe code.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use crate::command::{Command, is_on_path, root};
use crate::{debian, tool};

const VERSION: &str = "0.13.2";

/// A promise to break: each is a file in `fuzz/fuzz_targets`.
#[derive(Clone, Copy, ValueEnum)]
pub enum Target {
    /// Bytes, as the body of a POST.
    Parse,
    /// Text, as a few requests in a row.
    Service,
    /// Bytes, in a pack's place.
    Packs,
}

impl Target {
    fn name(self) -> &'static str {
        match self {
            Self::Parse => "parse",
            Self::Service => "service",
            Self::Packs => "packs",
        }
    }

    /// The most bytes of an input: more than a variable may have, or than some requests need.
    fn max_len(self) -> usize {
        match self {
            Self::Parse => 20_000,
            Self::Service | Self::Packs => 8_192,
        }
    }
}

/// Fuzzes, going on from where the last time ended. An error if a promise was broken.
pub fn fuzz(targets: &[Target], time: Duration) -> Result<()> {
    compiler()?;
    let cargo_fuzz = CargoFuzz(tool::tool("cargo-fuzz", VERSION)?);
    let seconds = time.as_secs() / targets.len().max(1) as u64;
    // To the fuzzer, no seconds are all seconds.
    targets.iter().try_for_each(|target| cargo_fuzz.run(*target, seconds.max(1)))
}

/// The fuzzer itself is compiled, from C++.
fn compiler() -> Result<()> {
    if is_on_path("c++") || std::env::var_os("CXX").is_some() {
        return Ok(());
    }
    if !debian::is_here() {
        bail!("fuzzing needs a compiler for C++, as `c++` on PATH; install one, then try again");
    }
    debian::install(&["g++"], "installing a compiler for C++")
}

struct CargoFuzz(PathBuf);

impl CargoFuzz {
    fn command(&self, what: &str, target: Target) -> Command {
        let command = Command::new(&self.0).args([what, "--fuzz-dir", "fuzz", "--sanitizer", "none"]);
        // With flags of its own: in `target` itself, all else would have to be compiled again.
        command.args(["--target-dir", "target/fuzz-build", target.name()])
    }

    fn run(&self, target: Target, seconds: u64) -> Result<()> {
        let crashes = format!("fuzz/crashes/{}", target.name());
        let corpus = format!("target/fuzz/{}", target.name());
        for folder in [&crashes, &corpus] {
            fs::create_dir_all(root().join(folder)).with_context(|| format!("{folder} cannot be made"))?;
        }
        let before = files(&crashes)?;
        let seeds = format!("fuzz/seeds/{}", target.name());
        let run = self.command("run", target).args([&corpus, &seeds, &crashes]).arg("--").args([
            format!("-max_total_time={seconds}"),
            format!("-max_len={}", target.max_len()),
            format!("-artifact_prefix={crashes}/"),
            "-dict=fuzz/dictionary.txt".to_owned(),
            "-timeout=10".to_owned(),
            "-print_final_stats=1".to_owned(),
        ]);
        if show_news(run, &format!("fuzzing {} for {seconds} seconds", target.name()))? {
            return Ok(());
        }
        let found: Vec<_> = files(&crashes)?.difference(&before).cloned().collect();
        found.iter().for_each(|crash| self.minimize(target, crash));
        match found.as_slice() {
            [] => bail!("{} could not be fuzzed, or breaks on what broke it before", target.name()),
            found => bail!(
                "{} broke a promise. Keep what broke it:\n    {}\nThis replays it:\n    cargo test --release --package outbound-events crashes",
                target.name(),
                found.join("\n    ")
            ),
        }
    }

    /// Makes what was found smaller, in its place. What cannot be made smaller is small enough.
    fn minimize(&self, target: Target, crash: &str) {
        let minimize = self.command("tmin", target).arg(crash).arg("--").arg(format!("-exact_artifact_path={crash}"));
        let minimize = minimize.arg("-timeout=10");
        eprintln!("==> making what broke it smaller\n    {}", minimize.line());
        minimize.output();
    }
}

fn files(folder: &str) -> Result<BTreeSet<String>> {
    let entries = fs::read_dir(root().join(folder)).with_context(|| format!("{folder} cannot be read"))?;
    entries.map(|entry| Ok(format!("{folder}/{}", entry?.file_name().display()))).collect()
}

/// Runs it and shows what is worth it. Whether it succeeded.
fn show_news(command: Command, purpose: &str) -> Result<bool> {
    eprintln!("==> {purpose}\n    {}", command.line());
    let mut child = command.into_inner().stderr(Stdio::piped()).spawn().context("cargo-fuzz cannot be started")?;
    for line in child.stderr.take().into_iter().flat_map(|stderr| BufReader::new(stderr).lines()) {
        let line = line.context("what cargo-fuzz prints cannot be read")?;
        if is_news(&line) {
            eprintln!("{line}");
        }
    }
    Ok(child.wait().context("cargo-fuzz was lost")?.success())
}

/// The fuzzer has a line for each input that taught it something, and for each word that did: thousands.
fn is_news(line: &str) -> bool {
    let event = line.strip_prefix('#').and_then(|line| line.split_once('\t'));
    let taught = event.is_some_and(|(_, event)| ["NEW", "REDUCE"].iter().any(|kind| event.starts_with(kind)));
    !taught && !["\"", "###", "\tNEW_FUNC"].iter().any(|kind| line.starts_with(kind))
}

#[cfg(test)]
mod tests {
    use super::is_news;

    #[test]
    fn what_each_input_taught_is_not_shown_and_what_broke_a_promise_is() {
        let lines = [
            ("#131072\tpulse  cov: 5570 ft: 23821 corp: 2952/3829Kb lim: 2243 exec/s: 2025 rss: 43Mb", true),
            ("#162052\tREDUCE cov: 5570 ft: 23821 corp: 2952/3829Kb", false),
            ("#162053\tNEW    cov: 5571 ft: 23822 corp: 2953/3829Kb", false),
            ("\tNEW_FUNC[1/1]: 0x555795efdef1", false),
            ("###### Recommended dictionary. ######", false),
            ("\"\\001\\000\" # Uses: 12", false),
            ("thread '<unnamed>' panicked at tests/promises/form.rs:40:5:", true),
            ("stat::number_of_executed_units: 70169", true),
        ];
        for (line, shown) in lines {
            assert_eq!(is_news(line), shown, "{line}");
        }
    }
}
