//! `appliance`: the sending end of outbound events, emulated. `appliance --help`.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ::http::StatusCode;
use anyhow::{Context as _, Result, bail};
use appliance::agenda::Agenda;
use appliance::config::{EmailEventName, Period};
use appliance::http::{self, HttpRecipient};
use appliance::macros::{Place, Template, check};
use appliance::receive::{Misbehaviour, Received, Receiver};
use appliance::retry::Rules;
use appliance::send::{Pace, Progress, Sender, Tally};
use appliance::session::Session;
use appliance::{destinations, replay, run, tls};
use clap::{Args, Parser, Subcommand};
use outbound_events::forward::destination::Destination;
use reqwest::Url;
use rustls::pki_types::CertificateDer;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

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

#[derive(Args)]
struct Receive {
    /// The address to listen on. Port 0 takes any that is free.
    #[arg(long, default_value = "127.0.0.1:4000")]
    listen: SocketAddr,
    /// What requests are to be signed with: `whsec_…`. Several while one is being replaced.
    #[arg(long = "secret", env = "DESTINATION_SECRET", hide_env_values = true)]
    secrets: Vec<String>,
    /// What to answer instead of 200.
    #[arg(long)]
    status: Option<StatusCode>,
    /// The seconds that `Retry-After` is to say with it.
    #[arg(long)]
    retry_after: Option<u64>,
    /// How long to wait before each answer.
    #[arg(long)]
    delay: Option<Period>,
    /// For how long to misbehave. Without it, for ever.
    #[arg(long = "for", value_name = "TIME")]
    time: Option<Period>,
    /// Prints the body of each request, too.
    #[arg(long)]
    bodies: bool,
}

#[derive(Args)]
struct Send {
    #[command(flatten)]
    delivery: Delivery,
    /// How many sessions to make.
    #[arg(long, default_value_t = 20)]
    sessions: u64,
    /// What decides them.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many appliances share the sessions. Each delivers its own, one at a time, on a connection of its own.
    /// `{appliance}` in the URL becomes the appliance's number.
    #[arg(long, default_value = "1")]
    appliances: NonZeroUsize,
    /// Sends custom fields along.
    #[arg(long)]
    custom_fields: bool,
}

/// Where events go, and how patiently.
#[derive(Args)]
struct Delivery {
    /// The recipient, such as http://127.0.0.1:3000/events
    url: String,
    /// The recipient's token. It is added to the URL, as `outbound_event_token`.
    #[arg(long, env = "OUTBOUND_EVENT_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// At most so many events a second, all appliances together.
    #[arg(long, value_parser = rate)]
    rate: Option<f64>,
    /// How long to wait after an attempt that failed.
    #[arg(long, default_value = "1s")]
    retry_interval: Period,
    /// How long after its first failure an event is tried again before it is dropped.
    #[arg(long, default_value = "5m")]
    retry_duration: Period,
    /// How long an answer may take.
    #[arg(long, default_value = "30s")]
    timeout: Period,
    /// A CA certificate in PEM: the only one to trust. Without it, this machine's own are trusted.
    #[arg(long, value_name = "FILE")]
    ca_certificate: Option<PathBuf>,
}

