//! A running pass: what it knows of the store, and how it reads packs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::policy::{Bound, Policy};
use super::report::CompactionReport;
use crate::archive::covers::Covers;
use crate::archive::index::{HashIndex, IndexEntries, IndexEntry};
use crate::archive::listing::Listing;
use crate::archive::pack::{self, Head, Pack, RecordEntries, RecordEntry};
use crate::archive::retention::Retention;
use crate::archive::unreadable::Unreadable;
use crate::clock_faults::{ClockFault, ClockFaultKind};
use crate::event::Timestamp;
use crate::gather::gather;
use crate::identity::Site;
use crate::keys::{Finds, IndexKey, KeyParts, PackKey};
use crate::platform::Platform;
use crate::store::{Store, StoreError};

/// The most overlapping packs whose heads are read to find events that are stored twice.
pub(super) const MAX_OVERLAPS: usize = 16;

/// A running pass.
pub(super) struct Pass<'p, P> {
    pub(super) platform: &'p P,
    pub(super) policy: &'p Policy,
    pub(super) bound: &'p Bound,
    /// Start time by the monotonic clock.
    pub(super) began: Duration,
    pub(super) listing: Listing,
    pub(super) covers: Covers,
    pub(super) retention: Option<Retention>,
    /// The readable packs.
    pub(super) packs: BTreeMap<PackKey, PackInfo>,
    /// The index entries of packs that no index covers yet.
    pub(super) fresh: IndexEntries,
    /// The short ids of the events in those packs.
    pub(super) fresh_ids: BTreeMap<PackKey, BTreeSet<u64>>,
    pub(super) session_indexes: Vec<(IndexKey, HashIndex)>,
    pub(super) report: CompactionReport,
}

/// What a pass knows of a readable pack.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackInfo {
    pub(super) bytes: usize,
    /// Whether another record would not have fitted.
    pub(super) full: bool,
    /// First and last recording time of its records, in Unix milliseconds. `None` if not known.
    pub(super) recorded: Option<(u64, u64)>,
}

impl<'p, P: Platform> Pass<'p, P> {
    pub(super) async fn new(
        platform: &'p P,
        policy: &'p Policy,
        bound: &'p Bound,
        listing: Listing,
        retention: Option<Retention>,
    ) -> Result<Self, StoreError> {
        let mut report = CompactionReport { loose: listing.loose.len(), ..CompactionReport::default() };
        if retention.as_ref().is_some_and(|retention| retention.is_behind) {
            report.clock_faults.push(ClockFault::of_recipient(ClockFaultKind::RetentionBehind));
        }
        let covers = Covers::load(platform.store(), &listing, platform.now(), &mut report.unreadable).await?;
        Ok(Self {
            platform,
            policy,
            bound,
            began: platform.monotonic(),
            listing,
            covers,
            retention,
            packs: BTreeMap::new(),
            fresh: IndexEntries::new(),
            fresh_ids: BTreeMap::new(),
            session_indexes: Vec::new(),
            report,
        })
    }

