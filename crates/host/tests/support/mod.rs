//! A running recipient, and a sender that speaks HTTP/1.1 byte for byte.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "shared by tests that use a part"
)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use outbound_events::archive::pack::Pack;
use outbound_events::keys::{ForwardKey, PackKey};
use serde_json::Value;
use tempfile::TempDir;

use self::nats::Nats;

pub mod nats;
pub mod wash;

pub const TOKEN: &str = "a-token-of-24-characters";
pub const OPEN: &str = "ingest_open=true";
pub const GUARDED: &str = "ingest_tokens=a-token-of-24-characters";

/// What runs the recipient. Every promise that is not the host's own holds for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Our host, with the component for Spin.
    Host,
    /// Our host, with the component for hosts with `wasi:keyvalue`.
    HostWasi,
    /// Where `spin` is on PATH.
    Spin,
    /// wasmCloud's `wash`, with NATS.
    Wash,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Host, Self::HostWasi, Self::Spin, Self::Wash];

    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::HostWasi => "host, wasi",
            Self::Spin => "spin",
            Self::Wash => "wash",
        }
    }

    /// Why it cannot be tried here.
    pub fn missing(self) -> Option<String> {
        match self {
            Self::Host | Self::HostWasi => None,
            Self::Spin => {
                let spin = Command::new("spin").arg("--version").output().is_ok_and(|output| output.status.success());
                (!spin).then(|| "spin is not on PATH".to_owned())
            }
            Self::Wash => wash::missing(),
        }
    }

    /// Whether our host is what is reached.
    fn is_host(self) -> bool {
        matches!(self, Self::Host | Self::HostWasi)
    }
}

/// A recipient that runs until it is dropped, on a store that outlives it.
pub struct Recipient {
    pub kind: Kind,
    pub address: SocketAddr,
    pub child: Child,
    variables: Vec<String>,
    folder: TempDir,
    /// Where wash has its store.
    nats: Option<Nats>,
}

impl Recipient {
    pub fn start(kind: Kind, variables: &[&str]) -> Self {
        let variables = variables.iter().map(|v| (*v).to_owned()).collect();
        Self::start_in(tempfile::tempdir().unwrap(), kind, variables, |command| command)
    }

    /// The host, its command changed before it runs: given more arguments, say, or run by another program.
    pub fn start_host(variables: &[&str], change: impl FnOnce(Command) -> Command) -> Self {
        let variables = variables.iter().map(|v| (*v).to_owned()).collect();
        Self::start_in(tempfile::tempdir().unwrap(), Kind::Host, variables, change)
    }

    /// wash, with a NATS that runs already.
    pub fn start_wash(variables: &[&str], nats: Nats) -> Self {
        let variables = variables.iter().map(|v| (*v).to_owned()).collect();
        Self::start_with(tempfile::tempdir().unwrap(), Kind::Wash, variables, Some(nats), |command| command)
    }

    fn start_in(folder: TempDir, kind: Kind, variables: Vec<String>, change: impl FnOnce(Command) -> Command) -> Self {
        let nats = (kind == Kind::Wash).then(|| Nats::start(folder.path()));
        Self::start_with(folder, kind, variables, nats, change)
    }

    fn start_with(
        folder: TempDir,
        kind: Kind,
        variables: Vec<String>,
        nats: Option<Nats>,
        change: impl FnOnce(Command) -> Command,
    ) -> Self {
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let spins = free_address();
        let mut command = match kind {
            // Any port that is free, which it then says.
            Kind::Host => host_command(folder.path(), &component()),
            Kind::HostWasi => host_command(folder.path(), &wasi_component()),
            Kind::Spin => spin_command(folder.path(), spins),
            Kind::Wash => wash::dev(folder.path(), spins, nats.as_ref().unwrap(), &variables),
        };
        for variable in variables.iter().filter(|_| kind != Kind::Wash) {
            command.args(["--variable", variable]);
        }
        let mut command = change(command);
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        // Spin is several processes. They are one group, which is killed as one.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn().expect("the recipient cannot be started");
        let mut recipient = Self { kind, address: spins, child, variables, folder, nats };
        recipient.wait_until_it_listens();
        recipient
    }

    /// Kills it as a power cut would its process, and starts it again on the same store.
    pub fn kill_and_restart(self) -> Self {
        self.kill_and_restart_by(|command| command)
    }

    pub fn kill_and_restart_by(self, change: impl FnOnce(Command) -> Command) -> Self {
        let kind = self.kind;
        self.kill_and_restart_as(kind, change)
    }

    /// The same, as another kind that keeps events in the same place.
    pub fn kill_and_restart_as(mut self, kind: Kind, change: impl FnOnce(Command) -> Command) -> Self {
        self.kill();
        self.nats = None;
        let variables = std::mem::take(&mut self.variables);
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        drop(self);
        Self::start_in(folder, kind, variables, change)
    }

