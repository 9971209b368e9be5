//! `appliance send` and `appliance replay`: deliver events of invented sessions or of a file, and print the figures.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use appliance::agenda::{Agenda, AgendaEvent, AgendaTimes};
use appliance::api::SessionRegister;
use appliance::config::Period;
use appliance::http::{self, HttpRecipient};
use appliance::progress::SendProgress;
use appliance::retry::RetryRules;
use appliance::send::{EventSender, SendPace, Tally};
use appliance::session::SupportSession;
use appliance::{replay, tls};
use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use reqwest::Url;
use rustls::pki_types::CertificateDer;
use tokio::task::JoinSet;

use super::api::ApiArguments;
use super::stop::stop_requested;

#[derive(Args)]
pub struct SendArguments {
    #[command(flatten)]
    delivery: DeliveryArguments,
    /// The number of sessions to generate.
    #[arg(long, default_value_t = 20)]
    sessions: u64,
    /// The seed of the sessions.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The number of appliances that share the sessions. Each sends one event at a time, on a connection of its own.
    /// `{appliance}` in the URL becomes the appliance's number.
    #[arg(long, default_value = "1")]
    appliances: NonZeroUsize,
    /// Also sends custom fields.
    #[arg(long)]
    custom_fields: bool,
    /// The time of the last event: `now`, or a time such as 2026-11-29T08:00:00Z. Default: the sessions begin on
    /// 2026-01-05 at 8:00 UTC.
    #[arg(long, value_name = "TIME")]
    until: Option<LastEventTime>,
    #[command(flatten)]
    api: ApiArguments,
}

/// `--until`
#[derive(Clone, Copy)]
enum LastEventTime {
    Now,
    Given(DateTime<Utc>),
}

impl std::str::FromStr for LastEventTime {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match DateTime::parse_from_rfc3339(text) {
            _ if text == "now" => Ok(Self::Now),
            Ok(time) if time.timestamp() >= 0 => Ok(Self::Given(time.to_utc())),
            _ => Err("is neither `now` nor a time such as 2026-11-29T08:00:00Z"),
        }
    }
}

/// The recipient and the retry rules.
#[derive(Args)]
pub struct DeliveryArguments {
    /// The recipient's URL, such as http://127.0.0.1:3000/events
    url: String,
    /// The recipient's token. It is added to the URL as `outbound_event_token`.
    #[arg(long, env = "OUTBOUND_EVENT_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The most events per second, all appliances together.
    #[arg(long, value_parser = rate)]
    rate: Option<f64>,
    /// The wait after a failed attempt.
    #[arg(long, default_value = "1s")]
    retry_interval: Period,
    /// The time from its first failure after which an event is dropped.
    #[arg(long, default_value = "5m")]
    retry_duration: Period,
    /// The time for an answer.
    #[arg(long, default_value = "30s")]
    timeout: Period,
    /// CA certificates in PEM, the only ones to trust. Default: this machine's.
    #[arg(long, value_name = "FILE")]
    ca_certificate: Option<PathBuf>,
}

fn rate(text: &str) -> Result<f64> {
    match text.parse() {
        Ok(rate) if (0.001..=1_000_000.0).contains(&rate) => Ok(rate),
        _ => bail!("is not a number from 0.001 to 1000000"),
    }
}

/// The settings and counters that the senders of one command share.
struct Deliveries {
    delivery: DeliveryArguments,
    authorities: Vec<CertificateDer<'static>>,
    pace: Option<Arc<SendPace>>,
    tally: Arc<Tally>,
}

impl Deliveries {
    fn new(delivery: DeliveryArguments) -> Result<Self> {
        let authorities =
            delivery.ca_certificate.as_deref().map(tls::load_authorities).transpose()?.unwrap_or_default();
        let pace = delivery.rate.map(|rate| Arc::new(SendPace::new(rate)));
        Ok(Self { delivery, authorities, pace, tally: Arc::default() })
    }

    /// One sender for each appliance.
    fn senders(&self, appliances: usize) -> Result<Vec<EventSender>> {
        let rules = RetryRules { interval: self.delivery.retry_interval.0, duration: self.delivery.retry_duration.0 };
        let first = self.url(0)?;
        tls::check_scheme(&first, &self.authorities)?;
        // Shared: loading this machine's authorities takes longer than sending an event.
        let tls = tls::client_config(&first, &self.authorities)?;
        let sender = |number| {
            let recipient = HttpRecipient::new(self.url(number)?, tls.clone(), self.delivery.timeout.0)?;
            Ok(EventSender { number, recipient, rules, pace: self.pace.clone(), tally: Arc::clone(&self.tally) })
        };
        (0..appliances).map(sender).collect()
    }

