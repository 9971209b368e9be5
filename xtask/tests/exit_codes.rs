//! Compares the table of `docs/operate/exit-codes.md` with the commands: every cell occurs, and no other code does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg(unix)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use tempfile::TempDir;

const SERVE: &str = "outbound-events-host serve";
const HEALTH: &str = "outbound-events-host health";
const STORE: &str = "outbound-events-host store";
const SEND: &str = "appliance send, replay";
const RUN: &str = "appliance run, receive";
const CHECK: &str = "appliance check-template, check-destinations";
const XTASK: &str = "cargo xtask";

const OPEN: &[&str] = &["ingest_open=true"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The path of a program that cargo has built, in the folder above the test.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join(name);
    assert!(path.is_file(), "{} is not there; `cargo xtask test` builds it", path.display());
    path
}

/// The command of a line of words, run in `folder` without settings in the environment.
fn command(folder: &Path, line: &[&str]) -> Command {
    let (name, arguments) = line.split_first().unwrap();
    let mut command = Command::new(program(name));
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).env_remove("OUTBOUND_EVENT_TOKEN");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SPIN_VARIABLE_")) {
        command.env_remove(name);
    }
    command
}

/// The cells of the page's table that are not `-`: commands and codes.
fn promised() -> BTreeSet<(String, i32)> {
    let page = fs::read_to_string(root().join("docs/operate/exit-codes.md")).unwrap();
    let rows = page.lines().skip_while(|line| *line != "| command | 0 | 1 | 2 |").skip(2);
    let mut promised = BTreeSet::new();
    for row in rows.take_while(|row| row.starts_with("| ")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let command = cells[1].replace('`', "").replace(" …", "");
        let said = (0..).zip(&cells[2..5]).filter(|(_, cell)| **cell != "-");
        promised.extend(said.map(|(code, _)| (command.clone(), code)));
    }
    assert!(!promised.is_empty(), "docs/operate/exit-codes.md has no table of exit codes");
    promised
}

/// Whether an error message contains each cause only once.
fn has_no_repetition(error: &str) -> bool {
    let Some(line) = error.lines().find_map(|line| line.strip_prefix("error: ")) else { return true };
    let parts: Vec<_> = line.split(": ").collect();
    parts.iter().collect::<BTreeSet<_>>().len() == parts.len()
}

/// A running command that is killed when it is dropped.
struct RunningCommand {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl RunningCommand {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout }
    }

    /// The address in the line `Listening on …`.
    fn address(&mut self) -> String {
        let said = |line: String| Some(line.strip_prefix("Listening on http://")?.split([',', ';']).next()?.to_owned());
        self.stdout.by_ref_lines().find_map(said).unwrap()
    }

    fn terminate(&self) {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
    }

    fn code(&mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap()
    }
}

trait LineReader {
    fn by_ref_lines(&mut self) -> impl Iterator<Item = String>;
}

impl LineReader for BufReader<ChildStdout> {
    fn by_ref_lines(&mut self) -> impl Iterator<Item = String> {
        std::iter::from_fn(|| {
            let mut line = String::new();
            (self.read_line(&mut line).unwrap() > 0).then_some(line)
        })
    }
}

