//! The union of loose records and packs, without removed records: what readers see.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::covers::{Covered, Covers};
use super::index::HashIndex;
use super::listing::Listing;
use super::pack::{self, Head, Pack, PackFault, RecordEntry};
use super::unreadable::Unreadable;
use crate::keys::{Finds, IndexKey, PackKey};
use crate::platform::Platform;
use crate::session::Summary;
use crate::store::{Store, StoreError};

/// An error while reading a view.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A listed key is gone, since compaction has moved its records. A new view finds them.
    #[error("compaction moved records while they were read")]
    Moved,
}

/// The union at the time of its listing.
#[derive(Debug)]
pub struct View<'s, S> {
    pub(super) store: &'s S,
    /// The listed keys, without the loose records that were removed.
    pub listing: Listing,
    pub(super) covers: Covers,
    /// The values that could not be read so far: the first [`Unreadable::MOST`].
    pub unreadable: BTreeSet<Unreadable>,
    /// Whether a missing key counts as deleted instead of moved.
    last_try: bool,
}

/// The most views that one read opens while compaction moves records.
const TRIES: usize = 5;

/// Reads from a view of the platform's store. Repeats with a new view if compaction moved records in between. On the
/// last try, a missing record counts as deleted.
pub async fn read_view<P: Platform, T>(
    platform: &P,
    mut read: impl AsyncFnMut(&mut View<'_, P::Store>) -> Result<T, ReadError>,
) -> Result<T, StoreError> {
    let mut tries = 1..=TRIES;
    loop {
        let last_try = tries.next().is_none_or(|number| number == TRIES);
        let outcome = match View::open(platform.store(), platform.now(), last_try).await {
            Ok(mut view) => read(&mut view).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(done) => return Ok(done),
            Err(ReadError::Store(error)) => return Err(error),
            Err(ReadError::Moved) if last_try => {
                return Err(StoreError::Other("it lists keys that it does not have".to_owned()));
            }
            Err(ReadError::Moved) => {}
        }
    }
}

/// Lists a store without the loose records that were removed: compaction may not have deleted them yet.
pub async fn list_visible(store: &impl Store, now: DateTime<Utc>) -> Result<Listing, StoreError> {
    visible_listing(store, now, &mut BTreeSet::new()).await.map(|(listing, _)| listing)
}

async fn visible_listing(
    store: &impl Store,
    now: DateTime<Utc>,
    unreadable: &mut BTreeSet<Unreadable>,
) -> Result<(Listing, Covers), StoreError> {
    let mut listing = Listing::load(store).await?;
    let covers = Covers::load(store, &listing, now, unreadable).await?;
    let removed = covers.removed(store, &listing.loose).await?;
    listing.loose.retain(|key| !removed.contains(key));
    Ok((listing, covers))
}

impl<'s, S: Store> View<'s, S> {
    async fn open(store: &'s S, now: DateTime<Utc>, last_try: bool) -> Result<Self, ReadError> {
        let mut unreadable = BTreeSet::new();
        let (listing, covers) = visible_listing(store, now, &mut unreadable).await?;
        Ok(Self { store, listing, covers, unreadable, last_try })
    }

    /// The value of a listed key. `None` if it was deleted.
    pub(super) async fn value(&self, key: &str) -> Result<Option<Vec<u8>>, ReadError> {
        match self.store.get(key).await? {
            None if !self.last_try => Err(ReadError::Moved),
            value => Ok(value),
        }
    }

    /// The record under a loose key. `None` if it was deleted, or is unreadable, which is noted.
    pub(super) async fn loose(&mut self, key: &str) -> Result<Option<RecordEntry>, ReadError> {
        let Some(value) = self.value(key).await? else { return Ok(None) };
        let entry = RecordEntry::under(key, value).and_then(|entry| entry.event().map(|_| entry));
        Ok(entry.map_err(|reason| self.note(key, reason)).ok())
    }

    /// The head of a pack without removed records. `None` if the pack was deleted, or is unreadable, which is noted.
    pub(super) async fn head(&mut self, key: &PackKey) -> Result<Option<Head>, ReadError> {
        let name = key.to_string();
        let Some(value) = self.value(&name).await? else { return Ok(None) };
        let head = Pack::open(key, &value).and_then(|pack| visible(key, &pack, &self.covers));
        Ok(head.map_err(|fault| self.note(&name, fault)).ok())
    }

    /// Calls `take` with each record of a pack that was not removed, until it returns false. Unreadable records are
    /// noted.
    pub(super) async fn each_entry(
        &mut self,
        key: &PackKey,
        mut take: impl FnMut(RecordEntry) -> bool,
    ) -> Result<(), ReadError> {
        let name = key.to_string();
        let Some(value) = self.value(&name).await? else { return Ok(()) };
        let pack = match Pack::open(key, &value) {
            Ok(pack) => pack,
            Err(fault) => {
                self.note(&name, fault);
                return Ok(());
            }
        };
        for entry in pack.records() {
            match entry {
                Ok(entry) if self.covers.cover(&entry) => {}
                Ok(entry) => {
                    if !take(entry) {
                        break;
                    }
                }
                Err(fault) => self.note(&name, fault),
            }
        }
        Ok(())
    }

    /// The records of a pack that match `filter`.
    pub(super) async fn entries(
        &mut self,
        key: &PackKey,
        filter: impl Fn(&RecordEntry) -> bool,
    ) -> Result<Vec<RecordEntry>, ReadError> {
        let mut found = Vec::new();
        self.each_entry(key, |entry| {
            found.extend(filter(&entry).then_some(entry));
            true
        })
        .await?;
        Ok(found)
    }

    fn note(&mut self, key: &str, reason: impl ToString) {
        Unreadable::note(&mut self.unreadable, key, reason);
    }

    /// All readable indexes of sessions, or of external keys.
    pub(super) async fn hash_indexes(&self, finds: Finds) -> Result<Vec<HashIndex>, ReadError> {
        let mut indexes = Vec::new();
        for key in self.indexes(finds) {
            // A missing or damaged index only costs time: the heads of its packs are read instead.
            indexes.extend(self.store.get(&key).await?.and_then(HashIndex::parse));
        }
        Ok(indexes)
    }

    pub(super) fn indexes(&self, finds: Finds) -> Vec<String> {
        self.listing.indexes.iter().filter(|key| key.finds == finds).map(IndexKey::to_string).collect()
    }
}

/// The head of a pack as it would be without removed records.
fn visible(key: &PackKey, pack: &Pack, covers: &Covers) -> Result<Head, PackFault> {
    let mut head = pack.head.clone();
    let covered = |summary: &Summary| covers.of_session(&key.site, summary);
    if !covers.suspects_others(key, &head) && !head.sessions.iter().any(|summary| covered(summary) == Covered::Perhaps)
    {
        head.sessions.retain(|summary| covered(summary) == Covered::Nothing);
        return Ok(head);
    }
    let entries = pack.all_records()?.into_iter().filter(|entry| !covers.cover(entry));
    // A record that today's rules reject is noted where it is read.
    let (sessions, others) = pack::summarise(entries.filter_map(|entry| Some((entry.key.id, entry.summary().ok()?))));
    (head.sessions, head.others) = (sessions.into_values().collect(), others);
    Ok(head)
}
