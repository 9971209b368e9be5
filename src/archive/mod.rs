//! All that is stored, as one: loose records and packs (the words are git's).
//!
//! An event begins *loose*, one key a record, as the way of a POST leaves it. A *pass* ([`packing`]) puts many records into a
//! *pack* ([`pack`]), so that years of events take a thousand keys. What is stored is the union of both, by key; of two records
//! under one key the one that was recorded first counts; minus what *tombstones* and the *horizon* cover ([`removal`]).
//! [`View`] is that union, and readers see nothing else: [`sessions`], [`events`].
//!
//! What may never happen, whoever runs beside whom and dies where (`tests/archive_model.rs`):
//!
//! 1. Nothing is deleted before a pack that holds it was written and read back, by the one who deletes.
//! 2. Packs are never changed, and are named by what is in them. Merging writes new ones, then deletes old ones.
//! 3. Erasing writes its tombstone first. Packers drop what is covered. A tombstone goes only when it is a day old and no pack
//!    holds anything of it: a pass that was under way may have written such a pack.
//!
//! [`index`] finds the packs of a session or an event; it is made of packs, and may be lost.

pub mod check;
pub mod events;
pub mod index;
pub mod pack;
pub mod packing;
pub mod removal;
pub mod sessions;
pub mod stats;

use std::collections::{BTreeSet, HashMap, HashSet};

use futures_util::future::join_all;
use serde::Serialize;

use crate::event::{Lsid, Timestamp};
use crate::identity::Site;
use crate::keys::{
    self, ErasedKey, EventKey, Finds, ForwardKey, HorizonKey, IndexKey, KeyParts, OfSession, PackKey, SetAsideKey,
};
use crate::session::Summary;
use crate::store::{Store, StoreError};

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
    /// The horizons. The latest counts.
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
        // The lease is nothing that is kept.
        keys.retain(|key| {
            let is_event = KeyParts::of(key).is_some();
            if !is_event && key != keys::LEASE {
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
            "horizon" => key.parse().map(|key| self.horizons.push(key)).is_ok(),
            "index" => key.parse().map(|key| self.indexes.push(key)).is_ok(),
            "setaside" => key.parse().map(|key| self.set_aside.push(key)).is_ok(),
            _ => key.parse().map(|key| self.forwards.push(key)).is_ok(),
        }
    }

    /// What its tombstones and horizons cover.
    pub fn covers(&self) -> Covers {
        let mut covers = Covers { horizon: self.horizons.iter().map(|key| key.0).max(), erased: HashMap::new() };
        for ErasedKey { site, lsid, until } in &self.erased {
            let latest = covers.erased.entry((site.clone(), lsid.clone())).or_default();
            *latest = (*latest).max(*until);
        }
        covers
    }
}

/// What is gone, though its bytes may still be there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Covers {
    /// Everything before it.
    pub horizon: Option<Timestamp>,
    /// Sessions, each with until when what was recorded of it is gone, in Unix milliseconds.
    erased: HashMap<(Site, Lsid), u64>,
}

impl Covers {
    /// Whether an event is gone.
    pub fn cover(&self, key: &EventKey, recorded: u64) -> bool {
        let erased = |lsid: &Lsid| self.until(&key.site, lsid).is_some_and(|until| recorded <= until);
        self.passed(key.timestamp) || (!self.erased.is_empty() && key.lsid.as_ref().is_some_and(erased))
    }

    /// Whether a time is before the horizon.
    pub fn passed(&self, time: Timestamp) -> bool {
        self.horizon.is_some_and(|horizon| time < horizon)
    }

    /// Until when what was recorded of a session is gone.
    fn until(&self, site: &Site, lsid: &Lsid) -> Option<u64> {
        if self.erased.is_empty() {
            return None;
        }
        self.erased.get(&(site.clone(), lsid.clone())).copied()
    }

    /// Whether all of a part of a session is gone, or some of it, or nothing.
    fn of(&self, site: &Site, summary: &Summary) -> Covered {
        let (first, last) = summary.recorded;
        let until = self.until(site, &summary.lsid);
        if self.passed(summary.last) || until.is_some_and(|until| last <= until) {
            Covered::All
        } else if self.passed(summary.first) || until.is_some_and(|until| first <= until) {
            Covered::Some
        } else {
            Covered::Nothing
        }
    }

