//! The parts that the appliance is tried against: the real component in the real host, what can go wrong on the way to it,
//! and an SMTP server that this project did not write.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "shared by tests that use a part"
)]

#[path = "../../../host/tests/support/mod.rs"]
pub mod recipient;

pub mod authority;
pub mod prometheus;
pub mod smtp;
#[cfg(unix)]
pub mod terminal;
pub mod way;

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use outbound_events::identity::Site;
use outbound_events::parse::parse;
use outbound_events::record::Record;

pub fn appliance() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_appliance"));
    command.env_remove("OUTBOUND_EVENT_TOKEN").stdin(Stdio::null());
    command
}

/// `appliance send` to its end.
pub fn send(url: &str, arguments: &[&str]) -> Sent {
    Sent::new(appliance().args(["send", url]).args(arguments).output().unwrap())
}

/// What a command that sends has said.
#[derive(Debug)]
pub struct Sent {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Sent {
    pub fn new(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// A figure of the closing table; 0 if it has no such column.
    pub fn figure(&self, column: &str) -> u64 {
        let words = |line: usize| {
            let line = self.stdout.lines().nth(line).unwrap_or_else(|| panic!("no table: {self:?}"));
            line.replace(" ms", "ms").split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        let at = words(1).iter().position(|name| name == column);
        at.map_or(0, |at| words(3)[at].parse().unwrap())
    }
}

/// The ids that the recipient gives to these events.
pub fn ids(forms: impl IntoIterator<Item = String>, site: &str) -> BTreeSet<String> {
    let id = |form: String| {
        let event = parse(form.as_bytes()).unwrap();
        Record::new(event, Site::parse(site).unwrap(), chrono::DateTime::UNIX_EPOCH).1.id
    };
    forms.into_iter().map(id).collect()
}

/// The ids in a store, which are the ends of its keys.
pub fn stored_ids(recipient: &recipient::Recipient) -> BTreeSet<String> {
    let keys = recipient.stored().into_iter().map(|(key, _)| key);
    keys.filter_map(|key| Some(key.rsplit_once('.')?.1.to_owned())).collect()
}

/// Waits for what must happen some time. How long it takes is nobody's promise; that it happens is.
pub fn wait_until(what: &str, happened: impl Fn() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < Duration::from_secs(60), "it never happened: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An `appliance run` that is killed when it is dropped.
pub struct Running {
    child: Child,
    folder: PathBuf,
}

impl Running {
    /// With these settings, in a folder that holds its queues.
    pub fn start(folder: &Path, config: &str) -> Self {
        std::fs::write(folder.join("appliance.toml"), config).unwrap();
        let output = |name: &str| File::create(folder.join(name)).unwrap();
        let child = appliance()
            .args(["run", "--config"])
            .arg(folder.join("appliance.toml"))
            .stdout(output("stdout"))
            .stderr(output("stderr"))
            .spawn()
            .unwrap();
        Self { child, folder: folder.to_owned() }
    }

    /// All that it has said of a recipient, without the times: status, and how many wait.
    pub fn said(&self, name: &str) -> Vec<(String, u64)> {
        // It may be in the middle of printing.
        let printed = String::from_utf8_lossy(&std::fs::read(self.folder.join("stdout")).unwrap()).into_owned();
        let whole = printed.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let read = |line: &str| {
            let (time, rest) = line.split_once(' ').unwrap();
            assert!(chrono::DateTime::parse_from_rfc3339(time).is_ok(), "{line}");
            let (status, queued) = rest.strip_prefix(name)?.strip_prefix(": ")?.rsplit_once(", ")?;
            Some((status.to_owned(), queued.strip_suffix(" queued")?.parse().unwrap()))
        };
        whole.lines().filter_map(read).collect()
    }

    /// How a recipient was when it was spoken of last.
    pub fn status(&self, name: &str) -> Option<String> {
        Some(self.said(name).pop()?.0)
    }

    /// How many events waited for it then.
    pub fn queued(&self, name: &str) -> u64 {
        self.said(name).pop().map_or(0, |(_, queued)| queued)
    }

    pub fn stderr(&self) -> String {
        std::fs::read_to_string(self.folder.join("stderr")).unwrap()
    }

    /// Stops it as an administrator does, and gives its exit code.
    pub fn stop(mut self) -> Option<i32> {
        let stopped = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(stopped.unwrap().success());
        self.child.wait().unwrap().code()
    }

    /// As a power cut would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
