//! The log of the host: it never delays a request or a stop, whatever happens to standard error, and it reports lost
//! lines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/mounts.rs"]
mod mounts;
mod support;
#[path = "support/trials.rs"]
mod trials;

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mounts::{own_mounts, resize, seen_from_outside};
use outbound_events_host::log_queue;
use serde_json::Value;
use support::{Connection, OPEN, Recipient, component, free_address, numbered, run_by, succeeds};
use trials::{Promise, promises};

const WITH_PIPES: &[Promise<fn()>] = promises![
    an_unread_pipe_delays_no_event_and_no_stop,
    standard_output_can_be_the_same_full_pipe,
    a_failed_start_ends_although_nobody_reads_the_reason,
    lost_lines_are_reported_first_when_a_reader_reads_again,
    lost_lines_are_counted_in_the_metrics,
    a_closed_pipe_delays_no_event_and_no_stop,
    a_panic_is_logged_without_waiting_for_a_reader,
    sighup_without_tls_is_ignored,
    a_second_signal_ends_the_host_at_once_and_is_logged,
    a_second_signal_ends_the_host_although_nobody_reads_the_log,
];

const WITH_DISKS: &[Promise<fn()>] = promises![
    a_full_disk_of_the_log_delays_no_event_and_no_stop,
    lost_lines_are_reported_first_when_the_disk_has_room_again,
];

/// More events than fill the pipe and the queue.
const FLOOD: usize = 3_000;

/// The size of a pipe on Linux, in bytes.
const PIPE: usize = 65_536;

/// The size of the queue, in lines.
const QUEUE: usize = 1_000;

/// With this argument, this program starts the log and panics.
const PANICS: &str = "--panics";

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(PANICS) {
        return panic_in_a_thread();
    }
    let folder = tempfile::tempdir().unwrap();
    let mkfifo =
        (!succeeds(Command::new("mkfifo").arg(folder.path().join("pipe")))).then_some("mkfifo is not to be had");
    let mounts = mounts::missing();
    let pipes = WITH_PIPES.iter().map(|promise| (*promise, mkfifo));
    trials::run_here(pipes.chain(WITH_DISKS.iter().map(|promise| (*promise, mounts))))
}

/// A named pipe whose reader does not read. It is opened for both directions, so that opening it does not wait.
fn pipe() -> (tempfile::TempDir, PathBuf, File) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    assert!(succeeds(Command::new("mkfifo").arg(&path)));
    let reader = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    (folder, path, reader)
}

/// A host with this file as standard error.
fn start(standard_error: &Path, arguments: &[&str]) -> Recipient {
    Recipient::start_host(&[OPEN], |mut host| {
        host.args(arguments);
        let mut command = run_by("sh", &["-c", "exec \"$0\" \"$@\" 2>\"$STANDARD_ERROR\""], &host);
        command.env("STANDARD_ERROR", standard_error);
        command
    })
}

/// Sends events on one connection. Each must be answered 200.
fn send(connection: &mut Connection, path: &str, numbers: std::ops::Range<usize>) {
    for n in numbers {
        let response = connection.try_post(path, numbered(n)).unwrap_or_else(|error| panic!("event {n}: {error}"));
        assert_eq!((response.status, response.result()), (200, "stored"), "event {n}");
    }
}

fn assert_healthy(recipient: &Recipient) {
    let mut connection = recipient.connect();
    connection.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(connection.receive().status, 200);
}

