//! A 200 waits for the disk: checked by the order of the host's system calls. Killing the host would not show it, since
//! the kernel keeps the writes of a dead process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
#[path = "support/trials.rs"]
mod trials;

use std::collections::BTreeSet;
use std::process::{Command, ExitCode};

use support::{Kind, OPEN, Recipient, children, numbered};
use trials::{Promise, promises};

const PROMISES: &[Promise<fn()>] = promises![
    no_200_is_sent_before_the_fsync_of_its_write,
    the_log_of_a_killed_host_is_synced_before_a_duplicate_is_answered,
    comparing_the_files_uses_only_statx_without_times,
];

fn main() -> ExitCode {
    let strace = Command::new("strace").args(["-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success());
    let missing = (!strace).then_some("strace is not to be had");
    trials::run_here(PROMISES.iter().map(|promise| (*promise, missing)))
}

/// A relevant system call, in the order of strace's output.
#[derive(Debug, PartialEq)]
enum Call {
    /// The written data as strace shows it.
    WriteToLog(String),
    SyncBegins,
    SyncEnds,
    /// A 200, with the id of its event.
    Answer(String),
}

/// The host under strace.
struct Traced {
    trace: tempfile::NamedTempFile,
}

impl Traced {
    fn new() -> Self {
        Self { trace: tempfile::NamedTempFile::new().unwrap() }
    }

    fn command(&self, host: Command) -> Command {
        self.command_for("trace=pwrite64,fsync,fdatasync,write,writev,sendto,sendmsg", host)
    }

    /// Traces these calls.
    fn command_for(&self, calls: &str, host: Command) -> Command {
        let mut command = Command::new("strace");
        command.args(["-f", "-y", "-s", "8192", "-e", calls, "-o"]).arg(self.trace.path());
        command.arg(host.get_program()).args(host.get_args());
        command
    }

    /// Stops the host and returns its calls.
    fn calls(self, recipient: Recipient) -> Vec<Call> {
        self.lines(recipient).lines().flat_map(read_calls).collect()
    }

    /// Stops the host and returns the output of strace.
    fn lines(self, mut recipient: Recipient) -> String {
        let host = children(&recipient.child.id().to_string()).pop().expect("strace runs nothing");
        assert!(Command::new("kill").arg(host).status().unwrap().success());
        recipient.child.wait().unwrap();
        std::fs::read_to_string(self.trace.path()).unwrap()
    }
}

/// A 200 must not be sent before the end of an fsync that began after its event was written to SQLite's log.
fn no_200_is_sent_before_the_fsync_of_its_write() {
    // A single client waits for its own commit; many share one.
    for (senders, events) in [(1, 50), (16, 20)] {
        let traced = Traced::new();
        let recipient = Recipient::start_host(&[OPEN], |host| traced.command(host));
        std::thread::scope(|scope| {
            for sender in 0..senders {
                let mut connection = recipient.connect();
                scope.spawn(move || {
                    for n in 0..events {
                        assert_eq!(connection.post("/", numbered(sender * events + n)).result(), "stored");
                    }
                });
            }
        });
        let calls = traced.calls(recipient);
        // The ids in the log that are not synced yet, and their number when the last sync began.
        let (mut written, mut seen, mut covered, mut on_disk) = (Vec::new(), BTreeSet::new(), 0, BTreeSet::new());
        let mut answers = 0;
        for call in calls {
            match call {
                Call::WriteToLog(page) => written.extend(ids(&page).filter(|id| seen.insert(id.clone()))),
                Call::SyncBegins => covered = written.len(),
                Call::SyncEnds => on_disk.extend(written.drain(..std::mem::take(&mut covered))),
                Call::Answer(id) => {
                    assert!(on_disk.contains(&id), "{senders} senders: the answer for {id} left before it was on disk");
                    answers += 1;
                }
            }
        }
        assert_eq!(answers, senders * events, "each 200 is one packet, and each was seen");
    }
}

/// Every possible id in a page of the log as strace shows it: the id of an event is at the end of its key.
fn ids(page: &str) -> impl Iterator<Item = String> {
    let part = |text: &str| text.get(..32).filter(|id| id.bytes().all(|b| b.is_ascii_hexdigit())).map(str::to_owned);
    page.split("begin.").filter_map(part)
}

/// A host that is killed between a write and its sync leaves a commit in the kernel's memory only. Without a sync, the
/// next host would answer a repeat as a duplicate before the event is on disk.
fn the_log_of_a_killed_host_is_synced_before_a_duplicate_is_answered() {
    let traced = Traced::new();
    let recipient = Recipient::start(Kind::Host, &[OPEN]);
    assert_eq!(recipient.post("/", numbered(1)).result(), "stored");
    let recipient = recipient.kill_and_restart_by(|host| traced.command(host));
    assert_eq!(recipient.post("/", numbered(1)).result(), "duplicate");
    let calls = traced.calls(recipient);
    let answer = calls.iter().position(|call| matches!(call, Call::Answer(_))).expect("no answer was seen");
    assert!(calls[..answer].contains(&Call::SyncEnds), "{calls:?}");
}

/// Since Linux 6.13, reading the times of a file makes the next sync write its inode.
fn comparing_the_files_uses_only_statx_without_times() {
    const EVENTS: usize = 100;
    let traced = Traced::new();
    let recipient =
        Recipient::start_host(&[OPEN], |host| traced.command_for("trace=%file,writev,sendto,sendmsg,write", host));
    let store = recipient.store_path().display().to_string();
    let mut connection = recipient.connect();
    for n in 0..2 * EVENTS {
        assert_eq!(connection.post("/", numbered(n)).result(), "stored");
    }
    let lines = traced.lines(recipient);
    let is_answer = |line: &&str| line.contains("HTTP/1.1 200");
    let mut answers = 0;
    let of_files: Vec<_> = lines
        .lines()
        .filter(|line| {
            answers += usize::from(is_answer(line));
            (EVENTS..2 * EVENTS).contains(&answers) && line.contains(&store)
        })
        .collect();
    // The part after the brace is the result.
    let asks = |line: &str| line.split('{').next().is_some_and(|asked| asked.contains("STATX_INO"));
    let compares = |line: &&&str| line.contains("statx(") && asks(line);
    let others: Vec<_> = of_files.iter().filter(|line| !compares(line)).collect();
    // A concurrent reader, such as compaction, can open a connection once: about ten calls.
    assert!(others.len() < EVENTS / 2, "{others:?}");
    assert!(of_files.len() >= 3 * (EVENTS - 1), "{}", of_files.len());
}

fn read_calls(line: &str) -> Vec<Call> {
    let call = line.split_once(' ').map_or("", |(_process, call)| call.trim_start());
    let sync_of_log = (call.starts_with("fsync(") || call.starts_with("fdatasync(")) && call.contains("-wal>");
    if call.starts_with("pwrite64(") && call.contains("-wal>") {
        vec![Call::WriteToLog(call.to_owned())]
    } else if sync_of_log && call.contains("unfinished") {
        // A call of another thread came in between, so the end has a separate line.
        vec![Call::SyncBegins]
    } else if sync_of_log {
        vec![Call::SyncBegins, Call::SyncEnds]
    } else if call.starts_with("<... f") && call.contains("sync resumed>") {
        vec![Call::SyncEnds]
    } else if call.contains("\"HTTP/1.1 200") {
        let id = call.split_once("event-id: ").and_then(|(_, after)| after.get(..32));
        vec![Call::Answer(id.expect("a 200 without an id").to_owned())]
    } else {
        Vec::new()
    }
}
