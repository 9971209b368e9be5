//! The commands that set up, build, run and test the project: `cargo xtask --help`.
//!
//! | file | what lives there |
//! |---|---|
//! | `main.rs` | the commands and their arguments; `run` and `store` |
//! | `setup.rs` | `setup`: a compiler for `wasm32-wasip1` |
//! | `build.rs`, `remap.rs` | `build`: the core module and the components, without the paths of this machine |
//! | `test.rs` | `test`: every test of the workspace, and how many ran; `soak` |
//! | `page.rs` | what Node checks of the page's source |
//! | `structure/` | `structure`: the rules for the layout of the source |
//! | `documents/` | a test: the rules for the documents |
//! | `bench.rs`, `profile.rs` | `bench` and `profile`: what the recipient costs, and where its time goes |
//! | `fuzz.rs`, `deny.rs` | `fuzz` and `deny` |
//! | `dist.rs`, `dist/` | `dist`: the archive for operators, and its trial |
//! | `optional.rs`, `browser.rs`, `debian.rs`, `python.rs`, `tool.rs` | programs that commands and tests need, and how they are installed |
//! | `command.rs` | runs another program visibly |
#![forbid(unsafe_code)]

mod bench;
mod browser;
mod build;
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
    /// Makes a compiler for wasm32-wasip1 available, installing it where it may.
    Setup,
    /// Builds the core module for Spin, the component that our host runs, and the one for hosts with `wasi:keyvalue`.
    Build,
    /// Sets up, builds, and serves on 127.0.0.1:3000 with ingest open.
    Run {
        /// The address to listen on, or a name and a port. Ingest is open only if none but this machine can reach it.
        #[arg(long, default_value = "127.0.0.1:3000", value_name = "ADDRESS:PORT")]
        listen: String,
        /// The store's file, or `memory`. Without it, the project's `.spin/sqlite_key_value.db`, which `spin up` uses too.
        #[arg(long)]
        store: Option<PathBuf>,
        /// Further arguments for the host, such as `--variable ingest_tokens=…`.
        #[arg(last = true)]
        host: Vec<String>,
    },
    /// Sets up, builds, runs every test, and fuzzes for a moment.
    Test {
        /// Further arguments for `cargo test`, such as a test's name.
        #[arg(last = true)]
        cargo: Vec<String>,
    },
    /// Tries what takes longer than tests may: many more schedules of the model of the archive, forwarding and wrong clocks, and a host whose
    /// memory is swapped out again and again.
    Soak {
        /// How many schedules on each kind of store.
        #[arg(long, default_value_t = 20_000)]
        schedules: u64,
        /// How many times the host's memory is swapped out, where that can be done.
        #[arg(long, default_value_t = 300)]
        swap_rounds: u64,
    },
    /// Sets up, builds, and measures the recipient against others; prints tables in Markdown.
    Bench {
        /// Less of everything: ends within three minutes.
        #[arg(long)]
        quick: bool,
        /// A page whose tables are replaced by those of this run, such as `docs/internals/performance.md`.
        #[arg(long)]
        record: Option<PathBuf>,
    },
    /// Tells where the component's time goes, function by function; needs `perf`.
    Profile {
        /// How many events it takes meanwhile.
        #[arg(long, default_value_t = 100_000)]
        events: u64,
    },
    /// Looks for inputs that break a promise. What it learns stays in target/fuzz, what it finds in fuzz/crashes.
    Fuzz {
        /// For how long, such as 0.5. Several targets share it.
        #[arg(long, default_value = "10", value_parser = minutes)]
        minutes: Duration,
        /// What to fuzz. Without it, everything.
        #[arg(long)]
        target: Option<fuzz::Target>,
    },
    /// Checks the dependencies: advisories, licences, bans, sources.
    Deny,
    /// Checks the layout of the source: no files that import each other in a circle, none of more than 400 lines, no package inside
    /// another's source.
    Structure {
        /// Also finds folders that import each other in a circle by different files.
        #[arg(long)]
        folders: bool,
    },
    /// Builds what an operator unpacks, and tries it: host, components, licences, what they are made of; in target/dist.
    Dist {
        /// Makes it once more in another folder, and ends with an error unless it is the same bytes.
        #[arg(long)]
        check: bool,
    },
    /// Works on store files: packs, prunes, checks, copies them; `cargo xtask store --help` says how.
    #[command(disable_help_flag = true)]
    Store {
        /// The host's own command, and its arguments.
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

/// A token made for this run, which reads and removes, unless the user brings settings. In the environment: a command can be
/// seen by others.
fn with_token(serve: Command, host: &[String]) -> Result<Command> {
    const VARIABLES: [&str; 2] = ["SPIN_VARIABLE_READ_TOKENS", "SPIN_VARIABLE_ADMIN_TOKENS"];
    let is_setting = |argument: &String| {
        ["read_tokens", "admin_tokens"].iter().any(|name| argument.contains(name)) || argument.starts_with("--env-file")
    };
    if host.iter().any(is_setting) || VARIABLES.iter().any(|name| std::env::var_os(name).is_some()) {
        return Ok(serve);
    }
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no token can be made: {error}"))?;
    let token: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    println!("\nThe page asks for a token. For this run it is {token}, which may read and remove\n");
    Ok(VARIABLES.into_iter().fold(serve, |serve, name| serve.env(name, &token)))
}

/// Long enough to find what a change has broken plainly. More is for `cargo xtask fuzz`.
const FUZZ_IN_TESTS: Duration = Duration::from_secs(40);

fn fuzz(target: Option<fuzz::Target>, time: Duration) -> Result<()> {
    fuzz::fuzz(target.as_ref().map_or(fuzz::Target::value_variants(), std::slice::from_ref), time)
}

fn minutes(text: &str) -> Result<Duration> {
    Ok(Duration::try_from_secs_f64(text.parse::<f64>()? * 60.0)?)
}

/// What is given to the host, but is this command's to give, is told before anything is built.
fn must_be_the_hosts(arguments: &[String]) -> Result<()> {
    for argument in arguments {
        let option = argument.split('=').next().unwrap_or_default();
        match option {
            "--listen" | "--store" => {
                bail!("{option} stands before the --, as an option of `cargo xtask run`: cargo xtask run {option} …")
            }
            "--component" => {
                bail!("`cargo xtask run` serves the component that it builds; --component is for the host itself")
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether a name leads to this machine alone.
fn is_local(listen: &str) -> Result<bool> {
    let addresses = listen.to_socket_addrs().with_context(|| {
        format!("{listen} cannot be listened on; --listen takes an address or a name, and a port: 127.0.0.1:3000")
    })?;
    Ok(addresses.into_iter().all(|address| address.ip().is_loopback()))
}

/// The host and the component, side by side: where one waits for a single processor, the other goes on.
fn build_what_serves() -> Result<PathBuf> {
    // What may have to be installed first is seen to alone.
    setup::wasm_toolchain()?;
    if !command::root().join("target/release/outbound-events-host").is_file() {
        eprintln!("==> compiling everything, this first time: three to seven minutes where there are two processors");
    }
    std::thread::scope(|scope| {
        let component = scope.spawn(|| build::build(Package::Spin));
        Command::cargo(["build", "--release", "--package", "outbound-events-host"]).run("building the host")?;
        component.join().map_err(|_| anyhow::anyhow!("building the core module broke off"))?
    })
}

/// Both components, side by side: to make a module of what was compiled takes one processor, and as long as all before.
fn build_both() -> Result<()> {
    setup::wasm_toolchain()?;
    std::thread::scope(|scope| {
        let wasi = scope.spawn(|| build::build(Package::Wasi));
        build::build(Package::Spin)?;
        wasi.join().map_err(|_| anyhow::anyhow!("building the core module broke off"))?.map(drop)
    })
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Setup => setup::wasm_toolchain().map(drop),
        Task::Build => build_both(),
        Task::Run { listen, store, host } => {
            must_be_the_hosts(&host)?;
            let local = is_local(&listen)?;
            let component = build_what_serves()?;
            let store = store.unwrap_or_else(|| command::root().join(".spin/sqlite_key_value.db"));
            let serve = Command::host(["serve", "--listen"]).arg(listen);
            let serve = serve.arg("--component").arg(component).arg("--store").arg(store);
            // Anyone may send, as long as anyone is on this machine.
            let open = local.then_some(["--variable", "ingest_open=true"]);
            let serve = with_token(serve, &host)?;
            // What the user adds may be a token, which is not for the screen.
            serve.args(open.into_iter().flatten()).become_it("serving; Ctrl-C stops it", &host)
        }
        Task::Test { cargo } => {
            build_both()?;
            build::must_be_small()?;
            python::environment()?;
            python::optional()?;
            browser::browser()?;
            optional::programs();
            test::test(&cargo)?;
            // Who asks for some tests does not ask for this.
            if cargo.is_empty() { fuzz(None, FUZZ_IN_TESTS) } else { Ok(()) }
        }
        Task::Soak { schedules, swap_rounds } => test::soak(schedules, swap_rounds),
        Task::Bench { quick, record } => bench::bench(quick, record.as_deref()),
        Task::Profile { events } => profile::profile(events),
        Task::Fuzz { minutes, target } => fuzz(target, minutes),
        Task::Deny => deny::deny(),
        Task::Structure { folders } => structure::structure(&command::root(), folders),
        Task::Dist { check } => dist::dist(check),
        // The host's help is the help, its exit code the exit code.
        Task::Store { host } => Command::host(["store"]).args(host).become_it("working on a store file", &[]),
    }
}
