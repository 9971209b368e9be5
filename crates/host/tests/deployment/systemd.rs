//! The unit, and the system calls that it allows.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::tools::{read, said};
use crate::support;
use crate::support::{GUARDED, Recipient, numbered};

const UNIT: &str = "systemd/outbound-events.service";

/// The unit in a folder, to be looked at where nothing is installed: another program stands for the host.
fn unit(folder: &Path) -> PathBuf {
    let text = read(UNIT);
    let host = "ExecStart=/opt/outbound-events/outbound-events-host serve";
    assert!(text.contains(host), "{text}");
    let path = folder.join("outbound-events.service");
    fs::write(&path, text.replace(host, "ExecStart=/bin/true serve")).unwrap();
    path
}

pub(super) fn the_unit_is_one_that_systemd_takes_without_a_word() {
    let folder = tempfile::tempdir().unwrap();
    // It ends well also where it ignored a line, and then says so.
    let verify = said(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(unit(folder.path())));
    assert_eq!(verify, (true, String::new()));
}

pub(super) fn the_unit_leaves_the_service_little_to_do_harm_with() {
    let folder = tempfile::tempdir().unwrap();
    let security = ["security", "--offline=yes", "--no-pager", "--threshold=15"];
    let (enough, said) = said(Command::new("systemd-analyze").args(security).arg(unit(folder.path())));
    assert!(enough && said.contains("Overall exposure level"), "{said}");
}

/// Under seccomp as under strace: what the host calls while it starts, takes events, refuses and stops.
pub(super) fn every_system_call_of_the_host_is_one_that_the_unit_allows() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let recipient = Recipient::start_host(&[GUARDED], |host| {
        let mut strace = Command::new("strace");
        strace.args(["--follow-forks", "--seccomp-bpf", "--signal=none", "--output"]).arg(&trace);
        strace.arg(host.get_program()).args(host.get_args());
        // Compiled anew, and written to the cache.
        strace.env("XDG_CACHE_HOME", folder.path());
        strace
    });
    for n in 0..10 {
        recipient.post("/events?outbound_event_token=a-token-of-24-characters", numbered(n));
        recipient.post("/events", numbered(n));
    }
    let strace = recipient.child.id().to_string();
    let host = support::children(&strace).pop().unwrap();
    assert!(Command::new("kill").args(["-TERM", &host]).status().unwrap().success());
    let mut recipient = recipient;
    assert!(recipient.child.wait().unwrap().success(), "{}", recipient.log());
    let trace = fs::read_to_string(trace).unwrap();
    let called: BTreeSet<_> = trace.lines().filter_map(called).collect();
    assert!(called.contains("fdatasync") && called.contains("accept4"), "{called:?}");
    let mut allowed = allowed();
    // SQLite's, where it is root: a service is not.
    allowed.insert("fchown".to_owned());
    let refused: Vec<_> = called.into_iter().filter(|call| !allowed.contains(*call)).collect();
    assert!(refused.is_empty(), "{refused:?}");
}

/// A line is `1234 openat(AT_FDCWD, …`, or goes on with one: `1234 <... futex resumed>`.
fn called(line: &str) -> Option<&str> {
    let (_, call) = line.split_once(' ')?;
    let (name, _) = call.trim_start().split_once('(')?;
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_').then_some(name)
}

/// What the unit allows in the end: each line adds groups and calls, or takes some away.
fn allowed() -> BTreeSet<String> {
    let mut allowed = BTreeSet::new();
    for filter in read(UNIT).lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let names = filter.trim_start_matches('~').split(' ').flat_map(calls_of);
        if filter.starts_with('~') {
            names.for_each(|name| _ = allowed.remove(&name));
        } else {
            allowed.extend(names);
        }
    }
    allowed
}

/// A call, or those of a group and of the groups in it.
fn calls_of(name: &str) -> BTreeSet<String> {
    if !name.starts_with('@') {
        return [name.to_owned()].into();
    }
    let (known, said) = said(Command::new("systemd-analyze").args(["syscall-filter", "--no-pager", name]));
    assert!(known, "{said}");
    let names = said.lines().filter_map(|line| line.strip_prefix("    ")).filter(|name| !name.starts_with('#'));
    names.flat_map(calls_of).collect()
}
