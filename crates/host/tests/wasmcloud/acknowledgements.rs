//! The data that NATS has on disk when it acknowledges a write, by its system calls.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::nats::Nats;
use crate::support::{OPEN, Recipient, children, deploy, numbered};

/// A relevant call of NATS, in the order of strace's output.
#[derive(Debug, PartialEq)]
enum Call {
    /// Wrote this number of messages of the bucket to its file.
    Write(usize),
    SyncBegins,
    SyncEnds,
    /// Acknowledged the message with this number.
    Acknowledge(usize),
}

/// Sends events one after the other and returns the calls of NATS. The number of a message is its position in the
/// bucket, from 1.
fn calls_of_nats(settings: &Path, events: usize) -> Vec<Call> {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let nats = Nats::start_by(folder.path(), settings, |nats| {
        let mut strace = Command::new("strace");
        let calls = "trace=pwrite64,fsync,fdatasync,write,writev,sendto";
        strace.args(["-f", "-y", "-s", "8192", "-e", calls, "-o"]).arg(&trace);
        strace.arg(nats.get_program()).args(nats.get_args());
        strace
    });
    let server = children(&nats.process().to_string()).pop().expect("strace runs nothing");
    let recipient = Recipient::start_wash(&[OPEN], nats);
    let mut connection = recipient.connect();
    for n in 0..events {
        assert_eq!(connection.post("/", numbered(n)).result(), "stored");
    }
    // Stopped gracefully, so that strace has written everything.
    let process = PathBuf::from(format!("/proc/{server}"));
    assert!(Command::new("kill").arg(&server).status().unwrap().success());
    while process.exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(recipient);
    std::fs::read_to_string(trace).unwrap().lines().flat_map(read_calls).collect()
}

fn read_calls(line: &str) -> Vec<Call> {
    let call = line.split_once(' ').map_or("", |(_process, call)| call.trim_start());
    let is_sync = call.starts_with("fsync(") || call.starts_with("fdatasync(");
    if call.starts_with("pwrite64(") && call.contains(".blk>") {
        vec![Call::Write(call.matches("$KV.default.").count())]
    } else if is_sync && call.contains(".blk>") && call.contains("unfinished") {
        // A call of another thread came in between, so the end has a separate line.
        vec![Call::SyncBegins]
    } else if is_sync && call.contains(".blk>") {
        vec![Call::SyncBegins, Call::SyncEnds]
    } else if call.starts_with("<... f") && call.contains("sync resumed>") {
        vec![Call::SyncEnds]
    } else {
        let numbers = call.split(r#"{\"stream\":\"KV_default\",\"seq\":"#).skip(1);
        numbers.map(|rest| Call::Acknowledge(rest.split(['}', ',']).next().unwrap().parse().unwrap())).collect()
    }
}

/// The acknowledged messages, and those that were not on disk at that time.
fn acknowledged(calls: &[Call]) -> (BTreeSet<usize>, BTreeSet<usize>) {
    let (mut written, mut covered, mut on_disk) = (0, 0, 0);
    let (mut acknowledged, mut early) = (BTreeSet::new(), BTreeSet::new());
    for call in calls {
        match call {
            Call::Write(messages) => written += messages,
            Call::SyncBegins => covered = written,
            Call::SyncEnds => on_disk = covered,
            Call::Acknowledge(number) => {
                acknowledged.insert(*number);
                if *number > on_disk {
                    early.insert(*number);
                }
            }
        }
    }
    (acknowledged, early)
}

pub(super) fn nats_acknowledges_what_is_on_the_disk() {
    let (acknowledged, early) = acknowledged(&calls_of_nats(&deploy("wasmcloud/nats.conf"), 50));
    assert!(acknowledged.len() >= 50, "each was seen: {acknowledged:?}");
    assert!(early.is_empty(), "{early:?} were acknowledged before they were on the disk");
}

/// Shows that the test above can fail.
pub(super) fn nats_acknowledges_what_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("nats.conf");
    let file = std::fs::read_to_string(deploy("wasmcloud/nats.conf")).unwrap();
    std::fs::write(&settings, file.replace("sync_interval: always", "")).unwrap();
    let (acknowledged, early) = acknowledged(&calls_of_nats(&settings, 50));
    assert!(acknowledged.len() >= 50, "each was seen: {acknowledged:?}");
    assert_eq!(early, acknowledged);
}