fn wait_until(what: &str, happened: impl Fn() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < Duration::from_secs(60), "it never happened: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn signal(child: &Child, signal: &str) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

/// The exit code of a process that must end by itself in time.
fn exit_code(child: &mut Child) -> Option<i32> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        assert!(started.elapsed() < Duration::from_secs(90), "it does not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn assert_ends_well(mut recipient: Recipient) {
    signal(&recipient.child, "-TERM");
    assert_eq!(exit_code(&mut recipient.child), Some(0));
}

/// Reads on a thread until all writers are closed.
fn read_on(mut file: File) -> (Arc<Mutex<Vec<u8>>>, std::thread::JoinHandle<()>) {
    let read = Arc::<Mutex<Vec<u8>>>::default();
    let into = Arc::clone(&read);
    let reader = std::thread::spawn(move || {
        let mut part = [0; 4096];
        while let Ok(bytes @ 1..) = file.read(&mut part) {
            into.lock().unwrap().extend_from_slice(&part[..bytes]);
        }
    });
    (read, reader)
}

fn contains(text: &[u8], what: &str) -> bool {
    String::from_utf8_lossy(text).contains(what)
}

const REPORT: &str = "log lines were lost";

/// The number of lost lines that a log line reports.
fn reported(line: &Value) -> u64 {
    let is_report = line["fields"]["message"].as_str().is_some_and(|message| message.starts_with(REPORT));
    assert!(!is_report || line["level"] == "WARN", "{line}");
    if is_report { line["fields"]["lost"].as_u64().expect("a report without a number") } else { 0 }
}

fn an_unread_pipe_delays_no_event_and_no_stop() {
    let (_folder, path, _reader) = pipe();
    let recipient = start(&path, &[]);
    send(&mut recipient.connect(), "/", 0..FLOOD);
    assert_healthy(&recipient);
    assert_eq!(recipient.stored().len(), FLOOD);
    assert_ends_well(recipient);
}

/// A process that is killed if the test fails.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A supervisor can use one pipe for both streams.
fn standard_output_can_be_the_same_full_pipe() {
    let (folder, path, mut reader) = pipe();
    reader.write_all(&[b'\n'; PIPE]).unwrap();
    let both = || OpenOptions::new().write(true).open(&path).unwrap();
    let address = free_address();
    let mut host = support::host();
    host.args(["serve", "--variable", OPEN, "--listen", &address.to_string(), "--component"]).arg(component());
    host.arg("--store").arg(support::store_path(folder.path()));
    let mut child = Killed(host.stdin(Stdio::null()).stdout(both()).stderr(both()).spawn().unwrap());
    wait_until("it listens", || std::net::TcpStream::connect(address).is_ok());
    // Fills the queue before the host is stopped.
    send(&mut Connection::open(address), "/", 0..QUEUE + 100);
    signal(&child.0, "-TERM");
    assert_eq!(exit_code(&mut child.0), Some(0));
}

fn a_failed_start_ends_although_nobody_reads_the_reason() {
    let (folder, path, mut reader) = pipe();
    reader.write_all(&[b'\n'; PIPE]).unwrap();
    let mut host = support::host();
    host.args(["serve", "--store", "memory", "--component"]).arg(folder.path().join("none.wasm"));
    let standard_error = OpenOptions::new().write(true).open(&path).unwrap();
    let mut child = Killed(host.stdin(Stdio::null()).stdout(Stdio::null()).stderr(standard_error).spawn().unwrap());
    assert_eq!(exit_code(&mut child.0), Some(2));
}

fn lost_lines_are_reported_first_when_a_reader_reads_again() {
    let (_folder, path, reader) = pipe();
    let recipient = start(&path, &["--log-json"]);
    let mut connection = recipient.connect();
    send(&mut connection, "/", 0..FLOOD);
    let only_reads = File::open(&path).unwrap();
    drop(reader);
    let (read, reading) = read_on(only_reads);
    wait_until("the report and all lines of the queue are there", || {
        let text = String::from_utf8_lossy(&read.lock().unwrap()).into_owned();
        text.split_once(REPORT).is_some_and(|(_, after)| after.matches("\"request\"").count() == QUEUE)
    });
    send(&mut connection, "/events/later", 10_000..10_010);
    drop(connection);
    assert_ends_well(recipient);
    reading.join().unwrap();
    let log = String::from_utf8(Arc::into_inner(read).unwrap().into_inner().unwrap()).unwrap();
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let requests = |path: &str| lines.iter().filter(|line| line["fields"]["path"] == path).count();
    let lost: u64 = lines.iter().map(reported).sum();
    assert!(lost > 0);
    assert!(requests("/") + lost as usize >= FLOOD, "{} are there, {lost} are reported as lost", requests("/"));
    assert_eq!(requests("/events/later"), 10);
    // The content of the pipe and the line being written come first; the queue has far more lines.
    let before = log.find(REPORT).unwrap();
    assert!(before < PIPE + 4_096, "{before} bytes come before the report");
    assert!(contains(log.as_bytes(), "stopping; accepted requests are finished first"));
}

/// The address of the metrics in a log line.
fn metrics_of(line: &str) -> SocketAddr {
    line.split("http://").nth(1).unwrap().split('/').next().unwrap().parse().unwrap()
}

/// The number of lost lines in the metrics.
fn lost_lines(metrics: SocketAddr) -> usize {
    let mut connection = Connection::open(metrics);
    connection.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    let page = connection.receive().text();
    let value = page.lines().find_map(|line| line.strip_prefix("outbound_events_log_lines_lost_total "));
    value.unwrap_or_else(|| panic!("{page}")).parse().unwrap()
}

fn lost_lines_are_counted_in_the_metrics() {
    let (_folder, path, reader) = pipe();
    let recipient = start(&path, &["--metrics", "127.0.0.1:0"]);
    // Their address is logged before the host prints that it listens.
    let said =
        BufReader::new(&reader).lines().map(Result::unwrap).find(|line| line.contains("metrics are at")).unwrap();
    let metrics = metrics_of(&said);
    assert_eq!(lost_lines(metrics), 0);
    send(&mut recipient.connect(), "/", 0..FLOOD);
    assert!(lost_lines(metrics) > 0);
    // One line per request, at most as many as were sent.
    assert!(lost_lines(metrics) < FLOOD, "{}", lost_lines(metrics));
}

fn a_closed_pipe_delays_no_event_and_no_stop() {
    let (_folder, path, reader) = pipe();
    let recipient = start(&path, &[]);
    drop(reader);
    send(&mut recipient.connect(), "/", 0..200);
    assert_healthy(&recipient);
    assert_eq!(recipient.stored().len(), 200);
    assert_ends_well(recipient);
}

/// The host cannot be made to panic, so this program starts the same log and panics.
fn panic_in_a_thread() -> ExitCode {
    let _log = log_queue::start(false);
    let ended = std::thread::spawn(|| panic!("the cause")).join();
    if ended.is_err() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn a_panic_is_logged_without_waiting_for_a_reader() {
    let mut panics = Command::new(std::env::current_exe().unwrap());
    panics.arg(PANICS).env_remove("RUST_LOG");
    let read = panics.output().unwrap();
    let says = String::from_utf8_lossy(&read.stderr);
    assert!(read.status.success(), "{says}");
    let [line] = says.lines().collect::<Vec<_>>()[..] else { panic!("{says}") };
    assert!(line.contains("ERROR a thread panicked: the cause") && line.contains("log_queue.rs:"), "{line}");
    let (_folder, path, mut reader) = pipe();
    reader.write_all(&[b'\n'; PIPE]).unwrap();
    let mut unread = Killed(panics.stderr(OpenOptions::new().write(true).open(&path).unwrap()).spawn().unwrap());
    assert_eq!(exit_code(&mut unread.0), Some(0));
}

fn sighup_without_tls_is_ignored() {
    let recipient = Recipient::start_host(&[OPEN], |host| host);
    let mut connection = recipient.connect();
    for n in 1..=3 {
        signal(&recipient.child, "-HUP");
        let ignored = || recipient.log().matches("SIGHUP ignored: the host serves http").count();
        wait_until("it is ignored", || ignored() == n);
        assert_eq!(connection.post("/", numbered(n)).result(), "stored");
    }
    assert_ends_well(recipient);
}

/// Stops a host with an incomplete request. The host then waits for the request until the result is dropped.
fn stop_with_an_incomplete_request(recipient: &Recipient) -> Connection {
    let mut half = recipient.connect();
    half.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nevent");
    // An answer on a later connection shows that the half request has been accepted too.
    assert_healthy(recipient);
    signal(&recipient.child, "-TERM");
    wait_until("it accepts no more", || std::net::TcpStream::connect(recipient.address).is_err());
    half
}

fn a_second_signal_ends_the_host_at_once_and_is_logged() {
    let mut recipient = Recipient::start_host(&[OPEN], |host| host);
    let _half = stop_with_an_incomplete_request(&recipient);
    signal(&recipient.child, "-TERM");
    assert_eq!(exit_code(&mut recipient.child), Some(1));
    assert!(recipient.log().contains("second signal to stop"), "{}", recipient.log());
}

fn a_second_signal_ends_the_host_although_nobody_reads_the_log() {
    let (_folder, path, _reader) = pipe();
    let mut recipient = start(&path, &[]);
    // Each request has a log line of more than 100 bytes.
    send(&mut recipient.connect(), "/", 0..700);
    let _half = stop_with_an_incomplete_request(&recipient);
    signal(&recipient.child, "-TERM");
    assert_eq!(exit_code(&mut recipient.child), Some(1));
}

/// A host whose log is a file on a small disk that only the host sees. Also returns the path of the file from outside.
fn start_on_a_small_disk(folder: &tempfile::TempDir, arguments: &[&str]) -> (Recipient, PathBuf) {
    let (unshare, _) = own_mounts();
    let disk = folder.path();
    let recipient = Recipient::start_host(&[OPEN], |mut host| {
        host.args(arguments);
        let mount = "mount -t tmpfs -o size=64k tmpfs \"$0\" && exec \"$@\" 2>\"$0/log\"";
        run_by("unshare", &[unshare, &["sh", "-c", mount, disk.to_str().unwrap()]].concat(), &host)
    });
    let log = seen_from_outside(recipient.child.id(), &disk.join("log"));
    (recipient, log)
}

/// Each line has more than 100 bytes, and the disk has 64 KiB.
const FILLS_THE_DISK: usize = 700;

fn a_full_disk_of_the_log_delays_no_event_and_no_stop() {
    let folder = tempfile::tempdir().unwrap();
    let (recipient, log) = start_on_a_small_disk(&folder, &[]);
    send(&mut recipient.connect(), "/", 0..FILLS_THE_DISK);
    wait_until("the disk is full", || std::fs::metadata(&log).unwrap().len() == 65_536);
    send(&mut recipient.connect(), "/", FILLS_THE_DISK..FILLS_THE_DISK + 200);
    assert_healthy(&recipient);
    assert_eq!(recipient.stored().len(), FILLS_THE_DISK + 200);
    assert_ends_well(recipient);
}

/// The lines of a log, without the torn line that did not fit on the disk.
fn parsed(log: &str) -> Vec<Option<Value>> {
    log.lines().map(|line| serde_json::from_str(line).ok()).collect()
}

/// The number of lines for requests of `/`.
fn requests(lines: &[Option<Value>]) -> usize {
    lines.iter().flatten().filter(|line| line["fields"]["path"] == "/").count()
}

fn lost_lines_are_reported_first_when_the_disk_has_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let (recipient, log) = start_on_a_small_disk(&folder, &["--log-json", "--metrics", "127.0.0.1:0"]);
    let read = || String::from_utf8(std::fs::read(&log).unwrap()).unwrap();
    let metrics = metrics_of(read().lines().find(|line| line.contains("metrics are at")).unwrap());
    let mut connection = recipient.connect();
    send(&mut connection, "/", 0..FILLS_THE_DISK);
    wait_until("the disk is full", || std::fs::metadata(&log).unwrap().len() == 65_536);
    let sent = FILLS_THE_DISK + 10;
    send(&mut connection, "/", FILLS_THE_DISK..sent);
    // Lines wait in the queue for a moment. A line written after the disk has grown is not lost.
    wait_until("no line waits", || requests(&parsed(&read())) + lost_lines(metrics) >= sent);
    assert!(resize(recipient.child.id(), folder.path(), "1m"));
    send(&mut connection, "/events/later", 10_000..10_001);
    wait_until("the next event is logged", || contains(&std::fs::read(&log).unwrap(), "/events/later"));
    let log = read();
    let lines = parsed(&log);
    let at = lines.iter().position(|line| line.as_ref().is_some_and(|line| reported(line) > 0)).expect(&log);
    assert!(lines[..at - 1].iter().all(Option::is_some), "{log}");
    let requests = requests(&lines);
    let lost = reported(lines[at].as_ref().unwrap()) as usize;
    assert!(lost >= 10 && (sent..=sent + 1).contains(&(requests + lost)), "{requests} are there, {lost} are lost");
    let [Some(later)] = &lines[at + 1..] else { panic!("{:?}", &lines[at..]) };
    assert_eq!(later["fields"]["path"], "/events/later");
    assert_ends_well(recipient);
}
