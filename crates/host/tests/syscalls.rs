//! That a 200 waits for the disk, by the order of the host's system calls. A kill proves nothing about that: the kernel keeps what a
//! dead process wrote.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
#[path = "support/trials.rs"]
mod trials;

use std::collections::BTreeSet;
use std::process::{Command, ExitCode};

use support::{Kind, OPEN, Recipient, children, numbered};
use trials::{Promise, promises};

const PROMISES: &[Promise<fn()>] = promises![
    no_200_leaves_before_the_fsync_that_covers_its_write,
    what_a_killed_host_left_is_synced_before_it_makes_a_duplicate,
    to_compare_the_stores_files_costs_no_system_call_but_statx_which_asks_for_no_times,
];

fn main() -> ExitCode {
    let strace = Command::new("strace").args(["-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success());
    let missing = (!strace).then_some("strace is not to be had");
    trials::run_here(PROMISES.iter().map(|promise| (*promise, missing)))
}

/// What a system call did, in the order in which strace saw it.
#[derive(Debug, PartialEq)]
enum Call {
    /// As strace shows what was written.
    WriteToLog(String),
    SyncBegins,
    SyncEnds,
    /// A 200, with the id of its event.
    Answer(String),
}

/// The host under strace, which sees each of its system calls.
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

    /// The same, for other calls.
    fn command_for(&self, calls: &str, host: Command) -> Command {
        let mut command = Command::new("strace");
        command.args(["-f", "-y", "-s", "8192", "-e", calls, "-o"]).arg(self.trace.path());
        command.arg(host.get_program()).args(host.get_args());
        command
    }

    /// Lets the host end, and gives what it did.
    fn calls(self, recipient: Recipient) -> Vec<Call> {
        self.lines(recipient).lines().flat_map(read_calls).collect()
    }

    /// The same, as strace tells it.
    fn lines(self, mut recipient: Recipient) -> String {
        let host = children(&recipient.child.id().to_string()).pop().expect("strace runs nothing");
        assert!(Command::new("kill").arg(host).status().unwrap().success());
        recipient.child.wait().unwrap();
        std::fs::read_to_string(self.trace.path()).unwrap()
    }
}

/// No 200 may leave before the end of an fsync that began after its event was written to SQLite's log.
fn no_200_leaves_before_the_fsync_that_covers_its_write() {
    // One waits for its own commit; many share one.
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
        // The ids in the log that no sync has covered, and how many of them were there when the last sync began.
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

/// Whatever may be an id, in the page of a log as strace shows it: an event's stands at the end of its key.
fn ids(page: &str) -> impl Iterator<Item = String> {
    let part = |text: &str| text.get(..32).filter(|id| id.bytes().all(|b| b.is_ascii_hexdigit())).map(str::to_owned);
    page.split("begin.").filter_map(part)
}

/// A host that is killed between a write and its sync leaves a commit that only the kernel has. The next one would read it,
/// and take the sender's repeat for a duplicate, before it is on disk.
fn what_a_killed_host_left_is_synced_before_it_makes_a_duplicate() {
    let traced = Traced::new();
    let recipient = Recipient::start(Kind::Host, &[OPEN]);
    assert_eq!(recipient.post("/", numbered(1)).result(), "stored");
    let recipient = recipient.kill_and_restart_by(|host| traced.command(host));
    assert_eq!(recipient.post("/", numbered(1)).result(), "duplicate");
    let calls = traced.calls(recipient);
    let answer = calls.iter().position(|call| matches!(call, Call::Answer(_))).expect("no answer was seen");
    assert!(calls[..answer].contains(&Call::SyncEnds), "{calls:?}");
}

/// Since Linux 6.13, a file whose times were asked for has its inode written with the next sync.
fn to_compare_the_stores_files_costs_no_system_call_but_statx_which_asks_for_no_times() {
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
    // After the brace is what the kernel gave.
    let asks = |line: &str| line.split('{').next().is_some_and(|asked| asked.contains("STATX_INO"));
    let compares = |line: &&&str| line.contains("statx(") && asks(line);
    let others: Vec<_> = of_files.iter().filter(|line| !compares(line)).collect();
    // Who reads beside an event, such as a pass, may open a connection, once: some ten calls.
    assert!(others.len() < EVENTS / 2, "{others:?}");
    assert!(of_files.len() >= 3 * (EVENTS - 1), "{}", of_files.len());
}

fn read_calls(line: &str) -> Vec<Call> {
    let call = line.split_once(' ').map_or("", |(_process, call)| call.trim_start());
    let sync_of_log = (call.starts_with("fsync(") || call.starts_with("fdatasync(")) && call.contains("-wal>");
    if call.starts_with("pwrite64(") && call.contains("-wal>") {
        vec![Call::WriteToLog(call.to_owned())]
    } else if sync_of_log && call.contains("unfinished") {
        // Another thread's call came between, so its end has a line of its own.
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
