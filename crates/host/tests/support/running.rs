//! A running recipient: our host, Spin, or wasmCloud.

use std::io::{BufRead as _, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::connection::{Connection, Response};
use super::files::{component, root, wasi_component};
use super::host::{children, host, host_command};
use super::nats::Nats;
use super::stored::{store_path, stored, unpacked};
use super::wash;
use tempfile::TempDir;

/// The host of the recipient. Every test that is not about our host alone runs on all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Our host, with the component for Spin.
    Host,
    /// Our host, with the component for hosts with `wasi:keyvalue`.
    HostWasi,
    /// If `spin` is on PATH.
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

    /// Why it cannot run here.
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

    /// Whether it is our host.
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
    /// The store of wash.
    nats: Option<Nats>,
}

impl Recipient {
    pub fn start(kind: Kind, variables: &[&str]) -> Self {
        let variables = variables.iter().map(|v| (*v).to_owned()).collect();
        Self::start_in(tempfile::tempdir().unwrap(), kind, variables, |command| command)
    }

    /// Our host, with a change of its command: more arguments, or another program that runs it.
    pub fn start_host(variables: &[&str], change: impl FnOnce(Command) -> Command) -> Self {
        Self::start_by(Kind::Host, variables, change)
    }

    /// A recipient of this kind, with a change of its command.
    pub fn start_by(kind: Kind, variables: &[&str], change: impl FnOnce(Command) -> Command) -> Self {
        let variables = variables.iter().map(|v| (*v).to_owned()).collect();
        Self::start_in(tempfile::tempdir().unwrap(), kind, variables, change)
    }

    /// wash with a running NATS.
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
            // Any free port, which the host then prints.
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
        // Spin has several processes. They are killed as one group.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn().expect("the recipient cannot be started");
        let mut recipient = Self { kind, address: spins, child, variables, folder, nats };
        recipient.wait_until_it_listens();
        recipient
    }

    /// Kills the process, as a power cut would, and restarts it with the same store.
    pub fn kill_and_restart(self) -> Self {
        self.kill_and_restart_by(|command| command)
    }

    pub fn kill_and_restart_by(self, change: impl FnOnce(Command) -> Command) -> Self {
        let kind = self.kind;
        self.kill_and_restart_as(kind, change)
    }

    /// Restarts it as another kind with the same store.
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

    /// The address that the host prints.
    fn said_address(&self) -> Option<SocketAddr> {
        let log = self.log_so_far();
        let said = log.lines().find_map(|line| line.strip_prefix("Listening on "))?.split_once("://")?.1;
        said.split([',', ';']).next()?.parse().ok()
    }

    pub fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// Sends one body on its own connection.
    pub fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Response {
        self.connect().post(path, body)
    }

    /// The log so far. The host writes its log after its answers, on another thread. So this waits until the log does
    /// not grow, for at most a second.
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

    /// The log so far, without waiting, for polling.
    pub fn log_so_far(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.path().join("log")).unwrap()).into_owned()
    }

    pub fn store_path(&self) -> PathBuf {
        store_path(self.folder.path())
    }

    /// The keys and values of the store, sorted by key and read without the recipient. Packed records appear as if
    /// loose.
    pub fn stored(&self) -> Vec<(String, Vec<u8>)> {
        match &self.nats {
            Some(nats) => unpacked(nats.connect().bucket("default")),
            None => stored(&self.store_path()),
        }
    }

    /// The NATS of wash.
    pub fn nats(&mut self) -> &mut Nats {
        self.nats.as_mut().expect("only wash has one")
    }

    /// The peak memory of the process, in bytes. Linux only.
    pub fn peak_memory(&self) -> Option<u64> {
        let own = self.child.id().to_string();
        // Spin serves in a child process of its command.
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

fn spin_command(folder: &Path, address: SocketAddr) -> Command {
    let mut command = Command::new("spin");
    command.arg("up").arg("--from").arg(root().join("spin.toml")).arg("--listen").arg(address.to_string());
    command.arg("--state-dir").arg(folder);
    command
}

/// A free address for Spin, which does not print its own port.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
