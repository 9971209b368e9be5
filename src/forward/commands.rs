//! Commands to a destination: pause, resume, replay, retry a refused event, skip the first pending event. An administrator gives them;
//! a delivery run and compaction pause, too.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::destination::Destination;
use super::pending::{Next, Pending};
use super::refused::Refused;
use super::state::{DestinationState, key, rfc3339};
use crate::archive::Listing;
use crate::event::Timestamp;
use crate::identity::{DestinationName, Id};
use crate::keys::Forwards;
use crate::store::{Store, StoreError};

/// That nothing is sent to a destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// Since when: RFC 3339 in UTC.
    pub since: String,
    /// Why.
    pub reason: String,
}

/// Pauses a destination. Gives the line for the log.
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

/// Resumes a destination that is paused or failing: the next delivery run begins at once. Gives since when it was paused, if it was: what
/// was packed since then is not sent unless a replay is asked for.
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

/// Ends the wait after a failure. A run that is under way writes the state itself, and is not waiting.
async fn end_rest(store: &impl Store, name: &DestinationName, now: DateTime<Utc>) -> Result<(), StoreError> {
    let state = DestinationState::read(store, name).await?;
    if state.has_live_lease(now) {
        return Ok(());
    }
    DestinationState { rest: None, lease: None, failing: None, ..state }.write(store, name).await
}

/// Since when and why a destination is paused, if it is.
pub async fn paused(store: &impl Store, name: &DestinationName) -> Result<Option<Paused>, StoreError> {
    let value = store.get(&key(name, Forwards::Paused)).await?;
    let unreadable = || Paused { since: String::new(), reason: "the stored reason cannot be read".to_owned() };
    Ok(value.map(|value| serde_json::from_slice(&value).unwrap_or_else(|_| unreadable())))
}

/// Asks for a replay: what is stored of a time is sent again.
pub async fn replay(
    store: &impl Store,
    name: &DestinationName,
    from: Timestamp,
    to: Timestamp,
) -> Result<(), StoreError> {
    store.set(&key(name, Forwards::Replay(from, to)), b"{}").await
}

/// Asks for one more try of a refused event. One whose record could not be read becomes pending again.
pub async fn retry(store: &impl Store, name: &DestinationName, listed: Forwards) -> Result<(), StoreError> {
    match listed {
        Forwards::Refused(id) => store.set(&key(name, Forwards::Retry(id)), b"{}").await,
        other => store.delete(&key(name, other)).await,
    }
}

/// Skips the first pending event: it is listed as refused, and the next one is sent at once. With `only`, nothing is skipped unless that
/// event is the first. Gives its id and the line for the log, or nothing if no such event is pending.
pub async fn skip(
    store: &impl Store,
    destination: &Destination,
    only: Option<Id>,
    now: DateTime<Utc>,
) -> Result<Option<(Id, String)>, StoreError> {
    let name = &destination.name;
    let listing = Listing::load(store).await?;
    let mut queue = Pending::of(store, destination, &listing).await?.queue(&listing);
    let first = loop {
        match queue.next(store, destination).await? {
            Next::Event(entry) => break entry,
            Next::Empty => return Ok(None),
            Next::Unwanted(_) | Next::Unreadable(..) | Next::Read => {}
        }
    };
    if only.is_some_and(|only| only != first.key.id) {
        return Ok(None);
    }
    let reason = "an administrator skipped it";
    let line = Refused::of(&first, reason, now).write(store, name).await?;
    end_rest(store, name, now).await?;
    Ok(Some((first.key.id, line)))
}
