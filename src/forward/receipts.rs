//! Receipts: they name events that are not sent to a destination any more, since it has them or does not want them.
//!
//! A receipt names many events in one value, since platforms have few keys and each write costs what an event costs. A delivery run
//! writes it again as it grows, and the next run continues it; nobody else changes it. Runs at once may overwrite each other's: what is
//! lost so is sent twice.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::state::key;
use crate::archive::Listing;
use crate::base64_array;
use crate::deadline::{Deadline, millis};
use crate::identity::{DestinationName, Id};
use crate::keys::{ForwardKey, Forwards, KeyParts};
use crate::store::{Store, StoreError};

/// How many events a receipt names before another is begun.
const RECEIPT_EVENTS: usize = 512;

/// How many of them are joined to one that many name.
const JOINED_AT_ONCE: usize = 8;

/// The largest number of events that a joined receipt names: 16 bytes each, in base64, within what every platform takes.
const MAX_JOINED: usize = 16_000;

/// For how long after it was written a receipt is left as it is.
const KEEPS: Duration = Duration::from_secs(60);

/// A receipt as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// When the last of its events was sent, in Unix milliseconds.
    at: i64,
    /// The events' ids, 16 bytes each.
    #[serde(with = "base64_array")]
    ids: Vec<Id>,
}

/// A receipt that grows.
#[derive(Debug)]
pub struct Receipt {
    destination: DestinationName,
    key: Option<ForwardKey>,
    ids: Vec<Id>,
    written: usize,
}

impl Receipt {
    /// An empty one, which is not stored.
    pub fn new(destination: DestinationName) -> Self {
        Self { destination, key: None, ids: Vec::new(), written: 0 }
    }

    /// The one that the last run ended with, if it is there.
    pub async fn resumed(store: &impl Store, destination: DestinationName, id: Option<Id>) -> Result<Self, StoreError> {
        let key = id.map(|id| ForwardKey { destination: destination.clone(), what: Forwards::Receipt(id) });
        let stored = match &key {
            Some(key) => load(store, &key.to_string()).await?,
            None => None,
        };
        Ok(match stored {
            Some(Stored { ids, .. }) => Self { destination, key, written: ids.len(), ids },
            None => Self::new(destination),
        })
    }

    /// The id that the next run continues it by.
    pub fn id(&self) -> Option<Id> {
        self.key.as_ref().and_then(|key| match key.what {
            Forwards::Receipt(id) => Some(id),
            _ => None,
        })
    }

    /// Leaves what is stored to another run, and writes the rest under another key.
    pub fn part(&mut self) {
        self.ids.drain(..self.written);
        (self.key, self.written) = (None, 0);
    }

    /// Adds an event that is not sent any more.
    pub fn add(&mut self, id: Id) {
        self.ids.push(id);
    }

    /// How many events are not written yet.
    pub fn unwritten(&self) -> usize {
        self.ids.len() - self.written
    }

    /// Writes what is not written yet.
    pub async fn write(&mut self, store: &impl Store, now: DateTime<Utc>) -> Result<(), StoreError> {
        if self.unwritten() == 0 {
            return Ok(());
        }
        let stored = Stored { at: now.timestamp_millis(), ids: std::mem::take(&mut self.ids) };
        let value = serde_json::to_vec(&stored).unwrap_or_default();
        self.ids = stored.ids;
        let destination = &self.destination;
        let key = self.key.get_or_insert_with(|| ForwardKey {
            destination: destination.clone(),
            what: Forwards::Receipt(Id::of_value(&value)),
        });
        store.set(&key.to_string(), &value).await?;
        self.written = self.ids.len();
        if self.written >= RECEIPT_EVENTS {
            (self.key, self.written) = (None, 0);
            self.ids.clear();
        }
        Ok(())
    }
}

/// Joins receipts where there are many, and takes out what is no longer loose. New ones are written before old ones go.
pub async fn tidy(store: &impl Store, listing: &Listing, now: DateTime<Utc>) -> Result<(), StoreError> {
    let mut of: Vec<(&DestinationName, Vec<&ForwardKey>)> = Vec::new();
    for key in listing.forwards.iter().filter(|key| matches!(key.what, Forwards::Receipt(_))) {
        match of.iter_mut().find(|(name, _)| **name == key.destination) {
            Some((_, keys)) => keys.push(key),
            None => of.push((&key.destination, vec![key])),
        }
    }
    let mut loose = HashSet::new();
    if !of.is_empty() {
        loose.extend(listing.loose.iter().filter_map(|key| KeyParts::of(key)?.id.parse::<Id>().ok()));
    }
    for (name, keys) in of {
        tidy_one(store, name, &keys, &loose, now).await?;
    }
    Ok(())
}

async fn tidy_one(
    store: &impl Store,
    name: &DestinationName,
    keys: &[&ForwardKey],
    loose: &HashSet<Id>,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let (mut kept, mut old, mut at) = (BTreeSet::new(), Vec::new(), 0);
    for key in keys {
        let Some(stored) = load(store, &key.to_string()).await? else { continue };
        // It may be growing, and what it names may not be listed yet.
        if (Deadline { at: stored.at, wait: millis(KEEPS) }).holds(now) {
            continue;
        }
        let needed: Vec<_> = stored.ids.iter().filter(|id| loose.contains(id)).copied().collect();
        // A large one that is needed throughout is left as it is.
        if needed.len() == stored.ids.len() && needed.len() > MAX_JOINED / JOINED_AT_ONCE {
            continue;
        }
        if needed.is_empty() {
            store.delete(&key.to_string()).await?;
            continue;
        }
        at = at.max(stored.at);
        kept.extend(needed);
        old.push(*key);
    }
    if old.len() < JOINED_AT_ONCE {
        return Ok(());
    }
    let kept: Vec<_> = kept.into_iter().collect();
    let mut new = Vec::new();
    for ids in kept.chunks(MAX_JOINED) {
        let value = serde_json::to_vec(&Stored { at, ids: ids.to_vec() }).unwrap_or_default();
        let key = ForwardKey { destination: name.clone(), what: Forwards::Receipt(Id::of_value(&value)) };
        store.set(&key.to_string(), &value).await?;
        new.push(key);
    }
    for key in old.into_iter().filter(|key| !new.contains(key)) {
        store.delete(&key.to_string()).await?;
    }
    Ok(())
}

/// The ids that a receipt names. One that cannot be read names none: it repeats deliveries, and loses none.
pub(super) async fn ids(store: &impl Store, name: &DestinationName, receipt: Id) -> Result<Vec<Id>, StoreError> {
    let stored = load(store, &key(name, Forwards::Receipt(receipt))).await?;
    Ok(stored.map(|stored| stored.ids).unwrap_or_default())
}

async fn load(store: &impl Store, key: &str) -> Result<Option<Stored>, StoreError> {
    let value = store.get(key).await?;
    Ok(value.and_then(|value| serde_json::from_slice(&value).ok()))
}
