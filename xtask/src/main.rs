//! The commands that set up, build, run and test the project: `cargo xtask --help`.

mod build;
mod command;
mod setup;
mod test;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

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
        /// The address to listen on.
        #[arg(long, default_value = "127.0.0.1:3000")]
        listen: String,
        /// The store's file, or `memory`.
        #[arg(long, default_value = ".spin/sqlite_key_value.db")]
        store: PathBuf,
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

fn run(task: Task) -> Result<()> {
    match task {
        Task::Setup => setup::wasm_toolchain().map(drop),
        Task::Build => build::build().map(drop),
        Task::Run { listen, store, host } => {
            let component = build::build()?;
            Command::host(["serve", "--listen", &listen])
                .arg("--component")
                .arg(component)
                .arg("--store")
                .arg(store)
                .args(["--variable", "ingest_open=true"])
                .args(host)
                .become_it("building the host, and serving; Ctrl-C stops it")
        }
        Task::Test { cargo } => {
            build::build()?;
            test::test(&cargo)
        }
        Task::Store { task: StoreTask::Init { path } } => {
            // The path is the user's: relative to where they are, not to the project.
            Command::host(["store", "init"]).arg(std::path::absolute(path)?).run("making a store file")
        }
    }
}
