//! Commands that set up, build, run and test the project: `cargo xtask --help`.
//!
//! | file | content |
//! |---|---|
//! | `main.rs` | the commands and their arguments; `run` and `store` |
//! | `setup.rs` | `setup`: a compiler for `wasm32-wasip1` |
//! | `build.rs`, `remap.rs` | `build`: the core module and the components, without the paths of this machine |
//! | `test.rs`, `build_ahead.rs` | `test`: every test of the workspace, and how many ran; `soak` |
//! | `page.rs` | what Node checks of the page's source, and its pictures |
//! | `structure/` | `structure`: the rules for the layout of the source |
//! | `documents/` | a test: the rules for the documents |
//! | `bench.rs`, `profile.rs` | `bench` and `profile`: what the recipient costs, and where its time goes |
//! | `fuzz.rs`, `deny.rs` | `fuzz` and `deny` |
//! | `dist.rs`, `dist/` | `dist`: the archive for operators, and its trial |
//! | `optional.rs`, `browser.rs`, `debian.rs`, `python.rs`, `tool.rs` | installs programs that commands and tests need |
//! | `command.rs` | runs other programs visibly |
#![forbid(unsafe_code)]

mod bench;
mod browser;
mod build;
mod build_ahead;
mod command;
mod debian;
mod deny;
mod dist;
#[cfg(test)]
mod documents;
mod fuzz;
mod optional;
mod page;
mod profile;
mod python;
mod remap;
mod setup;
mod structure;
mod test;
mod tool;

use std::ffi::OsString;
use std::net::ToSocketAddrs as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand, ValueEnum as _};

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
    /// Finds a compiler for wasm32-wasip1, or installs one.
    Setup,
    /// Builds the core module for Spin, the component for our host, and the component for hosts with `wasi:keyvalue`.
    Build,
    /// Sets up, builds, and serves on 127.0.0.1:3000 with ingest open.
    Run {
        /// The address or name, and the port, to listen on. Ingest is open only on a loopback address.
        #[arg(long, default_value = "127.0.0.1:3000", value_name = "ADDRESS:PORT")]
        listen: String,
        /// The store's file, or `memory`. Default: the project's `.spin/sqlite_key_value.db`, which `spin up` also
        /// uses.
        #[arg(long)]
        store: Option<PathBuf>,
        /// Further arguments for the host, such as `--variable ingest_tokens=…`.
        #[arg(last = true)]
        host: Vec<String>,
    },
    /// Sets up, builds, runs all tests, and fuzzes for 40 seconds.
    Test {
        /// Further arguments for `cargo test`, such as a test's name.
        #[arg(last = true)]
        cargo: Vec<String>,
    },
    /// Runs tests that take too long for `test`: many more schedules of the models of the archive and of forwarding,
    /// and a host whose memory is swapped out repeatedly.
    Soak {
        /// The number of schedules on each kind of store.
        #[arg(long, default_value_t = 20_000)]
        schedules: u64,
        /// How many times the host's memory is swapped out, where the machine allows it.
        #[arg(long, default_value_t = 300)]
        swap_rounds: u64,
    },
    /// Sets up, builds, and measures the recipient against others. Prints tables in Markdown.
    Bench {
        /// Measures less, within three minutes.
        #[arg(long)]
        quick: bool,
        /// A page whose tables are replaced by those of this run, such as `docs/internals/performance.md`.
        #[arg(long)]
        record: Option<PathBuf>,
    },
    /// Counts what an event demands: pages, host calls, bytes. Then profiles the component by function; needs `perf`.
    Profile {
        /// The number of events to process.
        #[arg(long, default_value_t = 100_000)]
        events: u64,
    },
    /// Searches for inputs that break a promise. Keeps its corpus in target/fuzz, and failing inputs in fuzz/crashes.
    Fuzz {
        /// The time in minutes, such as 0.5. Several targets share it.
        #[arg(long, default_value = "10", value_parser = minutes)]
        minutes: Duration,
        /// The target. Default: all.
        #[arg(long)]
        target: Option<fuzz::FuzzTarget>,
    },
    /// Sets up, builds, and takes pictures of the page in Chromium: docs/page has each view in light, in dark and on a
    /// phone, with sessions of the emulated appliance.
    Page,
    /// Checks the dependencies: advisories, licences, bans, sources.
    Deny,
    /// Checks the layout of the source: no import cycles between files, no file of more than 400 lines, no package
    /// inside another's source.
    Structure {
        /// Also finds import cycles between folders.
        #[arg(long)]
        folders: bool,
    },
    /// Builds the archive for operators in target/dist, and tries it: host, components, licences, bills of materials.
    Dist {
        /// Also builds it in another folder, and fails unless the bytes are equal.
        #[arg(long)]
        check: bool,
    },
    /// Packs, prunes, checks and copies store files; see `cargo xtask store --help`.
    #[command(disable_help_flag = true)]
    Store {
        /// The host's command `store`, with its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        host: Vec<OsString>,
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

/// Adds a random token for reading and deleting, unless the user configures tokens. It is passed in the environment,
/// since other users can see command lines.
fn with_token(serve: Command, host: &[String]) -> Result<Command> {
    const VARIABLES: [&str; 2] = ["SPIN_VARIABLE_READ_TOKENS", "SPIN_VARIABLE_ADMIN_TOKENS"];
    let is_setting = |argument: &String| {
        ["read_tokens", "admin_tokens"].iter().any(|name| argument.contains(name)) || argument.starts_with("--env-file")
    };
    if host.iter().any(is_setting) || VARIABLES.iter().any(|name| std::env::var_os(name).is_some()) {
        return Ok(serve);
    }
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("cannot generate a token: {error}"))?;
    let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    println!("\nThe page asks for a token. The token of this run, for reading and deleting: {token}\n");
    Ok(VARIABLES.into_iter().fold(serve, |serve, name| serve.env(name, &token)))
}

