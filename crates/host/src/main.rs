//! `outbound-events-host`: serves the component with a durable store.
#![forbid(unsafe_code)]

mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use commands::health::HealthCommand;
use commands::serve::ServeCommand;
use commands::store::StoreCommand;
use outbound_events_host::error::with_causes;
use outbound_events_host::log_queue::write_or_give_up;

/// Receives BeyondTrust outbound events and stores each one before it answers 200.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the component over HTTP.
    Serve(ServeCommand),
    /// Checks a running host: exit code 0 if it is ready, 1 if it is not, 2 if it gives no answer of `/health`.
    Health(HealthCommand),
    /// Creates, packs, prunes, checks and copies store files.
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
            write_or_give_up(std::io::stderr(), format!("error: {}\n", with_causes(&error)));
            // 1 means that the command ran and found a fault.
            ExitCode::from(2)
        }
    }
}
