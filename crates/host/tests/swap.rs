//! A host whose memory is swapped out: an instance never sees data of another one, and the host keeps running.
//!
//! The tests force swapping with `process_madvise`, `MADV_PAGEOUT` and a swap file. This needs root.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
#[path = "support/trials.rs"]
mod trials;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};

use support::{OPEN, Recipient, numbered, python, root, succeeds};
use tempfile::TempDir;
use trials::{Promise, promises};

/// How many times everything is swapped out. `SWAP_ROUNDS` overrides it.
const ROUNDS: usize = 30;

const SWAPS: &[Promise<fn()>] =
    promises![a_host_whose_memory_is_swapped_out_keeps_answering, no_instance_sees_swapped_data_of_another_one,];

fn main() -> ExitCode {
    let missing = SwapFile::missing();
    trials::run_here(SWAPS.iter().map(|promise| (*promise, missing)))
}

/// A swap file that is used until this is dropped.
struct SwapFile {
    folder: TempDir,
}

impl SwapFile {
    /// Creates it on the disk of the project: a file system in memory cannot be swapped to.
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir_in(root().join("target")).ok()?;
        let swap = Self { folder };
        let path = swap.path();
        std::fs::write(&path, vec![0; 512 << 20]).ok()?;
        let mut mode = Command::new("chmod");
        let made = succeeds(mode.arg("600").arg(&path)) && succeeds(Command::new("mkswap").arg(&path));
        (made && succeeds(Command::new("swapon").arg(&path))).then_some(swap)
    }

    fn missing() -> Option<&'static str> {
        let Some(_swap) = Self::new() else { return Some("no swap can be added here, which takes root") };
        let mut sleeps = Command::new("sleep").arg("60").spawn().unwrap();
        let swapped = page_out(sleeps.id());
        sleeps.kill().unwrap();
        sleeps.wait().unwrap();
        swapped.is_none().then_some("no process can be swapped out here, which takes root and Python")
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("swap")
    }
}

impl Drop for SwapFile {
    fn drop(&mut self) {
        let _ = Command::new("swapoff").arg(self.path()).status();
    }
}

/// Swaps out every private page of a process. Returns its bytes in swap.
fn page_out(process: u32) -> Option<u64> {
    let script = r#"
import ctypes, os, sys
PIDFD_OPEN, PROCESS_MADVISE, MADV_PAGEOUT = 434, 440, 21
libc = ctypes.CDLL(None, use_errno=True)
class Part(ctypes.Structure):
    _fields_ = [("begin", ctypes.c_void_p), ("bytes", ctypes.c_size_t)]
process = int(sys.argv[1])
handle = libc.syscall(PIDFD_OPEN, process, 0)
for line in open(f"/proc/{process}/maps"):
    span, mode = line.split()[:2]
    begin, end = (int(address, 16) for address in span.split("-"))
    if mode[:2] == "rw" and end - begin <= 1 << 33:
        for at in range(begin, end, 1 << 27):
            part = Part(at, min(1 << 27, end - at))
            libc.syscall(PROCESS_MADVISE, handle, ctypes.byref(part), 1, MADV_PAGEOUT, 0)
"#;
    let interpreter = if python("python").is_file() { python("python") } else { "python3".into() };
    if !succeeds(Command::new(interpreter).args(["-c", script, &process.to_string()])) {
        return None;
    }
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmSwap:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

fn rounds() -> usize {
    std::env::var("SWAP_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(ROUNDS)
}

/// With wasmtime's page scan, the host died or its guests trapped after 5 or 6 rounds.
fn a_host_whose_memory_is_swapped_out_keeps_answering() {
    let _swap = SwapFile::new().unwrap();
    let mut recipient = Recipient::start_host(&[OPEN], |host| host);
    assert!(recipient.log().contains("possible=true"), "{}", recipient.log());
    let sent = AtomicUsize::new(0);
    let send = |many: usize| {
        let mut connection = recipient.connect();
        for _ in 0..many {
            let response = connection.post("/", numbered(sent.fetch_add(1, Ordering::Relaxed)));
            assert_eq!((response.status, response.result()), (200, "stored"), "{response:?}");
        }
    };
    for round in 0..rounds() {
        // One after the other, and more at once than there are instances made ahead.
        send(3);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| send(4));
            }
        });
        let swapped = page_out(recipient.child.id()).expect("the host has died");
        assert!(swapped > 1 << 20, "round {round}: only {swapped} bytes were swapped out");
    }
    send(20);
    assert!(recipient.child.try_wait().unwrap().is_none());
}

/// A guest that writes to its memory and table, and traps if they already have its data. It gives no response, which is
/// also answered 500: only the log shows the difference.
const LOOKS: &str = r#"(component
    (import "wasi:http/types@0.2.0" (instance $types
        (export "incoming-request" (type (sub resource)))
        (export "response-outparam" (type (sub resource)))))
    (alias export $types "incoming-request" (type $request))
    (alias export $types "response-outparam" (type $out))
    (core module $module
        (memory (export "memory") 32)
        (table 800 funcref)
        (elem declare func $leaves)
        (data (i32.const 1048576) "what is there from the start")
        (func $leaves (param $at i32)
            (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then unreachable))
            (i64.store (local.get $at) (i64.const -1)))
        (func (export "handle") (param i32 i32) (local $n i32)
            (if (i32.ne (i32.load (i32.const 1048576)) (i32.const 0x74616877)) (then unreachable))
            (i32.store (i32.const 1048576) (i32.const 1))
            (loop $pages
                (call $leaves (i32.add (i32.mul (local.get $n) (i32.const 65536)) (i32.const 4096)))
                (if (i32.eqz (ref.is_null (table.get (local.get $n)))) (then unreachable))
                (table.set (local.get $n) (ref.func $leaves))
                (local.set $n (i32.add (local.get $n) (i32.const 1)))
                (br_if $pages (i32.lt_u (local.get $n) (i32.const 32))))))
    (core instance $instance (instantiate $module))
    (func $handle (param "request" (own $request)) (param "response-out" (own $out))
        (canon lift (core func $instance "handle")))
    (instance $handler (export "handle" (func $handle)))
    (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#;

fn no_instance_sees_swapped_data_of_another_one() {
    let _swap = SwapFile::new().unwrap();
    let folder = TempDir::new().unwrap();
    let component = folder.path().join("looks.wasm");
    std::fs::write(&component, wat::parse_str(LOOKS).unwrap()).unwrap();
    let recipient = Recipient::start_host(&[OPEN], |host| with_component(&host, &component));
    for round in 0..rounds() {
        for _ in 0..6 {
            assert_eq!(recipient.post("/", "").status, 500, "round {round}");
        }
        page_out(recipient.child.id()).expect("the host has died");
    }
    let log = recipient.log();
    assert_eq!(log.matches("ERROR the component gave no response").count(), 6 * rounds(), "{log}");
    assert!(!log.contains("unreachable"), "an instance has what another left: {log}");
}

/// The host with another component.
fn with_component(host: &Command, component: &Path) -> Command {
    let mut command = Command::new(host.get_program());
    let mut follows = false;
    for argument in host.get_args() {
        command.arg(if std::mem::replace(&mut follows, argument == "--component") {
            component.as_os_str()
        } else {
            argument
        });
    }
    command
}
