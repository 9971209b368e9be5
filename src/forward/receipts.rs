//! Receipts: they name the events that a destination has accepted or that its filter excludes. These are not sent
//! again.
//!
//! A receipt names many events in one value, because platforms limit keys and each write costs as much as storing an
//! event. A delivery run rewrites its receipt as it grows, and the next run continues it.
//! Concurrent runs can overwrite each other's receipt: those events are sent twice.

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

/// A receipt with this many events is complete: the run begins another.
const RECEIPT_EVENTS: usize = 512;

/// Receipts are joined once there are this many.
const JOINED_AT_ONCE: usize = 8;

/// The largest number of events in a joined receipt: 16 bytes each, in base64, fit a value on every platform.
const MAX_JOINED: usize = 16_000;

/// A receipt is not touched for this long after it was written.
const KEEPS: Duration = Duration::from_secs(60);

/// A receipt as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// When its last event was sent, in Unix milliseconds.
    at: i64,
    /// The ids of the events, 16 bytes each.
    #[serde(with = "base64_array")]
    ids: Vec<Id>,
}

/// The receipt of a run, which grows.
#[derive(Debug)]
pub struct Receipt {
    destination: DestinationName,
    key: Option<ForwardKey>,
    ids: Vec<Id>,
    written: usize,
}

impl Receipt {
    /// An empty receipt, which is not stored yet.
    pub fn new(destination: DestinationName) -> Self {
        Self { destination, key: None, ids: Vec::new(), written: 0 }
    }

    /// The receipt with which the last run ended, if it exists.
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

    /// The id by which the next run finds it.
    pub fn id(&self) -> Option<Id> {
        self.key.as_ref().and_then(|key| match key.what {
            Forwards::Receipt(id) => Some(id),
            _ => None,
        })
    }

    /// Leaves the stored part to another run, and writes the rest under another key.
    pub fn split_off(&mut self) {
        self.ids.drain(..self.written);
        (self.key, self.written) = (None, 0);
    }

    /// Adds an event.
    pub fn add(&mut self, id: Id) {
        self.ids.push(id);
    }

    /// The number of events that are not written yet.
    pub fn unwritten(&self) -> usize {
        self.ids.len() - self.written
    }

    /// Writes the receipt, if it has grown.
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

/// Joins the receipts of a destination where there are many, and drops events that are no longer loose. Writes new
/// receipts before it deletes old ones.
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
        loose.extend(listing.loose.iter().filter_map(|key| KeyParts::split(key)?.id.parse::<Id>().ok()));
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
        // It may still grow, and its events may be missing in this listing.
        if (Deadline { at: stored.at, wait: millis(KEEPS) }).holds(now) {
            continue;
        }
        let needed: Vec<_> = stored.ids.iter().filter(|id| loose.contains(id)).copied().collect();
        // A large receipt without dropped events gains nothing from a rewrite.
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

/// The ids that a receipt names. An unreadable receipt names none: its deliveries are repeated.
pub(super) async fn ids(store: &impl Store, name: &DestinationName, receipt: Id) -> Result<Vec<Id>, StoreError> {
    let stored = load(store, &key(name, Forwards::Receipt(receipt))).await?;
    Ok(stored.map(|stored| stored.ids).unwrap_or_default())
}

async fn load(store: &impl Store, key: &str) -> Result<Option<Stored>, StoreError> {
    let value = store.get(key).await?;
    Ok(value.and_then(|value| serde_json::from_slice(&value).ok()))
}
