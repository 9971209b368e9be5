//! A backlog, as it waits after an outage, drained by `appliance send`: one event at a time, on one connection.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::contender::{Contender, binary};

/// About how many events a session has.
const EVENTS_A_SESSION: u64 = 11;

/// What became of a backlog.
#[derive(Clone, Copy, Debug)]
pub struct Drained {
    /// How many events it was.
    pub events: u64,
    /// From the start of the sender's process to its end.
    pub took: Duration,
}

impl Drained {
    /// Events a second.
    pub fn rate(&self) -> f64 {
        self.events as f64 / self.took.as_secs_f64()
    }
}

/// Sends sessions of about `events` events, the same for the same `seed`. An error if one was not accepted.
pub fn drain(contender: &Contender, events: u64, seed: u64) -> Result<Drained> {
    let mut command = Command::new(binary("appliance")?);
    command.arg("send").arg(format!("http://{}/events", contender.address()));
    command.args(["--sessions", &(events / EVENTS_A_SESSION).to_string(), "--seed", &seed.to_string()]);
    let started = Instant::now();
    let ended = command.stdin(Stdio::null()).stderr(Stdio::null()).output()?;
    let took = started.elapsed();
    ensure!(ended.status.success(), "{} did not take all of the backlog: {}", contender.name(), contender.log_tail());
    // The table's one row begins with how many there were.
    let table = String::from_utf8_lossy(&ended.stdout);
    let events = table.split_whitespace().find_map(|word| word.parse().ok());
    Ok(Drained { events: events.context("the sender did not say how many events it sent")?, took })
}
