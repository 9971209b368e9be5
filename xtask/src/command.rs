//! Other programs, run visibly: each says what it is for and how it was called.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// The project's top folder.
pub fn root() -> PathBuf {
    // Set by cargo for `cargo xtask`: the folder of xtask itself.
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
        Self::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())).args(arguments)
    }

    /// The project's host, in the folder where the user is: paths among its arguments are the user's. Built as the tests
    /// build it, so that its dependencies are compiled once.
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

    /// Runs it in another folder.
    pub fn within(mut self, folder: &Path) -> Self {
        self.0.current_dir(folder);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Takes an environment variable away.
    pub fn without(mut self, name: &str) -> Self {
        self.0.env_remove(name);
        self
    }

    /// The command as one would type it.
    pub fn line(&self) -> String {
        let words = std::iter::once(self.0.get_program()).chain(self.0.get_args());
        words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    /// Says what it does, and does it. An error if it cannot be started or fails.
    pub fn run(mut self, purpose: &str) -> Result<()> {
        eprintln!("==> {purpose}\n    {}", self.line());
        let mut child = self.0.spawn().with_context(|| format!("{} cannot be started", self.line()))?;
        let ended = AtomicBool::new(false);
        let status = thread::scope(|scope| {
            let telling = scope.spawn(|| tell_how_long(purpose, &ended));
            let status = child.wait();
            ended.store(true, Ordering::Relaxed);
            telling.thread().unpark();
            status
        });
        let status = status.with_context(|| format!("{} was lost", self.line()))?;
        if !status.success() {
            bail!("{} ended with {status}", self.line());
        }
        Ok(())
    }

    /// Says what it does, and becomes it: one process, so that a signal to this one is a signal to it. The further
    /// arguments are not shown.
    #[cfg(unix)]
    pub fn become_it(mut self, purpose: &str, unseen: &[String]) -> Result<()> {
        use std::os::unix::process::CommandExt as _;
        eprintln!("==> {purpose}\n    {}", self.line());
        let error = self.0.args(unseen).exec();
        Err(error).with_context(|| format!("{} cannot be started", self.line()))
    }

    /// Says what it does, and does it: where a process cannot become another.
    #[cfg(not(unix))]
    pub fn become_it(mut self, purpose: &str, unseen: &[String]) -> Result<()> {
        eprintln!("==> {purpose}\n    {}", self.line());
        let status = self.0.args(unseen).status().with_context(|| format!("{} cannot be started", self.line()))?;
        if !status.success() {
            bail!("the host ended with {status}");
        }
        Ok(())
    }

    /// Runs it unseen, for what it prints. `None` if it cannot be started or fails.
    pub fn output(mut self) -> Option<String> {
        let output = self.0.output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// The same program as the standard library knows it, to be run in some other way.
    pub fn into_inner(self) -> process::Command {
        self.0
    }
}

/// How often it is told that something is still under way.
const TOLD_EVERY: Duration = Duration::from_secs(30);

/// Where what is run says nothing for a while, as cargo does outside a terminal while it links, nobody should think that it hangs.
fn tell_how_long(purpose: &str, ended: &AtomicBool) {
    let started = Instant::now();
    let mut told = started;
    while !ended.load(Ordering::Relaxed) {
        thread::park_timeout(TOLD_EVERY.saturating_sub(told.elapsed()));
        if told.elapsed() >= TOLD_EVERY {
            told = Instant::now();
            eprintln!("    {purpose}: {} s so far", started.elapsed().as_secs());
        }
    }
}

/// Whether a program is on PATH.
pub fn is_on_path(program: &str) -> bool {
    let file = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(&file).is_file()))
}