    pub(super) fn store(&self) -> &'p P::Store {
        self.platform.store()
    }

    /// Whether the time is up. If so, the report says that work remains.
    pub(super) fn is_over(&mut self) -> bool {
        let over = self.platform.elapsed(self.began) >= self.bound.time;
        self.report.remaining |= over;
        over
    }

    pub(super) fn note(&mut self, key: impl ToString, reason: impl ToString) {
        Unreadable::note(&mut self.report.unreadable, key, reason);
    }

    /// Learns size and recording times of every pack, from an index or from its head.
    pub(super) async fn learn_packs(&mut self) -> Result<(), StoreError> {
        self.learn_some_packs(usize::MAX).await
    }

    /// The same, but reads at most `heads` heads of packs that no index covers, the latest packs first.
    pub(super) async fn learn_some_packs(&mut self, mut heads: usize) -> Result<(), StoreError> {
        for key in self.listing.indexes.clone() {
            if key.finds == Finds::Sessions
                && let Some(index) = self.store().get(&key.to_string()).await?.and_then(HashIndex::parse)
            {
                self.session_indexes.push((key, index));
            }
        }
        let indexed = self.session_indexes.iter().flat_map(|(_, index)| &index.packs);
        let known = indexed.map(|(key, facts)| {
            (key.clone(), PackInfo { bytes: facts.bytes as usize, full: facts.full, recorded: facts.recorded })
        });
        let known: BTreeMap<_, _> = gather(known);
        for key in self.listing.packs.clone() {
            match known.get(&key) {
                Some(known) => _ = self.packs.insert(key, *known),
                None if heads == 0 || self.packs.contains_key(&key) => {}
                None => {
                    heads -= 1;
                    self.head(&key).await?;
                }
            }
        }
        Ok(())
    }

    /// Reads the head of a pack and adds the pack to those known. `None` if it is gone or unreadable.
    pub(super) async fn head(&mut self, key: &PackKey) -> Result<Option<Head>, StoreError> {
        let Some(value) = self.store().get(&key.to_string()).await? else { return Ok(None) };
        match Pack::open(key, &value).map(|pack| pack.head) {
            Ok(head) => {
                let known = PackInfo { bytes: value.len(), full: head.full, recorded: head.recorded };
                if self.packs.insert(key.clone(), known).is_none() {
                    self.learn(key, &head, value.len());
                }
                Ok(Some(head))
            }
            Err(fault) => {
                self.note(key, fault);
                self.packs.remove(key);
                Ok(None)
            }
        }
    }

    pub(super) fn learn(&mut self, key: &PackKey, head: &Head, bytes: usize) {
        self.packs.insert(key.clone(), PackInfo { bytes, full: head.full, recorded: head.recorded });
        self.fresh.insert(key.clone(), IndexEntry::from_head(&key.site, head, bytes));
        self.fresh_ids.insert(key.clone(), gather(head.ids()));
    }

    pub(super) fn forget(&mut self, key: &PackKey) {
        self.packs.remove(key);
        self.fresh.remove(key);
        self.fresh_ids.remove(key);
    }

    /// The records of a pack without removed and aged ones, and the number of those. `None` if the pack is gone or any
    /// part of it is unreadable. A pack with changed bytes counts as unreadable.
    pub(super) async fn entries(&mut self, key: &PackKey) -> Result<Option<(Vec<RecordEntry>, usize)>, StoreError> {
        let Some(value) = self.store().get(&key.to_string()).await? else { return Ok(None) };
        let entries = if pack::is_named_by_its_hash(key, &value) {
            Pack::open(key, &value).and_then(|pack| pack.all_records())
        } else {
            Err(pack::PackFault::Hash)
        };
        match entries {
            Ok(mut entries) => {
                let all = entries.len();
                let aging = self.retention.as_ref().and_then(|retention| retention.aging);
                let has_aged = |entry: &RecordEntry| aging.is_some_and(|aging| aging.has_aged_entry(entry));
                entries.retain(|entry| !self.covers.cover(entry) && !has_aged(entry));
                let gone = all - entries.len();
                Ok(Some((entries, gone)))
            }
            Err(fault) => {
                self.note(key, fault);
                self.packs.remove(key);
                Ok(None)
            }
        }
    }

    /// The packs of a session, according to indexes and the packs read in this pass.
    pub(super) fn packs_of(&self, site: &Site, hash: u64) -> Vec<PackKey> {
        let indexed = self.session_indexes.iter().flat_map(|(_, index)| index.find(hash).cloned());
        let fresh = self.fresh.iter().filter(|(_, entry)| entry.has_session(hash)).map(|(key, _)| key.clone());
        let found: BTreeSet<_> = gather(indexed.chain(fresh));
        found.into_iter().filter(|pack| pack.site == *site && self.packs.contains_key(pack)).collect()
    }
}

pub(super) fn by_key(entries: Vec<RecordEntry>) -> RecordEntries {
    gather(entries.into_iter().map(|entry| (entry.key.to_string(), entry)))
}

/// The own time of a loose record, from its key.
pub(super) fn time(key: &str) -> Option<Timestamp> {
    KeyParts::split(key)?.time()
}
