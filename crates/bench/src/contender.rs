//! The compared recipients. Each is a process with its own store; dropping it removes both.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use outbound_events_host::store::KeyValueStore;
use tempfile::TempDir;

/// The time for a contender to start listening.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// The kinds of contenders. Each answers 200 only after an fsync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContenderKind {
    /// The component in the host.
    Host,
    /// The same with a setting that prevents packing.
    Loose,
    /// The host as on a machine with swap.
    Swap,
    /// The host, whose instances serve many events.
    Reusing,
    /// The native library behind hyper, with the host's store.
    Native,
    /// A component that only stores the body, in the host.
    Bare,
    /// Flask under gunicorn, on SQLite in WAL mode with synchronous=FULL.
    Flask,
    /// The component in Spin, on a store file in WAL mode.
    SpinWal,
    /// A component that only stores the body, in Spin, on a store file in WAL mode.
    SpinBare,
    /// The component in Spin, on the store file that Spin creates.
    Spin,
}

impl ContenderKind {
    /// The contenders of the tables that can run on this machine. Those in Spin need `spin` on PATH.
    pub fn available() -> Vec<Self> {
        let spin = Command::new("spin").arg("--version").output().is_ok_and(|output| output.status.success());
        let mut all = vec![Self::Host, Self::Swap, Self::Reusing, Self::Native, Self::Bare, Self::Flask];
        all.extend([Self::SpinWal, Self::SpinBare, Self::Spin].into_iter().filter(|_| spin));
        all
    }

    /// The name in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Loose => "host that packs nothing",
            Self::Swap => "host, memory can be swapped out",
            Self::Reusing => "host that reuses instances",
            Self::Native => "native library behind hyper",
            Self::Bare => "bare component in the host",
            Self::Flask => "Flask, gunicorn, SQLite",
            Self::SpinWal => "spin up, store in WAL mode",
            Self::SpinBare => "bare component under spin up, store in WAL mode",
            Self::Spin => "spin up, store as Spin makes it",
        }
    }

    fn command(self, folder: &Path) -> Result<Command> {
        let store = store_path(folder);
        Ok(match self {
            Self::Host => host(&root().join(RECIPIENT), &store)?,
            Self::Loose => {
                let mut command = host(&root().join(RECIPIENT), &store)?;
                command.args(["--variable", "loose_events=10000000"]);
                command
            }
            Self::Swap => {
                let mut command = host(&root().join(RECIPIENT), &store)?;
                command.arg("--assume-swap");
                command
            }
            Self::Reusing => {
                let mut command = host(&root().join(RECIPIENT), &store)?;
                command.args(["--reuse-instances", "1000"]);
                command
            }
            Self::Bare => host(&root().join(BARE), &store)?,
            Self::Native => {
                let mut command = Command::new(binary("bench")?);
                command.arg("native").arg("--store").arg(store);
                command
            }
            Self::Flask => flask(&store),
            Self::SpinWal => {
                KeyValueStore::sqlite(store)?;
                recipient_in_spin(folder)?
            }
            Self::SpinBare => {
                KeyValueStore::sqlite(store)?;
                spin(&root().join("crates/bench/bare/spin.toml"), folder)?
            }
            Self::Spin => recipient_in_spin(folder)?,
        })
    }
}

/// The path of the recipient's component.
pub const RECIPIENT: &str = "target/outbound-events.component.wasm";

/// The benchmark's read token for its own hosts, which listen on loopback only.
pub const READ_TOKEN: &str = "a-token-for-the-benchmark";

/// The path of the component that only stores the body.
pub const BARE: &str = "target/bare-recipient.component.wasm";

fn host(component: &Path, store: &Path) -> Result<Command> {
    let mut command = Command::new(binary("outbound-events-host")?);
    command.args(["serve", "--listen", "127.0.0.1:0", "--variable", "ingest_open=true", "--component"]);
    command.arg(component).arg("--store").arg(store).args(["--variable", &format!("read_tokens={READ_TOKEN}")]);
    Ok(command)
}

/// One worker per processor, enough threads for all connections, and keep-alive, which gunicorn's default worker lacks.
fn flask(store: &Path) -> Command {
    let workers = std::thread::available_parallelism().map_or(2, usize::from).to_string();
    let mut command = Command::new(root().join("target/python/bin/gunicorn"));
    command.args(["--bind", "127.0.0.1:0", "--worker-class", "gthread", "--workers", &workers, "--threads", "32"]);
    command
        .args(["--keep-alive", "75", "--preload", "--chdir"])
        .arg(root().join("crates/bench/flask"))
        .arg("recipient:app");
    command.env("STORE", store);
    command
}

fn recipient_in_spin(folder: &Path) -> Result<Command> {
    let mut command = spin(&root().join("spin.toml"), folder)?;
    command.args(["--variable", "ingest_open=true"]);
    Ok(command)
}

fn spin(manifest: &Path, folder: &Path) -> Result<Command> {
    // Not port 0: some versions of Spin do not print the port that they got.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut command = Command::new("spin");
    command.args(["up", "--listen", &address.to_string(), "--from"]);
    command.arg(manifest).arg("--state-dir").arg(folder);
    Ok(command)
}

/// The path of a program of the workspace, built beside this one.
pub fn binary(name: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("the path of this program is unknown")?;
    let folders = own.ancestors().skip(1).take(2);
    let mut files = folders.map(|folder| folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX)));
    files.find(|file| file.is_file()).with_context(|| {
        format!("{name} is not beside {}; `cargo xtask test` and `cargo xtask bench` build it", own.display())
    })
}

/// The project's top folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map_or_else(PathBuf::new, Path::to_path_buf)
}

