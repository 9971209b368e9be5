//! Commands to a destination: pause, resume, replay, send a refused event again. An administrator gives them; a round pauses, too.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::state::{Standing, key, rfc3339};
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

/// Has a refused event sent once more.
pub async fn again(store: &impl Store, name: &DestinationName, id: Id) -> Result<(), StoreError> {
    store.set(&key(name, Forwards::Again(id)), b"{}").await
}
