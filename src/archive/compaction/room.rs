//! Makes room in a store that is full.

use super::lease::{LONGEST_MEASURED, delete_lease, set_lease};
use super::pass::{Known, Pass};
use super::pending::PendingDeliveries;
use super::policy::{Bound, FEW, Policy};
use crate::archive::listing::Listing;
use crate::deadline::Deadline;
use crate::gather::gather;
use crate::keys::{Finds, IndexKey};
use crate::platform::Platform;
use crate::store::{Store, StoreError};

/// How many loose events are packed at most to make room.
const ROOM_EVENTS: usize = 1_024;

/// How many heads are read at most to find packs to merge, where room is made.
const ROOM_HEADS: usize = 32;

/// Makes room in a store that is full: packs half of what may stay loose. Whether any record was packed.
///
/// It runs while an event waits for its answer, so it is bounded: by the time, and by [`ROOM_EVENTS`] and [`ROOM_HEADS`]. A pack takes a
/// key and some bytes before it frees any. They are lent by the lease and the indexes of events, and if that is not enough by the indexes
/// of sessions. Indexes are put back, for to make them again every pack must be read.
pub async fn make_room<P: Platform>(
    platform: &P,
    policy: &Policy,
    pending: &mut impl PendingDeliveries,
    bound: &Bound,
) -> Result<bool, StoreError> {
    let (store, began) = (platform.store(), platform.monotonic());
    let listing = Listing::of(store).await?;
    if listing.loose.len() < FEW {
        return Ok(false);
    }
    let loose_events = (policy.loose_events / 2).min(listing.loose.len() / 2);
    let pressed = Policy { loose_events, key_budget: Some(listing.keys), ..policy.clone() };
    let bound = Bound { events: bound.events.min(ROOM_EVENTS), loose: bound.loose.min(ROOM_EVENTS), ..*bound };
    let indexes = listing.indexes.clone();
    delete_lease(store).await?;
    let mut lent = lend(store, &indexes, Finds::Events).await?;
    let mut room = Pass::new(platform, &pressed, &bound, listing, None).await?;
    room.began = began;
    let mut outcome = room.pack_for_room(pending).await;
    let is_stuck = matches!(outcome, Err(StoreError::Full(_))) && room.report.packed == 0;
    if is_stuck && indexes.iter().any(|key| key.finds == Finds::Sessions) {
        lent.extend(lend(store, &indexes, Finds::Sessions).await?);
        room.listing = Listing::of(store).await?;
        outcome = room.pack_for_room(pending).await;
    }
    for (key, value) in lent.iter().rev() {
        // One for which there is no room is made again by a later pass.
        if store.set(key, value).await.is_err() {
            break;
        }
    }
    if room.report.packed == 0 {
        return outcome.map(|()| false);
    }
    // There is room now, whatever becomes of what is done for the next time.
    let _ = room.merge_for_room().await;
    // So that the next time there is a key to lend, whatever else there is by then.
    let rest = Deadline::new(platform.now(), platform.elapsed(began).min(LONGEST_MEASURED));
    let _ = set_lease(store, rest).await;
    Ok(true)
}

/// Takes the indexes of a kind out of the store, with their values.
async fn lend(store: &impl Store, indexes: &[IndexKey], finds: Finds) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let mut lent = Vec::new();
    for key in indexes.iter().filter(|key| key.finds == finds).map(IndexKey::to_string) {
        if let Some(value) = store.get(&key).await? {
            store.delete(&key).await?;
            lent.push((key, value));
        }
    }
    Ok(lent)
}

impl<P: Platform> Pass<'_, P> {
    /// Packs loose records. Of packs it needs their names: those that may hold a repeat are read.
    async fn pack_for_room(&mut self, pending: &mut impl PendingDeliveries) -> Result<(), StoreError> {
        let unknown = Known { bytes: usize::MAX, recorded: None };
        self.packs = gather(self.listing.packs.iter().map(|pack| (pack.clone(), unknown)));
        self.pack_loose(pending).await
    }

    /// Merges small packs, where they are known without reading many of them: else packs alone would fill the store at last.
    async fn merge_for_room(&mut self) -> Result<(), StoreError> {
        self.packs.retain(|pack, _| self.fresh.contains_key(pack));
        self.learn_some_packs(ROOM_HEADS).await?;
        self.merge().await
    }
}
