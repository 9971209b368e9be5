//! Events that a destination refused, that an administrator skipped, or whose records cannot be read. They are not
//! pending.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::state::{DestinationState, key, rfc3339};
use crate::archive::pack::RecordEntry;
use crate::archive::{self, Listing, View, events};
use crate::identity::{DestinationName, Id};
use crate::keys::{EventKey, ForwardKey, Forwards, KeyParts};
use crate::platform::Platform;
use crate::store::{Store, StoreError};

/// A refused event, as it is stored and listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The event's id.
    pub id: String,
    /// The key of its record. Earlier versions did not store it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// The event's time: RFC 3339 in UTC.
    pub time: String,
    /// The event's name.
    pub event: String,
    /// When it was refused: RFC 3339 in UTC.
    pub refused: String,
    /// The reason. At most 200 characters of it come from the receiver.
    pub reason: String,
}

/// A destination that refuses this many events is paused: more likely it is at fault, not the events.
pub const MAX_REFUSED: usize = 100;

impl Refused {
    pub(super) fn new(entry: &RecordEntry, reason: &str, now: DateTime<Utc>) -> Self {
        Self {
            id: entry.key.id.text(),
            key: entry.key.to_string(),
            time: entry.key.timestamp.rfc3339(),
            event: entry.key.event.as_str().to_owned(),
            refused: rfc3339(now),
            reason: reason.to_owned(),
        }
    }

    /// Lists the event. Returns the log line.
    pub(super) async fn write(&self, store: &impl Store, name: &DestinationName) -> Result<String, StoreError> {
        if let Ok(id) = self.id.parse() {
            store.set(&key(name, Forwards::Refused(id)), &serde_json::to_vec(self).unwrap_or_default()).await?;
        }
        Ok(format!("destination {name}: event {} was refused: {}", self.id, self.reason))
    }
}

/// Lists a loose record that cannot be read. Returns the log line.
pub async fn write_unreadable(
    store: &impl Store,
    name: &DestinationName,
    key_of_record: &str,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<String, StoreError> {
    let line = format!("destination {name}: {key_of_record} was skipped: its record cannot be read: {reason}");
    let Some((parts, id)) =
        KeyParts::split(key_of_record).and_then(|parts| Some((parts, parts.id.parse::<Id>().ok()?)))
    else {
        return Ok(line);
    };
    let refused = Refused {
        id: id.text(),
        key: key_of_record.to_owned(),
        time: parts.time().map(|time| time.rfc3339()).unwrap_or_default(),
        event: parts.event().map(|event| event.as_str().to_owned()).unwrap_or_default(),
        refused: rfc3339(now),
        reason: format!("its record cannot be read: {reason}"),
    };
    store.set(&key(name, Forwards::Unreadable(id)), &serde_json::to_vec(&refused).unwrap_or_default()).await?;
    Ok(line)
}

/// The refused, skipped and unreadable events of a destination, oldest first.
pub async fn list(store: &impl Store, name: &DestinationName, listing: &Listing) -> Result<Vec<Refused>, StoreError> {
    let mut all = Vec::new();
    for what in keys(name, listing) {
        all.extend(load(store, name, what).await?);
    }
    all.sort_by(|one, other| (&one.time, &one.id).cmp(&(&other.time, &other.id)));
    Ok(all)
}

async fn load(store: &impl Store, name: &DestinationName, what: Forwards) -> Result<Option<Refused>, StoreError> {
    let value = store.get(&key(name, what)).await?;
    Ok(value.and_then(|value| serde_json::from_slice(&value).ok()))
}

/// The listed events of a destination: [`Forwards::Refused`] and [`Forwards::Unreadable`].
pub fn keys<'l>(name: &'l DestinationName, listing: &'l Listing) -> impl Iterator<Item = Forwards> + 'l {
    let own = listing.forwards.iter().filter(|key| key.destination == *name).map(|key| key.what);
    own.filter(|what| matches!(what, Forwards::Refused(_) | Forwards::Unreadable(_)))
}

/// The ids of the events that a destination refused.
pub fn ids<'l>(name: &'l DestinationName, listing: &'l Listing) -> impl Iterator<Item = Id> + 'l {
    keys(name, listing).filter_map(|what| match what {
        Forwards::Refused(id) => Some(id),
        _ => None,
    })
}

/// At most this many events are looked up in one call of [`forget_removed`].
const MAX_LOOKUPS: usize = 256;

/// Takes events that are no longer stored off the lists: a receiver's answer about an erased event may repeat its
/// content. `concerns` selects the keys that may have been removed; an entry without a key, of an earlier version, is
/// always checked.
pub async fn forget_removed<P: Platform>(platform: &P, concerns: impl Fn(&EventKey) -> bool) -> Result<(), StoreError> {
    let store = platform.store();
    let listing = Listing::load(store).await?;
    let is_listed = |key: &&ForwardKey| matches!(key.what, Forwards::Refused(_) | Forwards::Unreadable(_));
    let mut listed: Vec<_> = listing.forwards.iter().filter(is_listed).collect();
    // If there are too many for one call, another call begins elsewhere.
    let begin = usize::try_from(platform.random()).unwrap_or(0).checked_rem(listed.len()).unwrap_or(0);
    listed.rotate_left(begin);
    let mut lookups = 0;
    for ForwardKey { destination, what } in listed {
        let (Forwards::Refused(id) | Forwards::Unreadable(id)) = *what else { continue };
        let refused = load(store, destination, *what).await?;
        let key_of = |refused: &Refused| refused.key.parse::<EventKey>().ok();
        if refused.as_ref().and_then(key_of).is_some_and(|key| !concerns(&key)) || lookups == MAX_LOOKUPS {
            continue;
        }
        lookups += 1;
        if !is_stored(platform, &listing, id).await? {
            for what in [Forwards::Refused(id), Forwards::Unreadable(id), Forwards::Retry(id)] {
                store.delete(&key(destination, what)).await?;
            }
            forget_error(platform, destination, id).await?;
        }
    }
    // An event that fails is in no list.
    for ForwardKey { destination, .. } in listing.forwards.iter().filter(|key| key.what == Forwards::State) {
        let state = DestinationState::load(store, destination).await?;
        if let Some(id) = state.error_event.and_then(|id| id.parse().ok())
            && !is_stored(platform, &listing, id).await?
        {
            forget_error(platform, destination, id).await?;
        }
    }
    Ok(())
}

/// Whether an event is stored, or may be in an unreadable value.
async fn is_stored<P: Platform>(platform: &P, listing: &Listing, id: Id) -> Result<bool, StoreError> {
    let text = id.text();
    let (found, is_all_readable) = archive::read_view(platform, async |view: &mut View<'_, P::Store>| {
        let found = events::find_event(view, id).await?.is_some();
        Ok((found, view.unreadable.is_empty()))
    })
    .await?;
    Ok(found || (!is_all_readable && listing.loose.iter().any(|key| key.ends_with(&text))))
}

/// Forgets the last error if it is about this event. Does nothing during a run: the run writes the state itself, and
/// the next error with it.
async fn forget_error<P: Platform>(platform: &P, name: &DestinationName, id: Id) -> Result<(), StoreError> {
    let state = DestinationState::load(platform.store(), name).await?;
    if state.error_event.as_deref() == Some(&*id.text()) && !state.has_live_lease(platform.now()) {
        DestinationState { error: None, error_event: None, ..state }.save(platform.store(), name).await?;
    }
    Ok(())
}
