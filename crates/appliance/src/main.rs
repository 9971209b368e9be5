//! `appliance`: the sending end of outbound events, emulated. `appliance --help`.
#![forbid(unsafe_code)]

mod commands;

use std::path::PathBuf;
use std::process::ExitCode;

use appliance::config::EmailEventName;
use clap::{Parser, Subcommand};
use commands::delivery::{Delivery, Send};
use commands::receive::Receive;
use commands::{check, delivery, receive, run};

/// An emulated BeyondTrust appliance: makes support sessions, and sends their events and emails as the guide says.
///
/// Exit codes: 0 if all went well, 1 if something was not accepted or found, 2 if it could not be tried.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes sessions from a seed and delivers all their events. The same seed makes the same events, byte for byte.
    Send(Send),
    /// Runs an appliance with the settings of a file, until it is stopped. Its queues are on disk.
    Run {
        /// The settings: see the README for one that works.
        #[arg(long)]
        config: PathBuf,
    },
    /// Delivers events from a file.
    Replay {
        /// JSON lines, one event each: its variables, or a record as the recipient stores it. `-` is standard input.
        file: PathBuf,
        #[command(flatten)]
        delivery: Delivery,
    },
    /// Receives what a recipient pushes on, until it is stopped: prints each request, verifies who signed it, and misbehaves on
    /// demand.
    Receive(Receive),
    /// Checks a file of destinations before it becomes the setting `destinations`. Exit code 1 if there is a fault, or if one did not
    /// take an event.
    CheckDestinations {
        /// JSON: an array of destinations.
        file: PathBuf,
        /// Sends the events of one invented session to each, and tells what came back.
        #[arg(long)]
        send: bool,
        /// Certificates of authorities to trust, besides this machine's: PEM. May be given several times.
        #[arg(long, value_name = "FILE", requires = "send")]
        ca_certificate: Vec<PathBuf>,
    },
    /// Checks the subject and the body of an email before they go into the settings page. Exit code 1 if there is a fault.
    CheckTemplate {
        /// The event that sends the email, such as "Support Session End".
        #[arg(long)]
        event: EmailEventName,
        /// The subject.
        #[arg(long)]
        subject: String,
        /// The file that the body is in.
        #[arg(long, value_name = "FILE")]
        body: PathBuf,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Send(arguments) => delivery::send(arguments).await,
        Command::Run { config } => run::run_appliance(&config).await,
        Command::Replay { file, delivery } => delivery::replay_file(&file, delivery).await,
        Command::Receive(arguments) => receive::receive(arguments).await,
        Command::CheckDestinations { file, send, ca_certificate } => {
            check::check_destinations(&file, send, &ca_certificate).await
        }
        Command::CheckTemplate { event, subject, body } => check::check_template(event, &subject, &body),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}
