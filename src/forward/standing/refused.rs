//! The events that a destination refused.

use serde::{Deserialize, Serialize};

use super::state::key;
use crate::archive::Listing;
use crate::identity::{DestinationName, Id};
use crate::keys::Forwards;
use crate::store::{Store, StoreError};

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