/// An empty folder on the project's disk. In a file system in memory, a sync would cost nothing.
pub fn folder() -> Result<TempDir> {
    let parent = root().join("target/bench");
    fs::create_dir_all(&parent)?;
    tempfile::tempdir_in(&parent).with_context(|| format!("cannot create a folder in {}", parent.display()))
}

/// The path of a contender's store in its folder: the one that Spin uses.
pub fn store_path(folder: &Path) -> PathBuf {
    folder.join("sqlite_key_value.db")
}

/// A counter for the events that a contender gets. Clones share it.
#[derive(Clone, Debug)]
pub struct Numbers(Arc<AtomicU64>);

impl Numbers {
    /// Returns the next unused number.
    pub fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// A running contender.
#[derive(Debug)]
pub struct Contender {
    name: String,
    address: SocketAddr,
    numbers: Numbers,
    child: Child,
    folder: TempDir,
}

impl Contender {
    /// Starts a contender on an empty store.
    pub fn start(kind: ContenderKind) -> Result<Self> {
        Self::start_in(folder()?, kind, kind.name().to_owned())
    }

    /// Starts a contender in a folder that can contain a store, under another name.
    pub fn start_in(folder: TempDir, kind: ContenderKind, name: String) -> Result<Self> {
        let command = kind.command(folder.path())?;
        Self::spawn(folder, command, name)
    }

    /// Starts a contender with this cache for compiled components. `None`: the user's cache.
    pub fn start_with_cache(folder: TempDir, kind: ContenderKind, cache: Option<&Path>) -> Result<Self> {
        let mut command = kind.command(folder.path())?;
        if let Some(cache) = cache {
            command.env("XDG_CACHE_HOME", cache);
        }
        Self::spawn(folder, command, kind.name().to_owned())
    }

    /// Starts the host with a setting `destinations`.
    pub fn start_with_destinations(destinations: &str, name: &str) -> Result<Self> {
        Self::start_with_destinations_in(folder()?, destinations, name)
    }

    /// The same in a folder that can contain a store.
    pub fn start_with_destinations_in(folder: TempDir, destinations: &str, name: &str) -> Result<Self> {
        let mut command = ContenderKind::Host.command(folder.path())?;
        command.args(["--variable", &format!("destinations={destinations}")]);
        Self::spawn(folder, command, name.to_owned())
    }

    fn spawn(folder: TempDir, mut command: Command, name: String) -> Result<Self> {
        let log = File::create(log_path(folder.path()))?;
        command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // Some contenders are several processes: a group, so that all can be killed.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child =
            command.spawn().with_context(|| format!("{} cannot be started", command.get_program().display()))?;
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        // All contenders get the same events, which are newer than those of filled stores.
        let numbers = Numbers(Arc::new(AtomicU64::new(FIRST)));
        let mut contender = Self { name, address: nowhere, numbers, child, folder };
        contender.address = contender.wait_until_it_listens()?;
        Ok(contender)
    }

    fn wait_until_it_listens(&mut self) -> Result<SocketAddr> {
        let started = Instant::now();
        loop {
            if let Some(address) = printed_address(&self.log()).filter(|address| TcpStream::connect(address).is_ok()) {
                return Ok(address);
            }
            if self.child.try_wait()?.is_some() || started.elapsed() > START_TIMEOUT {
                bail!("{} does not listen; its log: {}", self.name, self.log_tail());
            }
            sleep(Duration::from_millis(1));
        }
    }

    /// The name in the tables.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The counter for its events.
    pub fn numbers(&self) -> Numbers {
        self.numbers.clone()
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    fn log(&self) -> String {
        fs::read(log_path(self.folder.path()))
            .map_or_else(|_| String::new(), |log| String::from_utf8_lossy(&log).into())
    }

    /// The peak memory of its processes in bytes. `None` without `/proc`.
    pub fn peak_memory(&self) -> Option<u64> {
        let processes = with_descendants(self.child.id());
        processes.iter().map(|process| peak_memory(*process)).sum()
    }

    /// The user and system time of its processes. `None` without `/proc`.
    pub fn processor_time(&self) -> Option<Duration> {
        let processes = with_descendants(self.child.id());
        processes.iter().map(|process| processor_time(*process)).sum()
    }

    /// Kills it with SIGKILL, and returns its folder.
    pub fn kill(mut self) -> Result<TempDir> {
        let folder = std::mem::replace(&mut self.folder, TempDir::new()?);
        drop(self);
        Ok(folder)
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        // Fails only if the process has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The number of the first event for a contender.
pub const FIRST: u64 = 10_000_000;

fn log_path(folder: &Path) -> PathBuf {
    folder.join("log")
}

/// The first loopback address in a log.
fn printed_address(log: &str) -> Option<SocketAddr> {
    let (_, rest) = log.split_once("http://127.0.0.1:")?;
    let port = rest.split_once(|c: char| !c.is_ascii_digit())?.0;
    Some(SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?)))
}

fn with_descendants(process: u32) -> Vec<u32> {
    let path = format!("/proc/{process}/task/{process}/children");
    let children = fs::read_to_string(path).unwrap_or_default();
    let below = children.split_whitespace().filter_map(|child| child.parse().ok()).flat_map(with_descendants);
    std::iter::once(process).chain(below).collect()
}

fn peak_memory(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// The kernel's ticks per second in `/proc`, on all architectures that Rust supports.
const TICKS: u64 = 100;

/// The processor time of a process, including ended threads.
fn processor_time(process: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name can contain any character. The times are the 12th and 13th fields after it (proc_pid_stat(5)).
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut times = after_name.split_whitespace().skip(11).map(|ticks| ticks.parse::<u64>().ok());
    let ticks = times.next()?? + times.next()??;
    Some(Duration::from_millis(ticks * 1000 / TICKS))
}