    fn kill(&mut self) {
        if cfg!(unix) && self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let group = format!("-{}", self.child.id());
            let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn wait_until_it_listens(&mut self) {
        let started = Instant::now();
        loop {
            if self.kind.is_host() {
                self.address = self.said_address().unwrap_or(self.address);
            }
            let is_there = match self.kind {
                Kind::Host | Kind::HostWasi => {
                    self.said_address().is_some() && TcpStream::connect(self.address).is_ok()
                }
                Kind::Spin => TcpStream::connect(self.address).is_ok(),
                Kind::Wash => wash::answers(self.address),
            };
            if is_there {
                return;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && started.elapsed() < Duration::from_secs(120), "{ended:?}: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Where the host says that it listens.
    fn said_address(&self) -> Option<SocketAddr> {
        let log = self.log_so_far();
        let said = log.lines().find_map(|line| line.strip_prefix("Listening on "))?.split_once("://")?.1;
        said.split([',', ';']).next()?.parse().ok()
    }

    pub fn connect(&self) -> Connection {
        Connection::to(self.address)
    }

    /// Sends one body on a connection of its own.
    pub fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Response {
        self.connect().post(path, body)
    }

    /// What it has written by now. The host writes its log behind its answers, on a thread of its own: so this waits until the log
    /// grows no more, or for a second if it always grows.
    pub fn log(&self) -> String {
        let mut log = self.log_so_far();
        for _ in 0..50 {
            std::thread::sleep(Duration::from_millis(20));
            let later = self.log_so_far();
            if later.len() == log.len() {
                break;
            }
            log = later;
        }
        log
    }

    /// The same, without waiting: for who looks again and again.
    pub fn log_so_far(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.path().join("log")).unwrap()).into_owned()
    }

    pub fn store_path(&self) -> PathBuf {
        store_path(self.folder.path())
    }

    /// What the store holds, read past the recipient: keys and values in the order of their keys, those in packs as if they were
    /// loose.
    pub fn stored(&self) -> Vec<(String, Vec<u8>)> {
        match &self.nats {
            Some(nats) => unpacked(nats.connect().bucket("default")),
            None => stored(&self.store_path()),
        }
    }

    /// What wash has its store in.
    pub fn nats(&mut self) -> &mut Nats {
        self.nats.as_mut().expect("only wash has one")
    }

    /// The most memory that the process ever had, in bytes. Linux only.
    pub fn peak_memory(&self) -> Option<u64> {
        let own = self.child.id().to_string();
        // Spin serves in a process below its command.
        let serving = if self.kind == Kind::Spin { children(&own).pop()? } else { own };
        let status = std::fs::read_to_string(format!("/proc/{serving}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().unwrap() * 1024)
    }
}

impl Drop for Recipient {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The processes that a process has started. Linux only.
pub fn children(process: &str) -> Vec<String> {
    let children = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
    children.split_whitespace().map(str::to_owned).collect()
}

pub fn store_path(folder: &Path) -> PathBuf {
    folder.join("sqlite_key_value.db")
}

pub fn stored(path: &Path) -> Vec<(String, Vec<u8>)> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let mut statement =
        connection.prepare("SELECT key, value FROM spin_key_value WHERE store = 'default' ORDER BY key").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    unpacked(rows.map(Result::unwrap))
}

/// Those in packs as if they were loose.
fn unpacked(rows: impl IntoIterator<Item = (String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    let mut stored = BTreeMap::new();
    for (key, value) in rows {
        match key.parse::<PackKey>() {
            Ok(pack) => {
                let entries = Pack::open(&pack, &value).unwrap().all().unwrap();
                stored.extend(entries.into_iter().map(|entry| (entry.key.to_string(), entry.value)));
            }
            // Made of packs, and of nothing else; or what forwarding keeps.
            Err(_) if key.starts_with("index.") || key.starts_with("lease.") => {}
            Err(_) if key.parse::<ForwardKey>().is_ok() => {}
            Err(_) => _ = stored.insert(key, value),
        }
    }
    stored.into_iter().collect()
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

/// A file of `deploy/`.
pub fn deploy(file: &str) -> PathBuf {
    root().join("deploy").join(file)
}

/// A program of the environment for Python that `cargo xtask test` makes.
pub fn python(program: &str) -> PathBuf {
    root().join("target/python/bin").join(program)
}

/// The documents of a YAML file.
pub fn yaml(file: &Path) -> Vec<Value> {
    let script = "import json, sys, yaml; json.dump(list(yaml.safe_load_all(open(sys.argv[1]))), sys.stdout)";
    let output = Command::new(python("python")).args(["-c", script]).arg(file).output().unwrap();
    assert!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The component for Spin, which is the host's usual one.
pub fn component() -> PathBuf {
    built("target/outbound-events.component.wasm")
}

/// The component for hosts with `wasi:keyvalue`.
pub fn wasi_component() -> PathBuf {
    built("target/outbound-events.wasi.component.wasm")
}

fn built(component: &str) -> PathBuf {
    let path = root().join(component);
    assert!(path.is_file(), "{} is not there; `cargo xtask build` makes it", path.display());
    path
}

fn host_command(folder: &Path, component: &Path) -> Command {
    let mut command = host();
    command.args(["serve", "--listen", "127.0.0.1:0", "--component"]).arg(component);
    command.arg("--store").arg(store_path(folder));
    command
}

/// The host, untouched by settings that the environment of the tests may hold.
pub fn host() -> Command {
    let mut command = Command::new(host_binary());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SPIN_VARIABLE_")) {
        command.env_remove(name);
    }
    command.env_remove("RUST_LOG");
    command
}

pub fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// The host, run by another program.
pub fn run_by(program: &str, arguments: &[&str], host: &Command) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).arg(host.get_program()).args(host.get_args());
    command
}

pub fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// Where the host is told to keep its store.
pub fn store_of(host: &Command) -> PathBuf {
    host.get_args().skip_while(|argument| *argument != "--store").nth(1).unwrap().into()
}

/// Runs a host to its end that must come by itself. One that serves all the same says so, and is killed, or the test would never end.
pub fn to_its_end(mut host: Command) -> Output {
    let mut child =
        host.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it cannot be started");
    let mut said = Vec::new();
    BufReader::new(child.stdout.take().unwrap()).read_until(b'\n', &mut said).unwrap();
    if !said.is_empty() {
        child.kill().unwrap();
    }
    Output { stdout: said, ..child.wait_with_output().unwrap() }
}

/// Cargo names it for the host's own tests. For those of another package it is where cargo puts it, above the test itself.
fn host_binary() -> PathBuf {
    let beside = || {
        let test = std::env::current_exe().unwrap();
        let folder = test.parent().and_then(Path::parent).unwrap();
        let path = folder.join(format!("outbound-events-host{}", std::env::consts::EXE_SUFFIX));
        assert!(path.is_file(), "{} is not there; `cargo xtask test` builds it", path.display());
        path
    };
    option_env!("CARGO_BIN_EXE_outbound-events-host").map_or_else(beside, PathBuf::from)
}

fn spin_command(folder: &Path, address: SocketAddr) -> Command {
    let mut command = Command::new("spin");
    command.arg("up").arg("--from").arg(root().join("spin.toml")).arg("--listen").arg(address.to_string());
    command.arg("--state-dir").arg(folder);
    command
}

/// Free when it was asked for, for Spin, which does not say what port it was given.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A connection that is kept alive.
pub struct Connection<S = TcpStream>(BufReader<S>);

#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Connection {
    pub fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self::over(stream)
    }
}

impl<S: Read + Write> Connection<S> {
    pub fn over(stream: S) -> Self {
        Self(BufReader::new(stream))
    }

    pub fn stream(&self) -> &S {
        self.0.get_ref()
    }

    pub fn post(&mut self, path: &str, body: impl AsRef<[u8]>) -> Response {
        self.try_post(path, body).expect("no response")
    }

    pub fn try_post(&mut self, path: &str, body: impl AsRef<[u8]>) -> std::io::Result<Response> {
        let body = body.as_ref();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: recipient\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.try_send([head.as_bytes(), body].concat())?;
        self.try_receive()
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap();
    }

    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.0.get_mut().write_all(bytes.as_ref())
    }

    pub fn receive(&mut self) -> Response {
        self.try_receive().expect("no response")
    }

    /// The next response, whole. An error if the connection ends before it does.
    pub fn try_receive(&mut self) -> std::io::Result<Response> {
        let mut response = self.try_receive_head()?;
        if let Ok(length) = response.header("content-length").parse() {
            response.body.resize(length, 0);
            self.0.read_exact(&mut response.body)?;
        }
        Ok(response)
    }

    /// The next response to a HEAD.
    pub fn receive_head(&mut self) -> Response {
        self.try_receive_head().expect("no response")
    }

    fn try_receive_head(&mut self) -> std::io::Result<Response> {
        let status = self.line()?.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("no status");
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
        Ok(Response { status, headers, body: Vec::new() })
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        match self.0.read_line(&mut line)? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    /// Whether the other side has closed the connection, after everything that it sent.
    pub fn is_at_its_end(&mut self) -> bool {
        use std::io::ErrorKind::{BrokenPipe, ConnectionReset};
        match self.0.read(&mut [0]) {
            Ok(bytes) => bytes == 0,
            // A time-out is no end.
            Err(error) => matches!(error.kind(), BrokenPipe | ConnectionReset),
        }
    }
}

impl Response {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    pub fn result(&self) -> &str {
        self.header("event-result")
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The body of an event that no other number has.
pub fn numbered(n: usize) -> String {
    format!(
        "event=support_conference_begin&version=1&timestamp={}&lsid=c69a8e10bea9428f816cfababe9815fe",
        1_700_000_000 + n
    )
}
