//! Makes room in a store that is full.

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

/// How many loose events are packed at most to make room.
const ROOM_EVENTS: usize = 1_024;

/// How many heads are read at most to find packs to merge, where room is made.
const ROOM_HEADS: usize = 32;

/// How many indexes of events, and then of sessions, lend their room at most.
const LENDING: [(Finds, usize); 2] = [(Finds::Events, 4), (Finds::Sessions, 1)];

/// Room that was made, and the indexes that lent theirs.
#[must_use = "what was lent is to be put back"]
#[derive(Debug, PartialEq, Eq)]
pub struct Room {
    lent: Vec<(String, Vec<u8>)>,
    /// How long making it took.
    took: Duration,
}

impl Room {
    /// Puts the indexes back, after the value for which the room was made: they must not take its room. An index for which there is none is
    /// made again by a later pass. A lease stands there too then, but only if the value `is_stored`: else it would take room
    /// that the value needs.
    pub async fn put_back<P: Platform>(self, platform: &P, is_stored: bool) {
        for (key, value) in self.lent.iter().rev() {
            if platform.store().set(key, value).await.is_err() {
                break;
            }
        }
        if is_stored {
            // So that the next time there is a key to lend, whatever else there is by then.
            let _ = set_lease(platform.store(), Deadline::new(platform.now(), self.took)).await;
        }
    }

    /// Takes an index out of the store, with its value.
    async fn lend(&mut self, store: &impl Store, key: String) -> Result<(), StoreError> {
        if let Some(value) = store.get(&key).await? {
            store.delete(&key).await?;
            self.lent.push((key, value));
        }
        Ok(())
    }
}

/// Makes room in a store that refused a write because it is full: packs half of what may stay loose. `None` if no record was packed. An error
/// that is of no known kind counts as full where the store takes few keys (`policy.key_budget`) and they are about to run out.
///
/// It runs while an event waits for its answer, so it is bounded: by the time, and by [`ROOM_EVENTS`] and [`ROOM_HEADS`]. A pack takes a
/// key and some bytes before it frees any. They are lent by the lease, then by indexes of events, and if that is not enough by one of
/// sessions: to make that again every pack must be read. What was lent is put back, here if no room was made, or else by
/// [`Room::put_back`].
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
    // Its time begins here, after the list.
    let mut pass = Pass::new(platform, &pressed, &bound, listing, None).await?;
    let mut room = Room { lent: Vec::new(), took: Duration::ZERO };
    let outcome = pass.pack_on_loan(pending, lenders, &mut room).await;
    if pass.report.packed == 0 {
        room.put_back(platform, false).await;
        return outcome.map(|()| None);
    }
    // There is room now, whatever becomes of what is done for the next time.
    let _ = pass.merge_for_room().await;
    room.took = platform.elapsed(began).min(LONGEST_MEASURED);
    Ok(Some(room))
}

/// The indexes that lend their room, one after the other.
fn lenders(indexes: &[IndexKey]) -> Vec<String> {
    let of_kind = |(finds, most)| indexes.iter().filter(move |key| key.finds == finds).take(most);
    LENDING.into_iter().flat_map(of_kind).map(IndexKey::to_string).collect()
}

impl<P: Platform> Pass<'_, P> {
    /// Packs loose records. As long as there is no room for a pack, one index more lends its own.
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
            // Lists do not count: where they take long, no time would be left for packing, now and each time.
            self.began += self.platform.elapsed(listed);
            outcome = self.pack_for_room(pending).await;
        }
        outcome
    }

    /// Packs loose records. Of packs it needs their names: those that may hold a repeat are read.
    async fn pack_for_room(&mut self, pending: &mut impl PendingDeliveries) -> Result<(), StoreError> {
        let unknown = PackInfo { bytes: usize::MAX, recorded: None };
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
