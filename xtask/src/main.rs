//! The commands that set up, build, run and test the project: `cargo xtask --help`.

mod browser;
mod build;
mod command;
mod debian;
mod python;
mod setup;
mod test;

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use build::Package;
use command::Command;

/// Sets up, builds, runs and tests the project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Makes a compiler for wasm32-wasip1 available, installing it where it may.
    Setup,
    /// Builds the core module for Spin, and the component for other hosts.
    Build,
    /// Sets up, builds, and serves on 127.0.0.1:3000 with ingest open.
    Run {
        /// The address to listen on. Ingest is open only if none but this machine can reach it.
        #[arg(long, default_value = "127.0.0.1:3000")]
        listen: SocketAddr,
        /// The store's file, or `memory`. Without it, the project's `.spin/sqlite_key_value.db`, which `spin up` uses too.
        #[arg(long)]
        store: Option<PathBuf>,
        /// Further arguments for the host, such as `--variable ingest_tokens=…`.
        #[arg(last = true)]
        host: Vec<String>,
    },
    /// Sets up, builds, and runs every test.
    Test {
        /// Further arguments for `cargo test`, such as a test's name.
        #[arg(last = true)]
        cargo: Vec<String>,
    },
    /// Sets up, builds, and measures the recipient against others; prints tables in Markdown.
    Bench {
        /// Less of everything: ends within three minutes.
        #[arg(long)]
        quick: bool,
        /// A page whose tables are replaced by those of this run, such as `docs/performance.md`.
        #[arg(long)]
        record: Option<PathBuf>,
    },
    /// Works on store files.
    Store {
        #[command(subcommand)]
        task: StoreTask,
    },
}

#[derive(Subcommand)]
enum StoreTask {
    /// Makes an empty store file in WAL mode, in which Spin's own store is several times faster.
    Init {
        /// The file to make, such as `.spin/sqlite_key_value.db`.
        path: PathBuf,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A read token made for this run, unless the user brings settings. In the environment: a command can be seen by others.
fn with_read_token(serve: Command, host: &[String]) -> Result<Command> {
    const VARIABLE: &str = "SPIN_VARIABLE_READ_TOKENS";
    let brought = host.iter().any(|argument| argument.contains("read_tokens") || argument.starts_with("--env-file"));
    if brought || std::env::var_os(VARIABLE).is_some() {
        return Ok(serve);
    }
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no token can be made: {error}"))?;
    let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    println!("\nThe page asks for a read token. For this run it is {token}\n");
    Ok(serve.env(VARIABLE, token))
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Setup => setup::wasm_toolchain().map(drop),
        Task::Build => build::build(Package::Recipient).map(drop),
        Task::Run { listen, store, host } => {
            let component = build::build(Package::Recipient)?;
            Command::cargo(["build", "--release", "--package", "outbound-events-host"]).run("building the host")?;
            let store = store.unwrap_or_else(|| command::root().join(".spin/sqlite_key_value.db"));
            let serve = Command::host(["serve", "--listen"]).arg(listen.to_string());
            let serve = serve.arg("--component").arg(component).arg("--store").arg(store);
            // Anyone may send, as long as anyone is on this machine.
            let open = listen.ip().is_loopback().then_some(["--variable", "ingest_open=true"]);
            let serve = with_read_token(serve, &host)?;
            // What the user adds may be a token, which is not for the screen.
            serve.args(open.into_iter().flatten()).become_it("serving; Ctrl-C stops it", &host)
        }
        Task::Test { cargo } => {
            build::build(Package::Recipient)?;
            python::environment()?;
            browser::browser()?;
            test::test(&cargo)
        }
        Task::Bench { quick, record } => {
            build::build(Package::Recipient)?;
            build::build(Package::Bare)?;
            python::environment()?;
            // One by one, as `run` and `test` build them: together they would be compiled anew.
            for package in ["outbound-events-host", "appliance", "bench"] {
                Command::cargo(["build", "--release", "--package", package]).run("building what is measured")?;
            }
            let record = record.map(std::path::absolute).transpose()?;
            let record = record.iter().flat_map(|page| [OsStr::new("--record"), page.as_os_str()]);
            Command::new(command::root().join("target/release").join(format!("bench{}", std::env::consts::EXE_SUFFIX)))
                .arg("run")
                .args(quick.then_some("--quick"))
                .args(record)
                .run("measuring")
        }
        Task::Store { task: StoreTask::Init { path } } => {
            Command::host(["store", "init"]).arg(path).run("making a store file")
        }
    }
}
