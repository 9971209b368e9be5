//! Runs other programs visibly: prints the purpose, the command line, and the time taken.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// The project's top folder.
pub fn root() -> PathBuf {
    // `cargo xtask` sets it to the folder of xtask.
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from("xtask"), PathBuf::from);
    xtask.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// A program to run, in the project's top folder.
pub struct Command(process::Command);

impl Command {
    /// Any program.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = process::Command::new(program);
        command.current_dir(root());
        Self(command)
    }

    /// The user's own cargo.
    pub fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let mut cargo = Self::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // Cargo tells xtask about the package xtask. Build scripts, such as ring's, would run again whenever the next
        // cargo does not inherit that.
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("CARGO_MANIFEST_") || name.starts_with("CARGO_PKG_")) {
                cargo.0.env_remove(name);
            }
        }
        cargo.args(arguments)
    }

    /// The project's host, run in the user's folder, since its arguments can contain relative paths. Built like the
    /// tests, so that dependencies are compiled once.
    pub fn host<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let mut host = Self::cargo(["run", "--release", "--quiet", "--package", "outbound-events-host", "--"]);
        host.0.current_dir(".");
        host.args(arguments)
    }

    /// Adds an argument.
    pub fn arg(self, argument: impl AsRef<OsStr>) -> Self {
        self.args([argument])
    }

    /// Adds arguments.
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.0.args(arguments);
        self
    }

    /// Sets the folder to run in.
    pub fn within(mut self, folder: &Path) -> Self {
        self.0.current_dir(folder);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Removes an environment variable.
    pub fn without(mut self, name: &str) -> Self {
        self.0.env_remove(name);
        self
    }

    /// The command line.
    pub fn line(&self) -> String {
        let words = std::iter::once(self.0.get_program()).chain(self.0.get_args());
        words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    /// Prints the purpose and runs the command. An error if it cannot be started or fails.
    pub fn run(mut self, purpose: &str) -> Result<()> {
        eprintln!("==> {purpose}\n    {}", self.line());
        let started = Instant::now();
        let mut child = self.0.spawn().with_context(|| format!("{} cannot be started", self.line()))?;
        let ended = AtomicBool::new(false);
        let status = thread::scope(|scope| {
            let reporter = scope.spawn(|| report_elapsed(purpose, &ended));
            let status = child.wait();
            ended.store(true, Ordering::Relaxed);
            reporter.thread().unpark();
            status
        });
        let status = status.with_context(|| format!("{} was lost", self.line()))?;
        if !status.success() {
            bail!("{} ended with {status}", self.line());
        }
        print_time(purpose, started);
        Ok(())
    }

    /// Prints the purpose and replaces this process, so that signals reach the command. `hidden` arguments are not
    /// printed.
    #[cfg(unix)]
    pub fn exec(mut self, purpose: &str, hidden: &[String]) -> Result<()> {
        use std::os::unix::process::CommandExt as _;
        eprintln!("==> {purpose}\n    {}", self.line());
        let error = self.0.args(hidden).exec();
        Err(error).with_context(|| format!("{} cannot be started", self.line()))
    }

    /// Prints the purpose and runs the command, where a process cannot be replaced.
    #[cfg(not(unix))]
    pub fn exec(mut self, purpose: &str, hidden: &[String]) -> Result<()> {
        eprintln!("==> {purpose}\n    {}", self.line());
        let status = self.0.args(hidden).status().with_context(|| format!("{} cannot be started", self.line()))?;
        if !status.success() {
            bail!("the host ended with {status}");
        }
        Ok(())
    }

    /// Gives way to other processes for processor time, where the system has `nice`.
    pub fn niced(self) -> Self {
        if !is_on_path("nice") {
            return self;
        }
        let mut niced = Self::new("nice").args(["-n", "19"]).arg(self.0.get_program()).args(self.0.get_args());
        niced.0.envs(self.0.get_envs().filter_map(|(name, value)| Some((name, value?))));
        niced
    }

    /// Runs the command silently and returns its standard output. `None` if it cannot be started or fails.
    pub fn output(mut self) -> Option<String> {
        let output = self.0.output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// The command of the standard library.
    pub fn into_inner(self) -> process::Command {
        self.0
    }
}

/// How often a running command is reported.
const REPORT_INTERVAL: Duration = Duration::from_secs(30);

/// Prints the elapsed time now and then: without a terminal, cargo prints nothing while it links, and seems to hang.
fn report_elapsed(purpose: &str, ended: &AtomicBool) {
    let started = Instant::now();
    let mut reported = started;
    while !ended.load(Ordering::Relaxed) {
        thread::park_timeout(REPORT_INTERVAL.saturating_sub(reported.elapsed()));
        if reported.elapsed() >= REPORT_INTERVAL {
            reported = Instant::now();
            eprintln!("    {purpose}: {} s so far", started.elapsed().as_secs());
        }
    }
}

/// Prints how long a step took.
pub fn print_time(purpose: &str, started: Instant) {
    eprintln!("==> {purpose} took {} s", started.elapsed().as_secs());
}

/// Whether a program is on PATH.
pub fn is_on_path(program: &str) -> bool {
    let file = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(&file).is_file()))
}
