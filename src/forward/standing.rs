//! How destinations do, as it is kept and told; and what an administrator does about it.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::destination::{Destination, Way};
use super::owed::Owing;
use crate::archive::Listing;
use crate::deadline::{Deadline, Waited, millis};
use crate::event::Timestamp;
use crate::identity::{DestinationName, Id};
use crate::keys::{ForwardKey, Forwards, KeyParts};
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
pub(super) const LEASE: Duration = Duration::from_secs(5);

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
pub(super) fn key(name: &DestinationName, what: Forwards) -> String {
    ForwardKey { destination: name.clone(), what }.to_string()
}

/// That nothing is sent to a destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// Since when: RFC 3339 in UTC.
    pub since: String,
    /// Why.
    pub reason: String,
}

/// Pauses a destination.
pub async fn pause(
    store: &impl Store,
    name: &DestinationName,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let paused = Paused { since: rfc3339(now), reason: reason.to_owned() };
    store.set(&key(name, Forwards::Paused), &serde_json::to_vec(&paused).unwrap_or_default()).await
}

/// Lets a destination that is paused or failing be sent to at once. Gives since when it was paused, if it was: what was packed
/// since then is not sent unless a replay is asked for.
pub async fn resume(store: &impl Store, name: &DestinationName) -> Result<Option<Paused>, StoreError> {
    let paused = paused(store, name).await?;
    let standing = Standing { rest: None, owner: 0, failing: None, ..Standing::of(store, name).await? };
    standing.write(store, name).await?;
    store.delete(&key(name, Forwards::Paused)).await?;
    Ok(paused)
}

/// Since when and why a destination is paused, if it is.
pub async fn paused(store: &impl Store, name: &DestinationName) -> Result<Option<Paused>, StoreError> {
    let value = store.get(&key(name, Forwards::Paused)).await?;
    let unreadable = || Paused { since: String::new(), reason: "what was written of it cannot be read".to_owned() };
    Ok(value.map(|value| serde_json::from_slice(&value).unwrap_or_else(|_| unreadable())))
}

/// Has what is stored of a time sent again.
pub async fn replay(
    store: &impl Store,
    name: &DestinationName,
    from: Timestamp,
    to: Timestamp,
) -> Result<(), StoreError> {
    store.set(&key(name, Forwards::Replay(from, to)), b"{}").await
}

/// An event that a destination refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The event's id.
    pub id: String,
    /// Its time: RFC 3339 in UTC.
    pub time: String,
    /// Its name.
    pub event: String,
    /// When it was refused: RFC 3339 in UTC.
    pub refused: String,
    /// Why.
    pub reason: String,
}

/// The most events that a destination may refuse before it is paused: it is more likely that something is wrong with it.
pub const MOST_REFUSED: usize = 100;

/// What a destination refused, the oldest first.
pub async fn refused(
    store: &impl Store,
    name: &DestinationName,
    listing: &Listing,
) -> Result<Vec<Refused>, StoreError> {
    let mut all = Vec::new();
    for id in refused_ids(name, listing) {
        let value = store.get(&key(name, Forwards::Refused(id))).await?;
        all.extend(value.and_then(|value| serde_json::from_slice::<Refused>(&value).ok()));
    }
    all.sort_by(|one, other| (&one.time, &one.id).cmp(&(&other.time, &other.id)));
    Ok(all)
}

/// The ids of what a destination refused.
pub fn refused_ids<'l>(name: &'l DestinationName, listing: &'l Listing) -> impl Iterator<Item = Id> + 'l {
    listing.forwards.iter().filter(|key| key.destination == *name).filter_map(|key| match key.what {
        Forwards::Refused(id) => Some(id),
        _ => None,
    })
}

/// Has a refused event sent once more.
pub async fn again(store: &impl Store, name: &DestinationName, id: Id) -> Result<(), StoreError> {
    store.set(&key(name, Forwards::Again(id)), b"{}").await
}

/// What is told of a destination. Holds no secret, and of its URL only the origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Its name.
    pub name: String,
    /// `cloudevents`, `form`, `template` or `pull`.
    pub format: &'static str,
    /// Scheme, host and port; none where it asks itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// `working`, `failing` or `paused`.
    pub state: &'static str,
    /// How many events it is owed, as far as keys tell.
    pub owed: usize,
    /// The time of the oldest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_owed: Option<String>,
    /// When it took an event last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success: Option<String>,
    /// What went wrong last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Since when it fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<String>,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_try: Option<String>,
    /// Since when and why it is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
    /// How many events it refused.
    pub refused: usize,
    /// How many replays are under way.
    pub replays: usize,
}

/// `working`, `failing` or `paused`.
pub async fn state(store: &impl Store, name: &DestinationName) -> Result<&'static str, StoreError> {
    Ok(state_of(paused(store, name).await?.as_ref(), &Standing::of(store, name).await?))
}

fn state_of(paused: Option<&Paused>, standing: &Standing) -> &'static str {
    match (paused, &standing.failing) {
        (Some(_), _) => "paused",
        (None, Some(_)) => "failing",
        (None, None) => "working",
    }
}

/// How a destination does.
pub async fn told(store: &impl Store, destination: &Destination, listing: &Listing) -> Result<Told, StoreError> {
    let name = &destination.name;
    let owing = Owing::of(store, destination, listing).await?;
    let (owed, oldest) = owed(&owing, listing);
    let standing = Standing::of(store, name).await?;
    let paused = paused(store, name).await?;
    let own = || listing.forwards.iter().filter(|key| key.destination == *name);
    let time = |millis: i64| DateTime::from_timestamp_millis(millis).map(rfc3339);
    Ok(Told {
        name: name.to_string(),
        format: match &destination.way {
            Way::Push(push) => push.format.as_str(),
            Way::Pull => "pull",
        },
        origin: destination.origin().map(str::to_owned),
        state: state_of(paused.as_ref(), &standing),
        owed,
        oldest_owed: oldest.map(Timestamp::rfc3339),
        last_success: standing.succeeded.and_then(time),
        last_error: standing.error,
        failing_since: standing.failing.as_ref().and_then(|failing| time(failing.since)),
        next_try: standing.rest.filter(|_| standing.failing.is_some()).and_then(|rest| time(rest.end())),
        paused,
        refused: refused_ids(name, listing).count(),
        replays: own().filter(|key| matches!(key.what, Forwards::Replay(..))).count(),
    })
}

fn owed(owing: &Owing<'_>, listing: &Listing) -> (usize, Option<Timestamp>) {
    let parts = listing.loose.iter().filter_map(|key| KeyParts::of(key)).filter(|parts| owing.owes(parts));
    parts.fold((0, None), |(count, oldest), parts| {
        let time = parts.time();
        (count + 1, [oldest, time].into_iter().flatten().min())
    })
}

pub(super) fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}
