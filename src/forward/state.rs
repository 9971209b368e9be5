//! The stored state of a destination: its failures, its waits, its lease. Only the run that has the lease writes it
//! while the lease is live. An administrator's commands have keys of their own (`commands.rs`).

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::deadline::{Deadline, Waited, millis};
use crate::identity::{DestinationName, Id};
use crate::keys::{ForwardKey, Forwards};
use crate::store::{Store, StoreError};

/// The state of a destination as the last delivery run stored it. Times are Unix milliseconds. If the state is lost,
/// deliveries are repeated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationState {
    /// The lease of the run that is under way, or that died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<Lease>,
    /// Nothing is sent while this holds: the wait after a failure, or until the next hour's requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<Deadline>,
    /// The consecutive failures, if the destination fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<FailureStreak>,
    /// The event that failed last. It stays while others are delivered, so that its failures keep counting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck: Option<Stuck>,
    /// The batch whose event at fault is being looked for, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub narrowed: Option<NarrowedBatch>,
    /// When the destination last accepted an event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeded: Option<i64>,
    /// The last error. It stays after the destination works again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The event that `error` is about. The receiver's words in `error` may repeat the event's content, so `error` is
    /// deleted with the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_event: Option<String>,
    /// The beginning of the last body of an answer that accepted an event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The last attempts, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<DeliveryAttempt>,
    /// The id of the receipt that the next run continues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    /// The hour in which `requests` counts. It begins with its first request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Deadline>,
    /// The number of requests in that hour.
    #[serde(default)]
    pub requests: u32,
}

/// The number of attempts that the state keeps.
const MAX_ATTEMPTS: usize = 10;

/// A request to a destination, and its answer. It has no words of the receiver, which may repeat the event's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryAttempt {
    /// When it began, in Unix milliseconds.
    pub at: i64,
    /// The id of its event, or of the first of several.
    pub event: String,
    /// The number of its events.
    pub events: usize,
    /// The status of the answer, such as `200 OK`, or why there was none.
    pub answer: String,
    /// How long the answer took.
    pub milliseconds: u64,
}

/// A lease, as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The run that has it, by a random number.
    pub owner: u64,
    /// No other run begins while this holds.
    pub held: Deadline,
}

/// The consecutive failures of a destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureStreak {
    /// The first failure, in Unix milliseconds.
    pub since: i64,
    /// The number of failures in a row.
    pub failures: u32,
    /// The time that was waited for the destination. Steps of the clock do not count.
    #[serde(default)]
    pub waited: Waited,
    /// The planned length of the current wait, in milliseconds.
    #[serde(default)]
    pub planned: u64,
}

/// An event that failed, and its consecutive failures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stuck {
    /// The event's id.
    pub event: String,
    /// The number of failures in a row.
    pub failures: u32,
    /// The number of events of the request that failed. The event is the first of them.
    #[serde(default)]
    pub events: usize,
}

/// A batch that is sent in parts, because it was refused or failed too often.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NarrowedBatch {
    /// The most events of the next request.
    pub size: usize,
    /// The number of its events that are neither delivered nor refused. Too large after a crash, which makes the next
    /// requests smaller than they need be.
    pub remaining: usize,
}

impl NarrowedBatch {
    /// The number of events of the next request.
    pub fn next(&self) -> usize {
        self.size.min(self.remaining).max(1)
    }
}

impl FailureStreak {
    /// No failure yet.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self { since: now.timestamp_millis(), failures: 0, waited: Waited::since(now), planned: 0 }
    }

    /// Adds a failure. The next attempt follows after `wait`.
    pub fn add(&mut self, now: DateTime<Utc>, wait: Duration) {
        self.waited.add(now, Duration::from_millis(self.planned));
        self.failures = self.failures.saturating_add(1);
        self.planned = millis(wait);
        // Never show a time in the future.
        self.since = self.since.min(now.timestamp_millis());
    }
}

impl DestinationState {
    /// Reads the state. Returns the default if no run has stored one, or if it cannot be read.
    pub async fn load(store: &impl Store, name: &DestinationName) -> Result<Self, StoreError> {
        let value = store.get(&key(name, Forwards::State)).await?;
        Ok(value.and_then(|value| serde_json::from_slice(&value).ok()).unwrap_or_default())
    }

    /// Stores the state.
    pub async fn save(&self, store: &impl Store, name: &DestinationName) -> Result<(), StoreError> {
        store.set(&key(name, Forwards::State), &serde_json::to_vec(self).unwrap_or_default()).await
    }

    /// Whether a delivery run is under way.
    pub fn has_live_lease(&self, now: DateTime<Utc>) -> bool {
        self.lease.is_some_and(|lease| lease.held.holds(now))
    }

    /// Whether the destination waits: after a failure, or for the next hour's requests.
    pub fn rests(&self, now: DateTime<Utc>) -> bool {
        self.rest.is_some_and(|rest| rest.holds(now))
    }

    /// The consecutive failures of an event.
    pub fn failures_of(&self, event: Id) -> u32 {
        self.stuck.as_ref().filter(|stuck| *stuck.event == *event.text()).map_or(0, |stuck| stuck.failures)
    }

    /// Adds a failure of an event, the first of the `events` of a request.
    pub fn add_failure_of(&mut self, event: Id, events: usize) {
        let failures = self.failures_of(event).saturating_add(1);
        self.stuck = Some(Stuck { event: event.text(), failures, events });
    }

    /// A request with this many events was refused: the next one has half as many.
    pub fn narrow(&mut self, events: usize) {
        self.narrowed = Some(NarrowedBatch { size: events.div_ceil(2), remaining: events });
    }

    /// The events of the batch that failed are sent one by one, unless they already are.
    pub fn narrow_to_one(&mut self) {
        let events = self.stuck.as_ref().map_or(1, |stuck| stuck.events.max(1));
        if self.narrowed.as_ref().is_none_or(|narrowed| narrowed.size > 1) {
            self.narrowed = Some(NarrowedBatch { size: 1, remaining: events });
        }
    }

    /// This many events are delivered or refused.
    pub fn settle(&mut self, events: usize) {
        let Some(narrowed) = &mut self.narrowed else { return };
        narrowed.remaining = narrowed.remaining.saturating_sub(events);
        if narrowed.remaining == 0 {
            self.narrowed = None;
        }
    }

    /// Notes an attempt, and forgets the oldest.
    pub fn note_attempt(&mut self, attempt: DeliveryAttempt) {
        self.attempts.truncate(MAX_ATTEMPTS - 1);
        self.attempts.insert(0, attempt);
    }

    /// Forgets the failures of an event that is delivered or refused.
    pub fn forget_failures_of(&mut self, event: Id) {
        if self.failures_of(event) > 0 {
            self.stuck = None;
        }
    }
}

/// The key of a value that belongs to a destination.
pub(super) fn key(name: &DestinationName, what: Forwards) -> String {
    ForwardKey { destination: name.clone(), what }.to_string()
}

pub(super) fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
