//! Makes room in a full store.

use std::time::Duration;

use super::lease::{LONGEST_MEASURED, delete_lease, set_lease};
use super::pass::{PackInfo, Pass};
use super::pending::PendingDeliveries;
use super::policy::{Bound, FEW, Policy};
use crate::archive::listing::Listing;
use crate::deadline::Deadline;
use crate::gather::gather;
use crate::keys::{Finds, IndexKey};
use crate::platform::Platform;
use crate::store::{Store, StoreError};

/// The most loose events that are packed to make room.
const ROOM_EVENTS: usize = 1_024;

/// The most heads that are read to find packs to merge while making room.
const ROOM_HEADS: usize = 32;

/// The most indexes of each kind that are taken out to lend their room, in this order: what costs readers least first.
const LENDING: [(Finds, usize); 5] =
    [(Finds::Open, 1), (Finds::Figures, 4), (Finds::ExternalKeys, 2), (Finds::Events, 4), (Finds::Sessions, 1)];

/// Room in the store, and the indexes that were taken out for it.
#[must_use = "indexes that were taken out must be put back"]
#[derive(Debug, PartialEq, Eq)]
pub struct Room {
    lent: Vec<(String, Vec<u8>)>,
    /// How long it took to make room.
    took: Duration,
}

impl Room {
    /// Puts the indexes back. Call it after writing the value for which room was made, so that they do not take its
    /// room. If an index does not fit, a later pass makes it again. If the value `is_stored`, it also sets a lease;
    /// otherwise the lease would take room that the value needs.
    pub async fn put_back<P: Platform>(self, platform: &P, is_stored: bool) {
        for (key, value) in self.lent.iter().rev() {
            if platform.store().set(key, value).await.is_err() {
                break;
            }
        }
        if is_stored {
            // The lease is a key that can be lent the next time, whatever else the store has by then.
            let _ = set_lease(platform.store(), Deadline::new(platform.now(), self.took)).await;
        }
    }

    /// Takes an index out of the store, and remembers its value.
    async fn lend(&mut self, store: &impl Store, key: String) -> Result<(), StoreError> {
        if let Some(value) = store.get(&key).await? {
            store.delete(&key).await?;
            self.lent.push((key, value));
        }
        Ok(())
    }
}

/// Makes room in a store that refused a write because it is full: packs half of the events that can stay loose. `None`
/// if it packed no record. An error of unknown kind counts as full if the store has a key budget and it is nearly used
/// up.
///
/// It runs while an event waits for its answer. So it is bounded by time, `ROOM_EVENTS` and `ROOM_HEADS`. A new
/// pack needs a key and bytes before it frees any. To get them, the pass deletes the lease, then takes out indexes of
/// events. If that is not enough, it takes out one of sessions, which is last, since making it again reads every pack.
/// The indexes are put back: here if no room was made, or else by [`Room::put_back`].
pub async fn make_room<P: Platform>(
    platform: &P,
    policy: &Policy,
    pending: &mut impl PendingDeliveries,
    bound: &Bound,
    refused: &StoreError,
) -> Result<Option<Room>, StoreError> {
    let is_full = matches!(refused, StoreError::Full(_));
    if !is_full && policy.key_budget.is_none() {
        return Ok(None);
    }
    let (store, began) = (platform.store(), platform.monotonic());
    let listing = Listing::load(store).await?;
    if listing.loose.len() < FEW || !(is_full || policy.is_pressed(&listing)) {
        return Ok(None);
    }
    let loose_events = (policy.loose_events / 2).min(listing.loose.len() / 2);
    let pressed = Policy { loose_events, key_budget: Some(listing.keys), ..policy.clone() };
    let bound = Bound { events: bound.events.min(ROOM_EVENTS), loose: bound.loose.min(ROOM_EVENTS), ..*bound };
    let lenders = lenders(&listing.indexes);
    delete_lease(store).await?;
    // The pass's time begins here, after the list.
    let mut pass = Pass::new(platform, &pressed, &bound, listing, None).await?;
    let mut room = Room { lent: Vec::new(), took: Duration::ZERO };
    let outcome = pass.pack_on_loan(pending, lenders, &mut room).await;
    if pass.report.packed == 0 {
        room.put_back(platform, false).await;
        return outcome.map(|()| None);
    }
    // There is room now. A failed merge only means less room for the next time.
    let _ = pass.merge_for_room().await;
    room.took = platform.elapsed(began).min(LONGEST_MEASURED);
    Ok(Some(room))
}

/// The indexes to take out, one after the other.
fn lenders(indexes: &[IndexKey]) -> Vec<String> {
    let of_kind = |(finds, most)| indexes.iter().filter(move |key| key.finds == finds).take(most);
    LENDING.into_iter().flat_map(of_kind).map(IndexKey::to_string).collect()
}

impl<P: Platform> Pass<'_, P> {
    /// Packs loose records. As long as there is no room for a pack, takes out one more index.
    async fn pack_on_loan(
        &mut self,
        pending: &mut impl PendingDeliveries,
        lenders: Vec<String>,
        room: &mut Room,
    ) -> Result<(), StoreError> {
        let mut outcome = self.pack_for_room(pending).await;
        for lender in lenders {
            if outcome.is_ok() || self.report.packed > 0 || self.is_over() {
                break;
            }
            room.lend(self.store(), lender).await?;
            let listed = self.platform.monotonic();
            self.listing = Listing::load(self.store()).await?;
            // The time of a list does not count: if lists are slow, no time would ever remain for packing.
            self.began += self.platform.elapsed(listed);
            outcome = self.pack_for_room(pending).await;
        }
        outcome
    }

    /// Packs loose records. Knows packs only by their keys, and reads those that can hold a repeat.
    async fn pack_for_room(&mut self, pending: &mut impl PendingDeliveries) -> Result<(), StoreError> {
        let unknown = PackInfo { bytes: usize::MAX, full: true, recorded: None };
        self.packs = gather(self.listing.packs.iter().map(|pack| (pack.clone(), unknown)));
        self.pack_loose(pending).await
    }

    /// Merges small packs, reading few heads. Without it, packs alone would fill the store in the end.
    async fn merge_for_room(&mut self) -> Result<(), StoreError> {
        self.packs.retain(|pack, _| self.fresh.contains_key(pack));
        self.learn_some_packs(ROOM_HEADS).await?;
        self.merge().await
    }
}
