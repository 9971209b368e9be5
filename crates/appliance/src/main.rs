//! `appliance`: an emulated sender of outbound events. See `appliance --help`.
#![forbid(unsafe_code)]

mod commands;

use std::path::PathBuf;
use std::process::ExitCode;

use appliance::config::EmailEventName;
use clap::{Parser, Subcommand};
use commands::delivery::{DeliveryArguments, SendArguments};
use commands::receive::ReceiveArguments;
use commands::run::ApplianceArguments;
use commands::{check, delivery, receive, run};

/// An emulated BeyondTrust appliance: generates support sessions and sends their events and emails as BeyondTrust's
/// outbound events guide says.
///
/// Exit codes: 0 on success, 1 if an event was not accepted or a fault was found, 2 if the command could not run.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Generates sessions from a seed and delivers all their events. The same seed generates the same bytes.
    Send(SendArguments),
    /// Runs an appliance with the settings of a file until it is stopped. Its queues are on disk.
    Run(ApplianceArguments),
    /// Delivers events from a file.
    Replay {
        /// JSON lines. Each is an event's variables, or a record as the recipient stores it. `-` is standard input.
        file: PathBuf,
        #[command(flatten)]
        delivery: DeliveryArguments,
    },
    /// Receives forwarded events until it is stopped: prints each request, verifies its signature, and misbehaves on
    /// demand.
    Receive(ReceiveArguments),
    /// Checks a file of destinations before it becomes the setting `destinations`. Exit code 1 if there is a fault, or
    /// if a destination did not accept an event.
    CheckDestinations {
        /// JSON: an array of destinations.
        file: PathBuf,
        /// Also sends the events of one invented session to each destination and prints the answers.
        #[arg(long)]
        send: bool,
        /// CA certificates in PEM to trust besides this machine's. Repeatable.
        #[arg(long, value_name = "FILE", requires = "send")]
        ca_certificate: Vec<PathBuf>,
    },
    /// Checks the subject and the body of an email template. Exit code 1 if there is a fault.
    CheckTemplate {
        /// The event that sends the email, such as "Support Session End".
        #[arg(long)]
        event: EmailEventName,
        /// The subject.
        #[arg(long)]
        subject: String,
        /// The file with the body.
        #[arg(long, value_name = "FILE")]
        body: PathBuf,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Send(arguments) => delivery::send(arguments).await,
        Command::Run(arguments) => run::run_appliance(arguments).await,
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
