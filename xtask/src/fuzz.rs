//! Fuzzing with cargo-fuzz and the same compiler as everything else. Without a sanitizer: sanitizers need a nightly
//! compiler, and look for faults of unsafe code.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use crate::command::{Command, is_on_path, print_time, root};
use crate::{debian, tool};

const VERSION: &str = "0.13.2";

/// A target: a file in `fuzz/fuzz_targets`.
#[derive(Clone, Copy, ValueEnum)]
pub enum FuzzTarget {
    /// Bytes, as the body of a POST.
    Parse,
    /// Text, as a sequence of requests.
    Service,
    /// Bytes, in place of a pack.
    Packs,
    /// Bytes, as an answer of an appliance's Reporting API.
    Reports,
}

impl FuzzTarget {
    fn name(self) -> &'static str {
        match self {
            Self::Parse => "parse",
            Self::Service => "service",
            Self::Packs => "packs",
            Self::Reports => "reports",
        }
    }

    /// The most bytes of an input: more than the limit of a variable, or than a sequence of requests needs.
    fn max_len(self) -> usize {
        match self {
            Self::Parse => 20_000,
            Self::Service | Self::Packs | Self::Reports => 8_192,
        }
    }
}

/// Fuzzes, starting from the inputs of former runs. An error if an input breaks a promise.
pub fn fuzz(targets: &[FuzzTarget], time: Duration) -> Result<()> {
    install_compiler()?;
    let cargo_fuzz = CargoFuzz(tool::tool("cargo-fuzz", VERSION)?);
    let seconds = time.as_secs() / targets.len().max(1) as u64;
    // The fuzzer takes 0 seconds for no limit.
    targets.iter().try_for_each(|target| cargo_fuzz.run(*target, seconds.max(1)))
}

/// Compiles all targets in the background of other work. Errors are reported by [`fuzz`].
pub fn compile_targets() {
    if !has_compiler() {
        return;
    }
    let Ok(program) = tool::tool("cargo-fuzz", VERSION) else { return };
    // Together: the fuzzer's flags make a target one unit, which is compiled on one processor.
    CargoFuzz(program).command("build").niced().output();
}

/// Makes a C++ compiler available: the fuzzer's library is compiled from source.
fn install_compiler() -> Result<()> {
    if has_compiler() {
        return Ok(());
    }
    if !debian::has_apt() {
        bail!("fuzzing needs a C++ compiler, `c++` on PATH; install one, then try again");
    }
    debian::install(&["g++"], "installing a C++ compiler")
}

fn has_compiler() -> bool {
    is_on_path("c++") || std::env::var_os("CXX").is_some()
}

struct CargoFuzz(PathBuf);

impl CargoFuzz {
    /// For all targets, unless a target's name is the next argument.
    fn command(&self, what: &str) -> Command {
        let command = Command::new(&self.0).args([what, "--fuzz-dir", "fuzz", "--sanitizer", "none"]);
        // A separate folder: other flags in `target` would recompile everything.
        command.args(["--target-dir", "target/fuzz-build"])
    }

    fn run(&self, target: FuzzTarget, seconds: u64) -> Result<()> {
        let crashes = format!("fuzz/crashes/{}", target.name());
        let corpus = format!("target/fuzz/{}", target.name());
        for folder in [&crashes, &corpus] {
            fs::create_dir_all(root().join(folder)).with_context(|| format!("{folder} cannot be created"))?;
        }
        let before = files(&crashes)?;
        let seeds = format!("fuzz/seeds/{}", target.name());
        let run = self.command("run").args([target.name(), &corpus, &seeds, &crashes]).arg("--").args([
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
            [] => bail!("fuzzing {} failed; see above, and check the inputs in {crashes}", target.name()),
            found => bail!(
                "an input breaks a promise of {}. Keep it:\n    {}\nReplay it:\n    cargo test --release --package outbound-events crashes",
                target.name(),
                found.join("\n    ")
            ),
        }
    }

    /// Minimizes a found input in place. Failures do not matter.
    fn minimize(&self, target: FuzzTarget, crash: &str) {
        let minimize =
            self.command("tmin").args([target.name(), crash]).arg("--").arg(format!("-exact_artifact_path={crash}"));
        let minimize = minimize.arg("-timeout=10");
        eprintln!("==> minimizing {crash}\n    {}", minimize.line());
        minimize.output();
    }
}

fn files(folder: &str) -> Result<BTreeSet<String>> {
    let entries = fs::read_dir(root().join(folder)).with_context(|| format!("{folder} cannot be read"))?;
    entries.map(|entry| Ok(format!("{folder}/{}", entry?.file_name().display()))).collect()
}

/// Runs the command and prints its important lines. Returns whether it succeeded.
fn show_news(command: Command, purpose: &str) -> Result<bool> {
    eprintln!("==> {purpose}\n    {}", command.line());
    let started = Instant::now();
    let mut child = command.into_inner().stderr(Stdio::piped()).spawn().context("cargo-fuzz cannot be started")?;
    for line in child.stderr.take().into_iter().flat_map(|stderr| BufReader::new(stderr).lines()) {
        let line = line.context("the output of cargo-fuzz cannot be read")?;
        if is_news(&line) {
            eprintln!("{line}");
        }
    }
    let status = child.wait().context("cargo-fuzz was lost")?;
    print_time(purpose, started);
    Ok(status.success())
}

/// Filters the thousands of lines about new inputs and words.
fn is_news(line: &str) -> bool {
    let event = line.strip_prefix('#').and_then(|line| line.split_once('\t'));
    let is_new_input = event.is_some_and(|(_, event)| ["NEW", "REDUCE"].iter().any(|kind| event.starts_with(kind)));
    !is_new_input && !["\"", "###", "\tNEW_FUNC"].iter().any(|kind| line.starts_with(kind))
}

#[cfg(test)]
mod tests {
    use super::is_news;

    #[test]
    fn new_inputs_are_filtered_and_failures_are_not() {
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
