//! The environment of the tests: the real component in the real host, a proxy that injects faults, and an independent
//! SMTP server.
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
pub mod otlp;
pub mod prometheus;
pub mod proxy;
pub mod smtp;
#[cfg(unix)]
pub mod terminal;

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
    command.env_remove("OUTBOUND_EVENT_TOKEN").env_remove("APPLIANCE_API_CLIENT_SECRET").stdin(Stdio::null());
    command
}

/// `appliance send` to its end.
pub fn send(url: &str, arguments: &[&str]) -> SendOutput {
    SendOutput::new(appliance().args(["send", url]).args(arguments).output().unwrap())
}

/// The output of a command that sends.
#[derive(Debug)]
pub struct SendOutput {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl SendOutput {
    pub fn new(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// A figure of the closing table; 0 if the column is missing.
    pub fn figure(&self, column: &str) -> u64 {
        let words = |line: usize| {
            let line = self.stdout.lines().nth(line).unwrap_or_else(|| panic!("no table: {self:?}"));
            line.replace(" ms", "ms").split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        let index = words(1).iter().position(|name| name == column);
        index.map_or(0, |index| words(3)[index].parse().unwrap())
    }
}

/// The event ids of these forms.
pub fn ids(forms: impl IntoIterator<Item = String>, site: &str) -> BTreeSet<String> {
    let id = |form: String| {
        let event = parse(form.as_bytes()).unwrap();
        Record::new(event, Site::parse(site).unwrap(), chrono::DateTime::UNIX_EPOCH).1.id
    };
    forms.into_iter().map(id).collect()
}

/// The ids of the stored events: the last parts of their keys.
pub fn stored_ids(recipient: &recipient::Recipient) -> BTreeSet<String> {
    let keys = recipient.stored().into_iter().map(|(key, _)| key);
    keys.filter_map(|key| Some(key.rsplit_once('.')?.1.to_owned())).collect()
}

/// Waits for something that must happen, however slow the machine is.
pub fn wait_until(what: &str, happened: impl Fn() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < Duration::from_secs(60), "never happened: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An `appliance run` that is killed when it is dropped.
pub struct RunningAppliance {
    child: Child,
    folder: PathBuf,
}

impl RunningAppliance {
    /// Starts it with these settings, in a folder that keeps its queues.
    pub fn start(folder: &Path, config: &str) -> Self {
        Self::start_with(folder, config, &[])
    }

    /// The same with more arguments.
    pub fn start_with(folder: &Path, config: &str, arguments: &[&str]) -> Self {
        std::fs::write(folder.join("appliance.toml"), config).unwrap();
        let output = |name: &str| File::create(folder.join(name)).unwrap();
        let child = appliance()
            .args(["run", "--config"])
            .arg(folder.join("appliance.toml"))
            .args(arguments)
            .stdout(output("stdout"))
            .stderr(output("stderr"))
            .spawn()
            .unwrap();
        Self { child, folder: folder.to_owned() }
    }

    /// All printed lines of a recipient, without times: status and length of the queue.
    pub fn lines_of(&self, name: &str) -> Vec<(String, u64)> {
        // The last line can be incomplete.
        let printed = String::from_utf8_lossy(&std::fs::read(self.folder.join("stdout")).unwrap()).into_owned();
        let whole = printed.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let parse = |line: &str| {
            let (time, rest) = line.split_once(' ').unwrap();
            assert!(chrono::DateTime::parse_from_rfc3339(time).is_ok(), "{line}");
            let (status, queued) = rest.strip_prefix(name)?.strip_prefix(": ")?.rsplit_once(", ")?;
            Some((status.to_owned(), queued.strip_suffix(" queued")?.parse().unwrap()))
        };
        whole.lines().filter_map(parse).collect()
    }

    /// The status in the last line of a recipient.
    pub fn status(&self, name: &str) -> Option<String> {
        Some(self.lines_of(name).pop()?.0)
    }

    /// The length of the queue in that line.
    pub fn queued(&self, name: &str) -> u64 {
        self.lines_of(name).pop().map_or(0, |(_, queued)| queued)
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn stderr(&self) -> String {
        std::fs::read_to_string(self.folder.join("stderr")).unwrap()
    }

    /// Stops it with SIGTERM, and returns its exit code.
    pub fn stop(mut self) -> Option<i32> {
        let stopped = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(stopped.unwrap().success());
        self.child.wait().unwrap().code()
    }

    /// Kills it with SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for RunningAppliance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
