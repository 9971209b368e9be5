//! Commands to a destination: pause, resume, replay, retry a refused event, skip the first pending event. They come
//! from an administrator; delivery runs and compaction pause destinations, too.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::destination::Destination;
use super::pending::{Pending, QueueStep};
use super::refused::Refused;
use super::state::{DestinationState, key, rfc3339};
use super::wanted;
use crate::archive;
use crate::event::Timestamp;
use crate::identity::{DestinationName, Id};
use crate::keys::Forwards;
use crate::platform::Platform;
use crate::store::{Store, StoreError};

/// The pause of a destination, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// When it began: RFC 3339 in UTC.
    pub since: String,
    /// The reason, for the administrator.
    pub reason: String,
}

/// Pauses a destination. Returns the log line.
pub async fn pause(
    store: &impl Store,
    name: &DestinationName,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<String, StoreError> {
    let paused = Paused { since: rfc3339(now), reason: reason.to_owned() };
    store.set(&key(name, Forwards::Paused), &serde_json::to_vec(&paused).unwrap_or_default()).await?;
    Ok(format!("destination {name}: paused: {reason}"))
}

/// Resumes a destination that is paused or failing: the next delivery run begins at once. Returns the pause that
/// ended, if any. Events that were packed during the pause are sent only by a replay.
pub async fn resume(
    store: &impl Store,
    name: &DestinationName,
    now: DateTime<Utc>,
) -> Result<Option<Paused>, StoreError> {
    let paused = paused(store, name).await?;
    end_rest(store, name, now).await?;
    store.delete(&key(name, Forwards::Paused)).await?;
    Ok(paused)
}

/// Ends the wait after a failure. Does nothing during a run: the run writes the state itself, and is not waiting.
async fn end_rest(store: &impl Store, name: &DestinationName, now: DateTime<Utc>) -> Result<(), StoreError> {
    let state = DestinationState::load(store, name).await?;
    if state.has_live_lease(now) {
        return Ok(());
    }
    DestinationState { rest: None, lease: None, failing: None, ..state }.save(store, name).await
}

/// The pause of a destination, if it is paused.
pub async fn paused(store: &impl Store, name: &DestinationName) -> Result<Option<Paused>, StoreError> {
    let value = store.get(&key(name, Forwards::Paused)).await?;
    let unreadable = || Paused { since: String::new(), reason: "the stored reason cannot be read".to_owned() };
    Ok(value.map(|value| serde_json::from_slice(&value).unwrap_or_else(|_| unreadable())))
}

/// Requests a replay: stored events from `from` until `to` are sent again.
pub async fn replay(
    store: &impl Store,
    name: &DestinationName,
    from: Timestamp,
    to: Timestamp,
) -> Result<(), StoreError> {
    store.set(&key(name, Forwards::Replay(from, to)), b"{}").await
}

/// Requests a retry of a refused event. An event whose record could not be read becomes pending again.
pub async fn retry(store: &impl Store, name: &DestinationName, listed: Forwards) -> Result<(), StoreError> {
    match listed {
        Forwards::Refused(id) => store.set(&key(name, Forwards::Retry(id)), b"{}").await,
        other => store.delete(&key(name, other)).await,
    }
}

/// Skips the first pending event: it is listed as refused, and the next one is sent at once. With `only`, skips
/// nothing unless that event is the first. Returns the skipped event's id and the log line, or nothing if there was
/// no such event.
pub async fn skip<P: Platform>(
    platform: &P,
    destination: &Destination,
    only: Option<Id>,
) -> Result<Option<(Id, String)>, StoreError> {
    let (store, name, now) = (platform.store(), &destination.name, platform.now());
    let listing = archive::list_visible(store, now).await?;
    let mut queue = Pending::load(store, destination, &listing).await?.queue(&listing);
    let first = loop {
        match queue.next(store, destination).await? {
            QueueStep::Event(entry) => {
                // An event whose condition fails is refused by the next run.
                if wanted::is_wanted(platform, destination, &entry).await? == Ok(true) {
                    break entry;
                }
            }
            QueueStep::Empty => return Ok(None),
            QueueStep::Unwanted(_) | QueueStep::Unreadable(..) | QueueStep::Read => {}
        }
    };
    if only.is_some_and(|only| only != first.key.id) {
        return Ok(None);
    }
    let reason = "an administrator skipped it";
    let line = Refused::new(&first, reason, now).write(store, name).await?;
    end_rest(store, name, now).await?;
    Ok(Some((first.key.id, line)))
}
