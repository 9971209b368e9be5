//! All that is stored, as one: loose records and packs (the words are git's).
//!
//! An event begins *loose*, one key a record, as the way of a POST leaves it. A *pass* ([`packing`]) puts many records into a
//! *pack* ([`pack`]), so that years of events take a thousand keys. What is stored is the union of both, by key; of two records
//! under one key the one that was recorded first counts; minus what was removed ([`removal`]), as *tombstones* and *cutoffs* tell
//! ([`covers`]). [`View`] is that union, and readers see nothing else: [`sessions`], [`events`]. What [`retention`] finds to have aged is
//! visible until a pass deletes it.
//!
//! What may never happen, whoever runs beside whom and dies where (`tests/archive_model.rs`):
//!
//! 1. Nothing is deleted before a pack that holds it was written and read back, by the one who deletes.
//! 2. Packs are never changed, and are named by what is in them. Merging writes new ones, then deletes old ones.
//! 3. Erasing writes its tombstone first. Packers drop what is covered. A tombstone goes only when passes have known it for a day and no
//!    pack holds anything of it: a pass that was under way may have written such a pack.
//! 4. Nothing that was taken is hidden or deleted because of what a clock says: removal covers what was found when it was asked for, and
//!    a single wrong reading makes nothing age.
//!
//! [`index`] finds the packs of a session or an event; it is made of packs, and may be lost.

pub mod check;
mod clearing;
pub mod covers;
pub mod events;
pub mod index;
pub mod pack;
pub mod packing;
pub mod removal;
pub mod retention;
pub mod sessions;
pub mod stats;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use serde::Serialize;

use crate::event::Lsid;
use crate::identity::Site;
use crate::keys::{
    self, CutoffKey, ErasedKey, Finds, ForwardKey, HorizonKey, IndexKey, KeyParts, OfSession, PackKey, SetAsideKey,
};
use crate::platform::Platform;
use crate::session::Summary;
use crate::store::{Store, StoreError};

use covers::{Covered, Covers};
use pack::{Entry, Head, Pack, PackFault};

/// All keys of a store, by what they are.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The keys of loose records, in no order.
    pub loose: Vec<String>,
    /// The packs, the one that ends last first.
    pub packs: Vec<PackKey>,
    /// The tombstones.
    pub erased: Vec<ErasedKey>,
    /// The cutoffs.
    pub cutoffs: Vec<CutoffKey>,
    /// The cutoffs of an earlier version.
    pub horizons: Vec<HorizonKey>,
    /// The indexes.
    pub indexes: Vec<IndexKey>,
    /// The bodies that were set aside.
    pub set_aside: Vec<SetAsideKey>,
    /// What forwarding keeps.
    pub forwards: Vec<ForwardKey>,
    /// How many keys there are, whatever they are.
    pub keys: usize,
    /// How many of them are of no kind that is known here.
    pub others: usize,
}

impl Listing {
    /// Lists a store.
    pub async fn of(store: &impl Store) -> Result<Self, StoreError> {
        Ok(Self::new(store.get_keys().await?))
    }

    /// Sorts keys by what they are. There may be so many that there is no room for a second list of them.
    pub fn new(mut keys: Vec<String>) -> Self {
        let mut listing = Self { keys: keys.len(), ..Self::default() };
        keys.retain(|key| {
            let is_event = KeyParts::of(key).is_some();
            if !is_event && !keys::is_advisory(key) {
                let kind = key.split_once('.').map_or("", |(kind, _)| kind);
                listing.others += usize::from(!listing.add(kind, key));
            }
            is_event
        });
        listing.loose = keys;
        listing.packs.sort_unstable_by(|one, other| (other.last, one).cmp(&(one.last, other)));
        // A store that is late may name a key twice.
        listing.packs.dedup();
        listing
    }

    /// Whether it is a key of that kind.
    fn add(&mut self, kind: &str, key: &str) -> bool {
        match kind {
            "pack" => key.parse().map(|key| self.packs.push(key)).is_ok(),
            "erased" => key.parse().map(|key| self.erased.push(key)).is_ok(),
            "cutoff" => key.parse().map(|key| self.cutoffs.push(key)).is_ok(),
            "horizon" => key.parse().map(|key| self.horizons.push(key)).is_ok(),
            "index" => key.parse().map(|key| self.indexes.push(key)).is_ok(),
            "setaside" => key.parse().map(|key| self.set_aside.push(key)).is_ok(),
            _ => key.parse().map(|key| self.forwards.push(key)).is_ok(),
        }
    }
}

/// A value that is not what its key says. It is left where it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Unreadable {
    /// The key.
    pub key: String,
    /// What is wrong.
    pub reason: String,
}

impl Unreadable {
    /// So many are told of in one answer. There may be as many as there are keys, and more than fit in memory.
    pub const MOST: usize = 1_000;

    /// Adds one, as far as it is told of.
    pub(crate) fn note(all: &mut BTreeSet<Self>, key: impl ToString, reason: impl ToString) {
        if all.len() < Self::MOST {
            all.insert(Self { key: key.to_string(), reason: reason.to_string() });
        }
    }
}

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
    store: &'s S,
    /// What there is. Loose records that are gone are no longer among it.
    pub listing: Listing,
    covers: Covers,
    /// What could not be read so far: the first [`Unreadable::MOST`].
    pub unreadable: BTreeSet<Unreadable>,
    /// Whether what is no longer there is taken for gone.
    last_try: bool,
}

