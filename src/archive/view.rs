//! The union of loose records and packs, without what was removed: what readers see.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::covers::{Covered, Covers};
use super::index::SessionIndex;
use super::listing::Listing;
use super::pack::{self, Head, Pack, PackFault, RecordEntry};
use super::unreadable::Unreadable;
use crate::keys::{Finds, IndexKey, PackKey};
use crate::platform::Platform;
use crate::session::Summary;
use crate::store::{Store, StoreError};

/// Why a view could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was listed is no longer there: a pass has put it elsewhere. A new view shows it.
    #[error("what was listed has moved meanwhile")]
    Moved,
}

/// The union, as it was listed: what readers see.
#[derive(Debug)]
pub struct View<'s, S> {
    pub(super) store: &'s S,
    /// What there is. Loose records that are gone are no longer among it.
    pub listing: Listing,
    pub(super) covers: Covers,
    /// What could not be read so far: the first [`Unreadable::MOST`].
    pub unreadable: BTreeSet<Unreadable>,
    /// Whether what is no longer there is taken for gone.
    last_try: bool,
}

/// How often a view is made anew where a pass runs beside its reader.
const TRIES: usize = 5;

/// Reads from a view of the platform's store, and from a new one if what was listed has moved meanwhile. What has moved again and again
/// is gone.
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
                return Err(StoreError::Other("what it lists is never there".to_owned()));
            }
            Err(ReadError::Moved) => {}
        }
    }
}

impl<'s, S: Store> View<'s, S> {
    async fn open(store: &'s S, now: DateTime<Utc>, last_try: bool) -> Result<Self, ReadError> {
        let (mut listing, mut unreadable) = (Listing::load(store).await?, BTreeSet::new());
        let covers = Covers::load(store, &listing, now, &mut unreadable).await?;
        let removed = covers.removed(store, &listing.loose).await?;
        listing.loose.retain(|key| !removed.contains(key));
        Ok(Self { store, listing, covers, unreadable, last_try })
    }

    /// The value of a key that was listed. `None` if it is gone.
    pub(super) async fn value(&self, key: &str) -> Result<Option<Vec<u8>>, ReadError> {
        match self.store.get(key).await? {
            None if !self.last_try => Err(ReadError::Moved),
            value => Ok(value),
        }
    }

    /// The record under a loose key. `None` if it is gone, or none; then it is noted.
    pub(super) async fn loose(&mut self, key: &str) -> Result<Option<RecordEntry>, ReadError> {
        let Some(value) = self.value(key).await? else { return Ok(None) };
        let read = RecordEntry::under(key, value).and_then(|entry| entry.event().map(|_| entry));
        Ok(read.map_err(|reason| self.note(key, reason)).ok())
    }

    /// The head of a pack, without what is gone. `None` if the pack is gone, or cannot be read; then it is noted.
    pub(super) async fn head(&mut self, key: &PackKey) -> Result<Option<Head>, ReadError> {
        let name = key.to_string();
        let Some(value) = self.value(&name).await? else { return Ok(None) };
        let head = Pack::open(key, &value).and_then(|pack| visible(key, &pack, &self.covers));
        Ok(head.map_err(|fault| self.note(&name, fault)).ok())
    }

    /// Hands on the records of a pack one by one, without what is gone, until `take` says no. What cannot be read is noted.
    pub(super) async fn each(
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

    /// The records of a pack that `wanted` says yes of.
    pub(super) async fn entries(
        &mut self,
        key: &PackKey,
        wanted: impl Fn(&RecordEntry) -> bool,
    ) -> Result<Vec<RecordEntry>, ReadError> {
        let mut found = Vec::new();
        self.each(key, |entry| {
            found.extend(wanted(&entry).then_some(entry));
            true
        })
        .await?;
        Ok(found)
    }

    fn note(&mut self, key: &str, reason: impl ToString) {
        Unreadable::note(&mut self.unreadable, key, reason);
    }

    /// All indexes of sessions that can be read.
    pub(super) async fn session_indexes(&self) -> Result<Vec<SessionIndex>, ReadError> {
        let mut read = Vec::new();
        for key in self.indexes(Finds::Sessions) {
            // One that is gone or damaged costs time: its packs are asked themselves.
            read.extend(self.store.get(&key).await?.and_then(SessionIndex::parse));
        }
        Ok(read)
    }

    pub(super) fn indexes(&self, finds: Finds) -> Vec<String> {
        self.listing.indexes.iter().filter(|key| key.finds == finds).map(IndexKey::to_string).collect()
    }
}

/// The head of a pack as it would be without what was removed.
fn visible(key: &PackKey, pack: &Pack, covers: &Covers) -> Result<Head, PackFault> {
    let mut head = pack.head.clone();
    let covered = |summary: &Summary| covers.of_session(&key.site, summary);
    if !covers.suspects_others(key, &head) && !head.sessions.iter().any(|summary| covered(summary) == Covered::Perhaps)
    {
        head.sessions.retain(|summary| covered(summary) == Covered::Nothing);
        return Ok(head);
    }
    let entries = pack.all_records()?.into_iter().filter(|entry| !covers.cover(entry));
    // One that is no event by today's rules is noted where it is read.
    let (sessions, others) = pack::summarise(entries.filter_map(|entry| Some((entry.key.id, entry.summary().ok()?))));
    (head.sessions, head.others) = (sessions.into_values().collect(), others);
    Ok(head)
}