    fn url(&self, number: usize) -> Result<Url> {
        let text = self.delivery.url.replace("{appliance}", &(number + 1).to_string());
        // The message does not repeat the URL, which can contain a secret.
        let mut url = http::parse_url(&text).map_err(|error| anyhow::anyhow!("the URL {error}"))?;
        if let Some(token) = &self.delivery.token {
            url.query_pairs_mut().append_pair("outbound_event_token", token);
        }
        Ok(url)
    }

    /// Waits for all senders or Ctrl-C, and prints the figures. Returns whether all events were accepted.
    async fn finish(&self, mut senders: JoinSet<Result<()>>, total: Option<u64>) -> Result<bool> {
        let started = Instant::now();
        let progress = SendProgress::watch(Arc::clone(&self.tally), total);
        let all = async {
            while let Some(ended) = senders.join_next().await {
                ended.context("a sender ended unexpectedly")??;
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
        if let Some(summary) = self.tally.unannounced().summary() {
            println!("{summary}");
        }
        result.map(|()| report.all_accepted())
    }
}

pub async fn send(arguments: SendArguments) -> Result<bool> {
    let SendArguments { delivery, sessions, seed, appliances, custom_fields, until, api } = arguments;
    let deliveries = Deliveries::new(delivery)?;
    let times = match until {
        None => AgendaTimes::of_january(seed),
        Some(until) => {
            let now = Utc::now() + TimeDelta::seconds(api.clock_skew());
            let until = if let LastEventTime::Given(time) = until { time } else { now };
            AgendaTimes::until(seed, sessions, until.timestamp().try_into().unwrap_or_default())
        }
    };
    let served = {
        let register = Arc::<SessionRegister>::default();
        if api.is_served() {
            (0..sessions).for_each(|number| register.add_generated(times.occurrence(number, api.clock_skew())));
        }
        api.serve(register, seed)?
    };
    let (drops, tally) = (api.drops(), &deliveries.tally);
    let total = (0..sessions).map(|number| SupportSession::generate(seed, number).steps.len() as u64).sum();
    let mut senders = JoinSet::new();
    for (sender, index) in deliveries.senders(appliances.get())?.into_iter().zip(0..) {
        let mut agenda = Agenda::new(seed, sessions, index, appliances.get(), custom_fields).at(times);
        let tally = Arc::clone(tally);
        senders.spawn(async move {
            while let Some(AgendaEvent { session, step, form }) = agenda.next_event() {
                if drops.drops(seed, session, step) {
                    tally.lose(&form);
                } else {
                    sender.deliver(form).await;
                }
            }
            Ok(())
        });
    }
    let all_accepted = deliveries.finish(senders, Some(total)).await?;
    if served.is_some() {
        let stopped = stop_requested();
        eprintln!("All events are sent. The APIs are served until Ctrl-C");
        stopped.await;
    }
    Ok(all_accepted)
}

pub async fn replay_file(file: &Path, delivery: DeliveryArguments) -> Result<bool> {
    let deliveries = Deliveries::new(delivery)?;
    let Some(sender) = deliveries.senders(1)?.pop() else { return Ok(false) };
    let mut senders = JoinSet::new();
    if file.as_os_str() == "-" {
        senders.spawn(replay_input(sender));
        return deliveries.finish(senders, None).await;
    }
    // Read the whole file first: with a fault in the last line, nothing must be sent.
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

/// Sends each event as soon as its line is complete.
async fn replay_input(sender: EventSender) -> Result<()> {
    let (sender_of_lines, mut lines) = tokio::sync::mpsc::channel(1);
    // A separate thread: waiting for a line must not delay a stop.
    std::thread::spawn(move || std::io::stdin().lines().try_for_each(|line| sender_of_lines.blocking_send(line)));
    let mut number = 0;
    while let Some(line) = lines.recv().await {
        let line = line.context("standard input cannot be read")?;
        number += 1;
        if !line.trim().is_empty() {
            sender.deliver(form(&line, number).context("the lines before it were sent")?).await;
        }
    }
    Ok(())
}

fn form(line: &str, number: u64) -> Result<String> {
    replay::form_of_line(line).with_context(|| format!("line {number}"))
}
