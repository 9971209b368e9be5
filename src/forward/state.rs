//! The stored state of a destination: its failures, its waits, its lease. The run that has the lease writes it, and nobody else does
//! while that lease is alive: an administrator's commands have keys of their own (`commands.rs`).

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::deadline::{Deadline, Waited, millis};
use crate::identity::{DestinationName, Id};
use crate::keys::{ForwardKey, Forwards};
use crate::store::{Store, StoreError};

/// The state of a destination as the last delivery run stored it. Times are Unix milliseconds. If it is lost, deliveries are repeated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationState {
    /// The lease of the delivery run that is under way, or that died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// While it holds nothing is sent: the wait after a failure, or for the next hour's requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<Deadline>,
    /// Since when the destination fails, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<FailureStreak>,
    /// The event that failed last. It stays while others are delivered, so that an event cannot hide among them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck: Option<Stuck>,
    /// When the destination accepted an event last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeded: Option<i64>,
    /// What went wrong last, also if all is well by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The event that `error` is about: the receiver's words in it may repeat what the event holds, so it goes with the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_event: Option<String>,
    /// The words of the last answer that accepted an event and had a body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The receipt that the next run continues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    /// The hour that `requests` counts in. It begins with its first request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Deadline>,
    /// The number of requests in that hour.
    #[serde(default)]
    pub requests: u32,
}

/// A lease as the state of a destination holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The run that has it: a random number.
    pub owner: u64,
    /// Until when no other run begins, unless it is renewed.
    pub held: Deadline,
}

/// That a destination fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureStreak {
    /// Since when.
    pub since: i64,
    /// The number of failures in a row.
    pub failures: u32,
    /// The time that was waited for it to work again, whatever the clock did meanwhile.
    #[serde(default)]
    pub waited: Waited,
    /// The planned length of the current wait, in milliseconds.
    #[serde(default)]
    pub planned: u64,
}

/// An event that failed, and how often in a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stuck {
    /// The event's id.
    pub event: String,
    /// The number of failures in a row.
    pub failures: u32,
}

impl FailureStreak {
    /// The destination begins to fail.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self { since: now.timestamp_millis(), failures: 0, waited: Waited::since(now), planned: 0 }
    }

    /// The destination fails once more, and is tried again after `wait`.
    pub fn add(&mut self, now: DateTime<Utc>, wait: Duration) {
        self.waited.add(now, Duration::from_millis(self.planned));
        self.failures = self.failures.saturating_add(1);
        self.planned = millis(wait);
        // What is shown is no time that is yet to come.
        self.since = self.since.min(now.timestamp_millis());
    }
}

impl DestinationState {
    /// Reads the state. The default, if no run has gone to the destination yet or the value cannot be read.
    pub async fn load(store: &impl Store, name: &DestinationName) -> Result<Self, StoreError> {
        let value = store.get(&key(name, Forwards::State)).await?;
        Ok(value.and_then(|value| serde_json::from_slice(&value).ok()).unwrap_or_default())
    }

    /// Stores the state.
    pub async fn save(&self, store: &impl Store, name: &DestinationName) -> Result<(), StoreError> {
        store.set(&key(name, Forwards::State), &serde_json::to_vec(self).unwrap_or_default()).await
    }

    /// Whether a delivery run is known to be under way.
    pub fn has_live_lease(&self, now: DateTime<Utc>) -> bool {
        self.lease.is_some_and(|lease| lease.held.holds(now))
    }

    /// Whether nothing is sent for now, since the destination failed or has had its requests.
    pub fn rests(&self, now: DateTime<Utc>) -> bool {
        self.rest.is_some_and(|rest| rest.holds(now))
    }

    /// How often an event has failed in a row.
    pub fn failures_of(&self, event: Id) -> u32 {
        self.stuck.as_ref().filter(|stuck| *stuck.event == *event.text()).map_or(0, |stuck| stuck.failures)
    }

    /// An event failed once more.
    pub fn add_failure_of(&mut self, event: Id) {
        let failures = self.failures_of(event).saturating_add(1);
        self.stuck = Some(Stuck { event: event.text(), failures });
    }

    /// An event is delivered or refused: it fails no longer.
    pub fn forget_failures_of(&mut self, event: Id) {
        if self.failures_of(event) > 0 {
            self.stuck = None;
        }
    }
}

/// A key of what is kept of a destination.
pub(super) fn key(name: &DestinationName, what: Forwards) -> String {
    ForwardKey { destination: name.clone(), what }.to_string()
}

pub(super) fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
