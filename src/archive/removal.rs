//! Removal: of a session, and of all that is old. What says that it is gone is written first; from then on no reader sees it. Then
//! its bytes go, a bounded part a call; a call again goes on, and so does every pass.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::event::{Lsid, Timestamp};
use crate::identity::{Id, Site};
use crate::keys::{ErasedKey, HorizonKey, KeyParts, OfSession};
use crate::store::{Store, StoreError};

use super::packing::{self, Bound};
use super::{Listing, ReadError, View, events, gather, read};

/// What became of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    /// How many events are gone by this call.
    pub events: usize,
    /// Whether some of their bytes are still there: call again.
    pub remaining: bool,
}

/// Erases what a session has recorded until now. `None` if there is nothing of it.
pub async fn erase<S: Store>(
    store: &S,
    site: &Site,
    lsid: &Lsid,
    bound: &Bound,
    clock: &impl Fn() -> DateTime<Utc>,
) -> Result<Option<Removed>, StoreError> {
    let (events, known) = read(store, async |view: &mut View<'_, S>| found(view, site, lsid).await).await?;
    let tombstone = match (events, known) {
        (0, None) => return Ok(None),
        // An earlier call has erased it; its bytes may still be there.
        (0, Some(tombstone)) => tombstone,
        _ => {
            let until = u64::try_from(clock().timestamp_millis()).unwrap_or_default();
            let tombstone = ErasedKey { site: site.clone(), lsid: lsid.clone(), until };
            store.set(&tombstone.to_string(), b"{}").await?;
            tombstone
        }
    };
    let (cleared, remaining) = packing::clear_erased(store, &tombstone, bound, clock).await?;
    let was_gone = events == 0 && !cleared && !remaining;
    Ok((!was_gone).then_some(Removed { events, remaining }))
}

/// How many events of a session there are, and the latest of its tombstones.
async fn found<S: Store>(
    view: &mut View<'_, S>,
    site: &Site,
    lsid: &Lsid,
) -> Result<(usize, Option<ErasedKey>), ReadError> {
    let session = OfSession::new(site, lsid);
    let loose = view.listing.loose.iter().filter(|key| session.has(key)).filter_map(|key| KeyParts::of(key));
    let mut ids: BTreeSet<_> = gather(loose.filter_map(|parts| parts.id.parse().ok().map(Id::short)));
    for pack in events::packs_of_session(view, site, lsid).await? {
        let head = view.head(&pack).await?;
        ids.extend(head.iter().filter_map(|head| head.session(lsid)).flat_map(|summary| summary.ids.iter().copied()));
    }
    let tombstones = view.listing.erased.iter().filter(|erased| erased.site == *site && erased.lsid == *lsid);
    Ok((ids.len(), tombstones.max().cloned()))
}

/// Removes all events with a timestamp before `before`, now and whenever one arrives.
pub async fn remove_before<S: Store>(
    store: &S,
    before: Timestamp,
    bound: &Bound,
    clock: &impl Fn() -> DateTime<Utc>,
) -> Result<Removed, StoreError> {
    let listing = Listing::of(store).await?;
    if listing.horizons.iter().all(|known| known.0 < before) {
        store.set(&HorizonKey(before).to_string(), b"{}").await?;
    }
    let (events, remaining) = packing::clear_passed(store, bound, clock).await?;
    Ok(Removed { events, remaining })
}
