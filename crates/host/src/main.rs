//! `outbound-events-host`: serves the component from one command, on a durable store.
#![forbid(unsafe_code)]

mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use commands::health::Health;
use commands::serve::Serve;
use commands::store::StoreCommand;
use outbound_events_host::error::told;
use outbound_events_host::log_queue::write_or_give_up;

/// Receives BeyondTrust outbound events, and keeps every one that it answers 200.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the component over HTTP.
    Serve(Serve),
    /// Asks a host that runs how it is; succeeds if it is ready.
    Health(Health),
    /// Works on store files.
    Store {
        #[command(subcommand)]
        command: StoreCommand,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Serve(serve) => serve.run().map(|()| ExitCode::SUCCESS),
        Command::Health(health) => health.run(),
        Command::Store { command } => command.run(),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            write_or_give_up(std::io::stderr(), format!("error: {}\n", told(&error)));
            // 1 is for what was done and is not well.
            ExitCode::from(2)
        }
    }
}