fn rate(text: &str) -> Result<f64> {
    match text.parse() {
        Ok(rate) if (0.001..=1_000_000.0).contains(&rate) => Ok(rate),
        _ => bail!("is no number from 0.001 to 1000000"),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Send(arguments) => send(arguments).await,
        Command::Run { config } => run_appliance(&config).await,
        Command::Replay { file, delivery } => replay_file(&file, delivery).await,
        Command::Receive(arguments) => receive(arguments).await,
        Command::CheckDestinations { file, send } => check_destinations(&file, send).await,
        Command::CheckTemplate { event, subject, body } => check_template(event, &subject, &body),
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

/// Everything that the senders of one command share.
struct Deliveries {
    delivery: Delivery,
    authorities: Vec<CertificateDer<'static>>,
    pace: Option<Arc<Pace>>,
    tally: Arc<Tally>,
}

impl Deliveries {
    fn new(delivery: Delivery) -> Result<Self> {
        let authorities = delivery.ca_certificate.as_deref().map(tls::read).transpose()?.unwrap_or_default();
        let pace = delivery.rate.map(|rate| Arc::new(Pace::new(rate)));
        Ok(Self { delivery, authorities, pace, tally: Arc::default() })
    }

    /// The senders of this many appliances.
    fn senders(&self, appliances: usize) -> Result<Vec<Sender>> {
        let rules = Rules { interval: self.delivery.retry_interval.0, duration: self.delivery.retry_duration.0 };
        let first = self.url(0)?;
        tls::check(&first, &self.authorities)?;
        // Made once: reading this machine's authorities takes longer than sending an event.
        let tls = tls::config(&first, &self.authorities)?;
        let sender = |number| {
            let recipient = HttpRecipient::new(self.url(number)?, tls.clone(), self.delivery.timeout.0)?;
            Ok(Sender { number, recipient, rules, pace: self.pace.clone(), tally: Arc::clone(&self.tally) })
        };
        (0..appliances).map(sender).collect()
    }

    fn url(&self, number: usize) -> Result<Url> {
        let text = self.delivery.url.replace("{appliance}", &(number + 1).to_string());
        // It is not repeated: there may be a secret in it.
        let mut url = http::url(&text).map_err(|error| anyhow::anyhow!("the URL {error}"))?;
        if let Some(token) = &self.delivery.token {
            url.query_pairs_mut().append_pair("outbound_event_token", token);
        }
        Ok(url)
    }

    /// Waits for all senders, or for Ctrl-C, and prints what it came to. Whether all events were accepted.
    async fn finish(&self, mut senders: JoinSet<Result<()>>, total: Option<u64>) -> Result<bool> {
        let started = Instant::now();
        let progress = Progress::watch(Arc::clone(&self.tally), total);
        let all = async {
            while let Some(ended) = senders.join_next().await {
                ended.context("a sender was lost")??;
            }
            Ok(())
        };
        let result = tokio::select! {
            result = all => result,
            () = stop_requested() => Err(anyhow::anyhow!("stopped before the end")),
        };
        drop(progress);
        let report = self.tally.report(total, started.elapsed());
        println!("{}", report.table());
        result.map(|()| report.all_accepted())
    }
}

async fn send(arguments: Send) -> Result<bool> {
    let Send { delivery, sessions, seed, appliances, custom_fields } = arguments;
    let deliveries = Deliveries::new(delivery)?;
    let total = (0..sessions).map(|number| Session::make(seed, number).steps.len() as u64).sum();
    let mut senders = JoinSet::new();
    for (sender, index) in deliveries.senders(appliances.get())?.into_iter().zip(0..) {
        let agenda = Agenda::new(seed, sessions, index, appliances.get(), custom_fields);
        senders.spawn(async move {
            for form in agenda {
                sender.deliver(form).await;
            }
            Ok(())
        });
    }
    deliveries.finish(senders, Some(total)).await
}

async fn replay_file(file: &Path, delivery: Delivery) -> Result<bool> {
    let deliveries = Deliveries::new(delivery)?;
    let Some(sender) = deliveries.senders(1)?.pop() else { return Ok(false) };
    let mut senders = JoinSet::new();
    if file.as_os_str() == "-" {
        senders.spawn(replay_input(sender));
        return deliveries.finish(senders, None).await;
    }
    // The whole file is read before anything is sent: a fault in its last line is found before its first event has gone.
    let forms = forms(file).with_context(|| format!("{}: nothing was sent", file.display()))?;
    let total = forms.len() as u64;
    senders.spawn(async move {
        for form in forms {
            sender.deliver(form).await;
        }
        Ok(())
    });
    deliveries.finish(senders, Some(total)).await
}

fn forms(file: &Path) -> Result<Vec<String>> {
    let lines = BufReader::new(File::open(file)?).lines();
    let numbered = lines.zip(1_u64..).filter(|(line, _)| !line.as_ref().is_ok_and(|line| line.trim().is_empty()));
    numbered.map(|(line, number)| form(&line?, number)).collect()
}

/// Each event goes as soon as its line is there.
async fn replay_input(sender: Sender) -> Result<()> {
    let (read, mut lines) = tokio::sync::mpsc::channel(1);
    // A thread of its own, which waits for a next line and may be left there when it is time to stop.
    std::thread::spawn(move || std::io::stdin().lines().try_for_each(|line| read.blocking_send(line)));
    let mut number = 0;
    while let Some(line) = lines.recv().await {
        let line = line.context("standard input cannot be read")?;
        number += 1;
        if !line.trim().is_empty() {
            sender.deliver(form(&line, number).context("what came before it was sent")?).await;
        }
    }
    Ok(())
}

fn form(line: &str, number: u64) -> Result<String> {
    replay::form(line).with_context(|| format!("line {number}"))
}

async fn run_appliance(config: &Path) -> Result<bool> {
    let appliance = Arc::new(run::open(config)?);
    tokio::select! {
        result = Arc::clone(&appliance).run() => result?,
        () = stop_requested() => {}
    }
    appliance.close_board();
    let (queued, kept) = appliance.remaining()?;
    eprintln!("stopped; {queued} queued, which the next start will send");
    if kept > 0 {
        eprintln!("{kept} more are kept for recipients that are disabled or no longer there");
    }
    Ok(true)
}

/// Ready at SIGTERM or Ctrl-C.
async fn stop_requested() {
    #[cfg(unix)]
    if let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        return;
    }
    let _ = tokio::signal::ctrl_c().await;
}

async fn receive(arguments: Receive) -> Result<bool> {
    let Receive { listen, secrets, status, retry_after, delay, time, bodies } = arguments;
    let misbehaviour = Misbehaviour {
        status,
        retry_after,
        delay: delay.map_or(Duration::ZERO, |delay| delay.0),
        time: time.map(|time| time.0),
    };
    let number = AtomicU64::new(0);
    let receiver = Receiver::new(secrets, misbehaviour, move |received| {
        println!("{:>6}  {}", number.fetch_add(1, Ordering::Relaxed) + 1, shown(&received));
        if bodies {
            println!("{}", String::from_utf8_lossy(&received.body));
        }
    })?;
    let listener = TcpListener::bind(listen).await.with_context(|| format!("{listen} cannot be listened on"))?;
    println!("Listening on http://{}; Ctrl-C stops it", listener.local_addr()?);
    tokio::select! {
        () = receiver.serve(listener) => {}
        () = stop_requested() => {}
    }
    Ok(true)
}

/// One line: what came, of which session, who signed it, and how it was answered.
fn shown(received: &Received) -> String {
    let event: serde_json::Value = serde_json::from_slice(&received.body).unwrap_or_default();
    let form: Vec<(String, String)> = serde_urlencoded::from_bytes(&received.body).unwrap_or_default();
    let of_form = |name: &str| form.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let of_event = |name: &str| event.pointer(name).and_then(serde_json::Value::as_str);
    let name = of_event("/data/event").or(of_form("event")).unwrap_or("(no event)");
    let lsid = of_event("/data/lsid").or(of_form("lsid")).unwrap_or("-");
    let again = if received.again { ", again" } else { "" };
    let id = received.id().unwrap_or("-");
    format!("{} {name} {lsid} {id} {}{again}", received.status.as_u16(), received.signature.as_str())
}

async fn check_destinations(file: &Path, send: bool) -> Result<bool> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let all = match Destination::read_all(&text) {
        Ok(all) => all,
        Err(faults) => {
            faults.iter().for_each(|fault| println!("{fault}"));
            return Ok(false);
        }
    };
    let (entries, mut well) = (destinations::trial()?, true);
    for destination in &all {
        let (name, origin) = (&destination.name, destination.origin().unwrap_or("it pulls"));
        println!("{name}: no fault found ({origin})");
        if !send {
            continue;
        }
        match destinations::send(destination, &entries).await? {
            None => println!("{name}: nothing is sent to one that pulls"),
            Some(said) if said.is_empty() => println!("{name}: its filters let none of the session's events through"),
            Some(said) => {
                well &= said.iter().all(destinations::Said::is_taken);
                for said in said {
                    match said.answer {
                        Ok(status) => println!("{name}: {status} {}", said.event),
                        Err(reason) => println!("{name}: {}: {reason}", said.event),
                    }
                }
            }
        }
    }
    if all.is_empty() {
        println!("there is no destination in {}", file.display());
    }
    Ok(well)
}

fn check_template(EmailEventName(event): EmailEventName, subject: &str, body: &Path) -> Result<bool> {
    let text = std::fs::read_to_string(body).with_context(|| format!("{} cannot be read", body.display()))?;
    let in_subject = check(&Template::parse(subject), event, Place::Subject);
    let in_body = check(&Template::parse(&text), event, Place::Body);
    for finding in &in_subject {
        println!("subject, {finding}");
    }
    for finding in &in_body {
        println!("{}, {finding}", body.display());
    }
    let sound = in_subject.is_empty() && in_body.is_empty();
    if sound {
        println!("No fault found for \"{event}\".");
    }
    Ok(sound)
}