/// How often a view is made anew where a pass runs beside its reader.
const TRIES: usize = 5;

/// Reads from a view of the platform's store, and from a new one if what was listed has moved meanwhile. What has moved again and again
/// is gone.
pub async fn read<P: Platform, T>(
    platform: &P,
    mut read: impl AsyncFnMut(&mut View<'_, P::Store>) -> Result<T, ReadError>,
) -> Result<T, StoreError> {
    let mut tries = 1..=TRIES;
    loop {
        let last_try = tries.next().is_none_or(|number| number == TRIES);
        let outcome = match View::of(platform.store(), platform.now(), last_try).await {
            Ok(mut view) => read(&mut view).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(done) => return Ok(done),
            Err(ReadError::Store(error)) => return Err(error),
            Err(ReadError::Moved) if last_try => return Err(StoreError("what it lists is never there".to_owned())),
            Err(ReadError::Moved) => {}
        }
    }
}

impl<'s, S: Store> View<'s, S> {
    async fn of(store: &'s S, now: DateTime<Utc>, last_try: bool) -> Result<Self, ReadError> {
        let (mut listing, mut unreadable) = (Listing::of(store).await?, BTreeSet::new());
        let covers = Covers::of(store, &listing, now, &mut unreadable).await?;
        let removed = covers.removed(store, &listing.loose).await?;
        listing.loose.retain(|key| !removed.contains(key));
        Ok(Self { store, listing, covers, unreadable, last_try })
    }

    /// The value of a key that was listed. `None` if it is gone.
    async fn value(&self, key: &str) -> Result<Option<Vec<u8>>, ReadError> {
        match self.store.get(key).await? {
            None if !self.last_try => Err(ReadError::Moved),
            value => Ok(value),
        }
    }

    /// The record under a loose key. `None` if it is gone, or none; then it is noted.
    async fn loose(&mut self, key: &str) -> Result<Option<Entry>, ReadError> {
        let Some(value) = self.value(key).await? else { return Ok(None) };
        let read = Entry::under(key, value).and_then(|entry| entry.event().map(|_| entry));
        Ok(read.map_err(|reason| self.note(key, reason)).ok())
    }

    /// The head of a pack, without what is gone. `None` if the pack is gone, or cannot be read; then it is noted.
    async fn head(&mut self, key: &PackKey) -> Result<Option<Head>, ReadError> {
        let name = key.to_string();
        let Some(value) = self.value(&name).await? else { return Ok(None) };
        let head = Pack::open(key, &value).and_then(|pack| visible(key, &pack, &self.covers));
        Ok(head.map_err(|fault| self.note(&name, fault)).ok())
    }

    /// Hands on the records of a pack one by one, without what is gone, until `take` says no. What cannot be read is noted.
    async fn each(&mut self, key: &PackKey, mut take: impl FnMut(Entry) -> bool) -> Result<(), ReadError> {
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
    async fn entries(&mut self, key: &PackKey, wanted: impl Fn(&Entry) -> bool) -> Result<Vec<Entry>, ReadError> {
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
    async fn session_indexes(&self) -> Result<Vec<index::Sessions>, ReadError> {
        let mut read = Vec::new();
        for key in self.indexes(Finds::Sessions) {
            // One that is gone or damaged costs time: its packs are asked themselves.
            read.extend(self.store.get(&key).await?.and_then(index::Sessions::read));
        }
        Ok(read)
    }

    fn indexes(&self, finds: Finds) -> Vec<String> {
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
    let entries = pack.all()?.into_iter().filter(|entry| !covers.cover(entry));
    // One that is no event by today's rules is noted where it is read.
    let (sessions, others) = pack::summarised(entries.filter_map(|entry| Some((entry.key.id, entry.summary().ok()?))));
    (head.sessions, head.others) = (sessions.into_values().collect(), others);
    Ok(head)
}

/// Whether a key may be of a session: one of its records, or any pack of its site.
pub fn is_of_session(key: &str, site: &Site, lsid: &Lsid) -> bool {
    OfSession::new(site, lsid).has(key) || key.parse::<PackKey>().is_ok_and(|pack| pack.site == *site)
}

/// How many calls are made at once where their order does not matter. A store that commits together commits them together.
const AT_ONCE: usize = 256;

/// How many are the first of them. More than come between two passes: a pass without time still deletes these.
const FEW_AT_ONCE: usize = 64;

/// Deletes keys, many at once, until `go_on` says no. How many of the first were deleted.
async fn delete(store: &impl Store, keys: &[String], mut go_on: impl FnMut() -> bool) -> Result<usize, StoreError> {
    let (mut deleted, mut at_once) = (0, FEW_AT_ONCE);
    // Where each is a sync of its own, as in a component, a disk may take long for few: they become more as long as there is time.
    while let Some(some) =
        keys.get(deleted..keys.len().min(deleted + at_once)).filter(|some| !some.is_empty() && go_on())
    {
        join_all(some.iter().map(|key| store.delete(key))).await.into_iter().collect::<Result<(), _>>()?;
        deleted += some.len();
        at_once = (at_once * 2).min(AT_ONCE);
    }
    Ok(deleted)
}
