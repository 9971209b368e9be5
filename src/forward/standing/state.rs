//! The state of a destination as the last round stored it, with the lease.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use crate::archive::Listing;
use crate::deadline::{Deadline, Waited, millis};
use crate::identity::DestinationName;
use crate::keys::{ForwardKey, Forwards};
use crate::store::{Store, StoreError};

/// How a destination does: what the last round to it left. Times are Unix milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// While it holds nobody else needs to begin a round: a lease, or a wait after a failure or for the next hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<Deadline>,
    /// Who has the lease: when its round began, in nanoseconds.
    #[serde(default)]
    pub owner: i64,
    /// Since when it fails, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
    /// When it took an event last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeded: Option<i64>,
    /// What went wrong last, also if all is well by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The receipt that the next round goes on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    /// The hour that `requests` counts in. It begins with its first request. An earlier version had a number under the name `hour`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Deadline>,
    /// How many requests there were in that hour.
    #[serde(default)]
    pub requests: u32,
}

/// That a destination fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// Since when.
    pub since: i64,
    /// How often it did.
    pub failures: u32,
    /// How long was waited for it to work again: what counts, whatever the clock did meanwhile.
    #[serde(default)]
    pub waited: Waited,
    /// How long the next wait is to be, in milliseconds.
    #[serde(default)]
    pub planned: u64,
}

impl Failing {
    /// It begins to fail.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self { since: now.timestamp_millis(), failures: 0, waited: Waited::since(now), planned: 0 }
    }

    /// It fails once more, and is tried again after `wait`.
    pub fn again(&mut self, now: DateTime<Utc>, wait: Duration) {
        self.waited.add(now, Duration::from_millis(self.planned));
        self.failures = self.failures.saturating_add(1);
        self.planned = millis(wait);
        // What is shown is no time that is yet to come.
        self.since = self.since.min(now.timestamp_millis());
    }
}

impl Standing {
    /// How a destination does. Nothing is known of one that no round has gone to.
    pub async fn of(store: &impl Store, name: &DestinationName) -> Result<Self, StoreError> {
        let value = store.get(&key(name, Forwards::Round)).await?;
        Ok(value.and_then(|value| serde_json::from_slice(&value).ok()).unwrap_or_default())
    }

    /// Keeps it.
    pub async fn write(&self, store: &impl Store, name: &DestinationName) -> Result<(), StoreError> {
        store.set(&key(name, Forwards::Round), &serde_json::to_vec(self).unwrap_or_default()).await
    }
}

/// How long nobody else begins a round, unless the lease is renewed: as long a round is missed that died.
pub(in crate::forward) const LEASE: Duration = Duration::from_secs(5);

/// The leases that hold now, or waits of the same length after a failure.
pub async fn leases(store: &impl Store, now: DateTime<Utc>) -> Result<Vec<(DestinationName, Standing)>, StoreError> {
    let mut leases = Vec::new();
    for known in Listing::of(store).await?.forwards {
        if known.what == Forwards::Round {
            let standing = Standing::of(store, &known.destination).await?;
            if standing.rest.is_some_and(|rest| rest.holds(now) && rest.wait == millis(LEASE)) {
                leases.push((known.destination, standing));
            }
        }
    }
    Ok(leases)
}

/// Gives back those leases that were not renewed meanwhile, so that nobody need wait for the end of a round that was cut short. Whoever has
/// one renews it each second.
pub async fn give_back(store: &impl Store, leases: Vec<(DestinationName, Standing)>) -> Result<(), StoreError> {
    for (destination, standing) in leases {
        if Standing::of(store, &destination).await? == standing {
            Standing { rest: None, ..standing }.write(store, &destination).await?;
        }
    }
    Ok(())
}

/// A key of what is kept of a destination.
pub(in crate::forward) fn key(name: &DestinationName, what: Forwards) -> String {
    ForwardKey { destination: name.clone(), what }.to_string()
}

pub(in crate::forward) fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