impl Drop for RunningCommand {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with the files that the commands need.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let event = r#"{"event":"support_conference_begin","version":"1","timestamp":1700000000,"lsid":"x"}"#;
    write("events.jsonl", event);
    write("body.txt", "%LSID%");
    write("destinations.json", r#"[{"name": "desk", "url": "https://desk.invalid/in"}]"#);
    write("faulty.json", r#"[{"name": "DESK", "url": "https://desk.invalid/in"}]"#);
    write("faulty.toml", "queue =");
    write("appliance.toml", "[[http_recipient]]\nname = \"HQ\"\nurl = \"http://127.0.0.1:1/\"\n");
    write("no.wasm", "no component");
    folder
}

/// Damages a store: the value of an event's key is not an event.
fn damaged_store(folder: &Path) {
    let python = root().join("target/python/bin/python");
    assert!(python.is_file(), "{} is not there; `cargo xtask test` installs it", python.display());
    let key = "event.default.001700000000.x.begin.2f05d53ae1bf5e405e85fc15be441e99";
    let insert = format!(
        "import sqlite3; s = sqlite3.connect('damaged.db'); s.execute(\"insert into spin_key_value values ('default', '{key}', x'00')\"); s.commit()"
    );
    assert!(Command::new(python).args(["-c", &insert]).current_dir(folder).status().unwrap().success());
}

fn serve(folder: &Path, settings: &[&str]) -> RunningCommand {
    let component = root().join("target/outbound-events.component.wasm");
    let mut command =
        command(folder, &["outbound-events-host", "serve", "--listen", "127.0.0.1:0", "--store", "memory"]);
    command.args(settings.iter().flat_map(|setting| ["--variable", setting])).arg("--component").arg(component);
    RunningCommand::start(command)
}

#[test]
fn exit_codes_equal_the_table_of_the_page() {
    let folder = folder();
    let folder = folder.path();
    let mut seen = BTreeSet::new();
    let mut expect = |row: &'static str, code: i32, line: &[&str]| {
        let output = command(folder, line).env("CARGO_MANIFEST_DIR", folder.join("xtask")).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{line:?}: {error}");
        assert!(has_no_repetition(&error), "{line:?}: {error}");
        seen.insert((row.to_owned(), code));
    };

    expect(XTASK, 0, &["xtask", "--version"]);
    // Outside a project.
    expect(XTASK, 1, &["xtask", "build"]);
    expect(XTASK, 2, &["xtask", "bulid"]);
    expect(XTASK, 2, &["xtask", "fuzz", "--minutes", "soon"]);

    let host = "outbound-events-host";
    expect(STORE, 0, &[host, "store", "init", "sound.db"]);
    expect(STORE, 0, &[host, "store", "check", "sound.db"]);
    expect(STORE, 0, &[host, "store", "backup", "sound.db", "copy.db"]);
    expect(STORE, 0, &[host, "store", "init", "damaged.db"]);
    damaged_store(folder);
    expect(STORE, 1, &[host, "store", "check", "damaged.db"]);
    expect(STORE, 2, &[host, "store", "init", "sound.db"]);
    expect(STORE, 2, &[host, "store", "check", "nowhere.db"]);
    expect(STORE, 2, &[host, "store", "check", "events.jsonl"]);
    expect(STORE, 2, &[host, "store", "backup", "sound.db", "nowhere/copy.db"]);
    expect(STORE, 2, &[host, "store", "prune", "sound.db", "--older-than", "soon"]);

    let mut host_of_all = serve(folder, OPEN);
    let address = host_of_all.address();
    let taken = address.as_str();
    let memory = [host, "serve", "--store", "memory"];
    expect(SERVE, 2, &[&memory[..], &["--listen", "nowhere"]].concat());
    expect(SERVE, 2, &[&memory[..], &["--variable", "ingest_token=x"]].concat());
    expect(SERVE, 2, &[&memory[..], &["--variable", "max_body_bytes=many"]].concat());
    expect(SERVE, 2, &[&memory[..], &["--component", "no.wasm"]].concat());
    let component = root().join("target/outbound-events.component.wasm").display().to_string();
    expect(SERVE, 2, &[&memory[..], &["--component", &component, "--listen", taken]].concat());
    expect(SERVE, 2, &[host, "serve", "--component", &component, "--store", "body.txt"]);

    expect(HEALTH, 0, &[host, "health", &format!("http://{address}/health")]);
    // Without a setting for ingest, the host serves and is not ready.
    let mut unconfigured = serve(folder, &[]);
    expect(HEALTH, 1, &[host, "health", &format!("http://{}/health", unconfigured.address())]);
    expect(HEALTH, 2, &[host, "health", "http://127.0.0.1:1/health"]);
    expect(HEALTH, 2, &[host, "health", "https://127.0.0.1:1/health"]);
    expect(HEALTH, 2, &[host, "health", &format!("http://{address}/openapi.yaml")]);

    let url = &format!("http://{address}/events");
    let impatient = ["--retry-interval", "10ms", "--retry-duration", "10ms"];
    expect(SEND, 0, &["appliance", "send", url, "--sessions", "1"]);
    expect(SEND, 0, &["appliance", "replay", "events.jsonl", url]);
    expect(SEND, 1, &[&["appliance", "send", "http://127.0.0.1:1/", "--sessions", "1"], &impatient[..]].concat());
    expect(SEND, 1, &[&["appliance", "replay", "events.jsonl", "http://127.0.0.1:1/"], &impatient[..]].concat());
    expect(SEND, 2, &["appliance", "send", "127.0.0.1:1"]);
    expect(SEND, 2, &["appliance", "send", "https://127.0.0.1:1/", "--ca-certificate", "nowhere.pem"]);
    expect(SEND, 2, &["appliance", "send", "https://127.0.0.1:1/", "--ca-certificate", "body.txt"]);
    expect(SEND, 2, &["appliance", "replay", "nowhere.jsonl", url]);
    expect(SEND, 2, &["appliance", "replay", "body.txt", url]);

    expect(RUN, 2, &["appliance", "run", "--config", "nowhere.toml"]);
    expect(RUN, 2, &["appliance", "run", "--config", "faulty.toml"]);
    expect(RUN, 2, &["appliance", "receive", "--listen", taken]);

    let template = ["appliance", "check-template", "--event", "Support Session End", "--body"];
    expect(CHECK, 0, &[&template[..], &["body.txt", "--subject", "%LSID%"]].concat());
    expect(CHECK, 1, &[&template[..], &["body.txt", "--subject", "%LSDI%"]].concat());
    expect(CHECK, 2, &[&template[..], &["nowhere.txt", "--subject", "%LSID%"]].concat());
    expect(CHECK, 0, &["appliance", "check-destinations", "destinations.json"]);
    expect(CHECK, 1, &["appliance", "check-destinations", "faulty.json"]);
    expect(CHECK, 2, &["appliance", "check-destinations", "nowhere.json"]);

    // Stopped by a signal.
    host_of_all.terminate();
    assert_eq!(host_of_all.code(), 0);
    seen.insert((SERVE.to_owned(), 0));
    assert_eq!(stopped_twice(folder), 1);
    seen.insert((SERVE.to_owned(), 1));
    let mut receiver = RunningCommand::start(command(folder, &["appliance", "receive", "--listen", "127.0.0.1:0"]));
    receiver.address();
    receiver.terminate();
    assert_eq!(receiver.code(), 0);
    let mut appliance = RunningCommand::start(command(folder, &["appliance", "run", "--config", "appliance.toml"]));
    assert!(appliance.stdout.by_ref_lines().any(|line| line.contains("HQ: ")));
    appliance.terminate();
    assert_eq!(appliance.code(), 0);
    seen.insert((RUN.to_owned(), 0));

    assert_eq!(seen, promised());
}

/// The exit code of a host that gets a second SIGTERM while it waits for a sender to finish.
fn stopped_twice(folder: &Path) -> i32 {
    let mut host = serve(folder, OPEN);
    let address = host.address();
    let mut half = TcpStream::connect(&address).unwrap();
    write!(half, "POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nevent").unwrap();
    // An answer on a later connection shows that the incomplete request was accepted before.
    let mut whole = TcpStream::connect(&address).unwrap();
    write!(whole, "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    assert!(BufReader::new(whole).lines().next().unwrap().unwrap().contains(" 200 "));
    host.terminate();
    while TcpStream::connect(&address).is_ok() {
        std::thread::yield_now();
    }
    host.terminate();
    host.code()
}

#[test]
fn repetitions_are_found() {
    assert!(has_no_repetition("==> building\nerror: a cannot be read: No such file"));
    assert!(!has_no_repetition("error: a cannot be read: No such file: No such file"));
}
