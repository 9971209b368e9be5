//! Drains a backlog, as after an outage, with `appliance send`: one event at a time, on one connection.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::contender::{Contender, binary};

/// The average number of events of a session.
const EVENTS_PER_SESSION: u64 = 11;

/// A drained backlog.
#[derive(Clone, Copy, Debug)]
pub struct Drained {
    /// The number of events.
    pub events: u64,
    /// From the start to the end of the sender's process.
    pub took: Duration,
}

impl Drained {
    /// Events a second.
    pub fn rate(&self) -> f64 {
        self.events as f64 / self.took.as_secs_f64()
    }
}

/// Sends sessions with about `events` events, determined by `seed`. An error if an event is not accepted.
pub fn drain(contender: &Contender, events: u64, seed: u64) -> Result<Drained> {
    let mut command = Command::new(binary("appliance")?);
    command.arg("send").arg(format!("http://{}/events", contender.address()));
    command.args(["--sessions", &(events / EVENTS_PER_SESSION).to_string(), "--seed", &seed.to_string()]);
    let started = Instant::now();
    let ended = command.stdin(Stdio::null()).stderr(Stdio::null()).output()?;
    let took = started.elapsed();
    ensure!(ended.status.success(), "{} did not accept the whole backlog: {}", contender.name(), contender.log_tail());
    // The first number of the table is the number of events.
    let table = String::from_utf8_lossy(&ended.stdout);
    let events = table.split_whitespace().find_map(|word| word.parse().ok());
    Ok(Drained { events: events.context("the sender's table has no number of events")?, took })
}