    /// Whether anything of a pack is gone.
    pub fn touch(&self, key: &PackKey, head: &Head) -> bool {
        // Events without a session are covered by the horizon alone, and sessions are of this pack's times.
        let erased = |summary: &Summary| self.of(&key.site, summary) != Covered::Nothing;
        self.passed(key.first) || head.sessions.iter().any(erased)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Covered {
    All,
    Some,
    Nothing,
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

/// Reads from a view of `store`, and from a new one if what was listed has moved meanwhile. What has moved again and again is
/// gone.
pub async fn read<S: Store, T>(
    store: &S,
    mut read: impl AsyncFnMut(&mut View<'_, S>) -> Result<T, ReadError>,
) -> Result<T, StoreError> {
    let mut tries = 1..=TRIES;
    loop {
        let last_try = tries.next().is_none_or(|number| number == TRIES);
        let outcome = match View::of(store, last_try).await {
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
    async fn of(store: &'s S, last_try: bool) -> Result<Self, ReadError> {
        let mut listing = Listing::of(store).await?;
        let covers = listing.covers();
        listing
            .loose
            .retain(|key| KeyParts::of(key).and_then(|parts| parts.time()).is_some_and(|time| !covers.passed(time)));
        listing.packs.retain(|pack| !covers.passed(pack.last));
        let mut view = Self { store, listing, covers, unreadable: BTreeSet::new(), last_try };
        view.drop_erased().await?;
        Ok(view)
    }

    /// Whether a loose record of an erased session is gone stands in its value. There are few such sessions, and not for long.
    async fn drop_erased(&mut self) -> Result<(), ReadError> {
        if self.covers.erased.is_empty() {
            return Ok(());
        }
        let sessions: Vec<_> = self.covers.erased.keys().map(|(site, lsid)| OfSession::new(site, lsid)).collect();
        let mut gone = HashSet::new();
        for key in self.listing.loose.iter().filter(|key| sessions.iter().any(|session| session.has(key))) {
            let Some(value) = self.store.get(key).await? else { continue };
            if Entry::under(key, value).is_ok_and(|entry| self.covers.cover(&entry.key, entry.recorded)) {
                gone.insert(key.clone());
            }
        }
        self.listing.loose.retain(|key| !gone.contains(key));
        Ok(())
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
                Ok(entry) if self.covers.cover(&entry.key, entry.recorded) => {}
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

/// The head of a pack as it would be without what is gone.
fn visible(key: &PackKey, pack: &Pack, covers: &Covers) -> Result<Head, PackFault> {
    let mut head = pack.head.clone();
    let covered = |summary: &Summary| covers.of(&key.site, summary);
    if !covers.passed(key.first) && !head.sessions.iter().any(|summary| covered(summary) == Covered::Some) {
        head.sessions.retain(|summary| covered(summary) == Covered::Nothing);
        return Ok(head);
    }
    let entries = pack.all()?.into_iter().filter(|entry| !covers.cover(&entry.key, entry.recorded));
    // One that is no event by today's rules is noted where it is read.
    let (sessions, others) = pack::summarised(entries.filter_map(|entry| Some((entry.key.id, entry.summary().ok()?))));
    (head.sessions, head.others) = (sessions.into_values().collect(), others);
    Ok(head)
}

/// Whether a key may be of a session: one of its records, or any pack of its site.
pub fn is_of_session(key: &str, site: &Site, lsid: &Lsid) -> bool {
    OfSession::new(site, lsid).has(key) || key.parse::<PackKey>().is_ok_and(|pack| pack.site == *site)
}

/// Gathers what there is one by one. A tree's own `collect` sorts first, and each kind of tree would bring a sort of its own into
/// the component.
pub(crate) fn gather<C: Default + Extend<T>, T>(all: impl IntoIterator<Item = T>) -> C {
    let mut gathered = C::default();
    all.into_iter().for_each(|one| gathered.extend([one]));
    gathered
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