/// Long enough to find obvious faults of a change. `cargo xtask fuzz` runs longer.
const FUZZ_IN_TESTS: Duration = Duration::from_secs(40);

fn fuzz(target: Option<fuzz::FuzzTarget>, time: Duration) -> Result<()> {
    fuzz::fuzz(target.as_ref().map_or(fuzz::FuzzTarget::value_variants(), std::slice::from_ref), time)
}

fn minutes(text: &str) -> Result<Duration> {
    Ok(Duration::try_from_secs_f64(text.parse::<f64>()? * 60.0)?)
}

/// Rejects options of the host that this command sets itself, before anything is built.
fn check_host_arguments(arguments: &[String]) -> Result<()> {
    for argument in arguments {
        let option = argument.split('=').next().unwrap_or_default();
        match option {
            "--listen" | "--store" => {
                bail!("give {option} before the --: cargo xtask run {option} …")
            }
            "--component" => {
                bail!("`cargo xtask run` serves the component that it builds; for --component, run the host itself")
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether an address or name has loopback addresses only.
fn is_local(listen: &str) -> Result<bool> {
    let addresses = listen.to_socket_addrs().with_context(|| {
        format!("cannot listen on {listen}; give --listen an address or a name, and a port: 127.0.0.1:3000")
    })?;
    Ok(addresses.into_iter().all(|address| address.ip().is_loopback()))
}

/// Builds the host and the component in parallel: linking uses only one processor.
fn build_what_serves() -> Result<PathBuf> {
    // Install what is missing before anything runs in parallel.
    setup::wasm_toolchain()?;
    if !command::root().join("target/release/outbound-events-host").is_file() {
        eprintln!("==> compiling everything for the first time: three to seven minutes with two processors");
    }
    std::thread::scope(|scope| {
        let component = scope.spawn(|| build::build(Package::Spin));
        Command::cargo(["build", "--release", "--package", "outbound-events-host"]).run("building the host")?;
        component.join().map_err(|_| anyhow::anyhow!("building the core module panicked"))?
    })
}

/// Builds both components in parallel: LTO takes half of the time, and uses only one processor.
fn build_both() -> Result<()> {
    setup::wasm_toolchain()?;
    std::thread::scope(|scope| {
        let wasi = scope.spawn(|| build::build(Package::Wasi));
        build::build(Package::Spin)?;
        wasi.join().map_err(|_| anyhow::anyhow!("building the core module panicked"))?.map(drop)
    })
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Setup => setup::wasm_toolchain().map(drop),
        Task::Build => build_both(),
        Task::Run { listen, store, host } => {
            check_host_arguments(&host)?;
            let local = is_local(&listen)?;
            let component = build_what_serves()?;
            let store = store.unwrap_or_else(|| command::root().join(".spin/sqlite_key_value.db"));
            let serve = Command::host(["serve", "--listen"]).arg(listen);
            let serve = serve.arg("--component").arg(component).arg("--store").arg(store);
            // Ingest is open if only this machine can connect.
            let open = local.then_some(["--variable", "ingest_open=true"]);
            let serve = with_token(serve, &host)?;
            // The user's arguments can contain tokens, so they are not printed.
            serve.args(open.into_iter().flatten()).exec("serving; Ctrl-C stops it", &host)
        }
        Task::Test { cargo } => {
            build_both()?;
            build::check_size()?;
            python::environment()?;
            python::optional()?;
            browser::browser()?;
            optional::programs();
            test::test(&cargo)?;
            // With arguments, only some tests are wanted.
            if cargo.is_empty() { fuzz(None, FUZZ_IN_TESTS) } else { Ok(()) }
        }
        Task::Soak { schedules, swap_rounds } => test::soak(schedules, swap_rounds),
        Task::Bench { quick, record } => bench::bench(quick, record.as_deref()),
        Task::Profile { events } => profile::profile(events),
        Task::Fuzz { minutes, target } => fuzz(target, minutes),
        Task::Page => {
            build_what_serves()?;
            browser::browser()?;
            page::pictures()
        }
        Task::Deny => deny::deny(),
        Task::Structure { folders } => structure::structure(&command::root(), folders),
        Task::Dist { check } => dist::dist(check),
        // Replaced by the host, so that its help and its exit code are this command's.
        Task::Store { host } => Command::host(["store"]).args(host).exec("working on a store file", &[]),
    }
}
