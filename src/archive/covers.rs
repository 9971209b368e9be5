//! What was removed, though its bytes may still be there: *tombstones*, one a session that was erased, and *cutoffs*, one a removal by age.
//!
//! Removal covers what was found when it was asked for, and never what arrives later. What tells the one from the other must not be a
//! clock alone: a clock that was ahead when a session was erased would swallow every later event of it. So a tombstone lists the records
//! that were found, each with its time of recording. A cutoff may cover millions: it covers what was recorded until the latest time of
//! recording that was found (`compaction/cutoff.rs`), and nothing while that time is later than the clock.
//!
//! A tombstone of an earlier version lists nothing, and covers what was recorded until the time in its key. A *horizon* of an earlier
//! version is a cutoff that covers what was recorded until its own time; one that is yet to come was written by a wrong clock and covers
//! nothing.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::listing::Listing;
use super::pack::{Head, RecordEntry};
use super::unreadable::Unreadable;
use crate::deadline::{Waited, is_ahead};
use crate::event::{Lsid, Timestamp};
use crate::identity::{Id, Site};
use crate::keys::{CutoffKey, ErasedKey, EventKey, KeyParts, OfSession, PackKey};
use crate::session::Summary;
use crate::store::{Store, StoreError};

/// A record that was found: its event's id, and its time of recording in Unix milliseconds.
pub type FoundRecord = (Id, u64);

/// The value of a tombstone, of a cutoff, and of a horizon: what says that something was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// For how long compaction has known it. `None` in one of an earlier version that it has not looked at yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<Waited>,
    /// The records that a tombstone covers. `None` in one of an earlier version, and where it is no tombstone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<Vec<(String, u64)>>,
}

impl Marker {
    /// So many records are listed in one tombstone, whose value stays below 400,000 bytes: each takes about 50.
    pub const MOST: usize = 6_000;

    /// The tombstone of these records.
    pub fn tombstone(records: &[FoundRecord], now: DateTime<Utc>) -> Self {
        let records = records.iter().map(|(id, recorded)| (id.text(), *recorded)).collect();
        Self { age: Some(Waited::since(now)), records: Some(records) }
    }

    /// A cutoff.
    pub fn cutoff(now: DateTime<Utc>) -> Self {
        Self { age: Some(Waited::since(now)), records: None }
    }

    /// Reads a value.
    pub fn parse(value: &[u8]) -> Result<Self, String> {
        let read: Self = serde_json::from_slice(value).map_err(|error| error.to_string())?;
        let ids = read.records.iter().flatten().all(|(id, _)| id.parse::<Id>().is_ok());
        if ids { Ok(read) } else { Err("it lists what is not an event's id".to_owned()) }
    }

    /// The bytes to store.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Covers {
    cutoffs: Vec<CutoffKey>,
    erased: HashMap<(Site, Lsid), ErasedRecords>,
}

/// What was removed of one session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ErasedRecords {
    /// By tombstones of an earlier version: what was recorded until then, in Unix milliseconds.
    until: Option<u64>,
    records: Vec<FoundRecord>,
}

impl ErasedRecords {
    fn covers(&self, id: Id, recorded: u64) -> bool {
        self.until.is_some_and(|until| recorded <= until) || self.records.contains(&(id, recorded))
    }
}

/// How much of a part of a session was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Covered {
    All,
    /// Perhaps some: its records tell.
    Perhaps,
    Nothing,
}

impl Covers {
    /// Reads the tombstones of a listing. One that cannot be read covers nothing, and is added to `unreadable`: what it covered shows
    /// again, which is better than to hide or delete what it never covered.
    pub async fn load(
        store: &impl Store,
        listing: &Listing,
        now: DateTime<Utc>,
        unreadable: &mut BTreeSet<Unreadable>,
    ) -> Result<Self, StoreError> {
        let mut covers = Self { cutoffs: listing.all_cutoffs(now), erased: HashMap::new() };
        for key in &listing.erased {
            let name = key.to_string();
            let Some(value) = store.get(&name).await? else { continue };
            match Marker::parse(&value) {
                Ok(tombstone) => covers.add(key, tombstone),
                Err(reason) => Unreadable::note(unreadable, name, reason),
            }
        }
        Ok(covers)
    }

    fn add(&mut self, key: &ErasedKey, tombstone: Marker) {
        let erased = self.erased.entry((key.site.clone(), key.lsid.clone())).or_default();
        match tombstone.records {
            Some(records) => {
                let records = records.into_iter().filter_map(|(id, recorded)| Some((id.parse().ok()?, recorded)));
                records.for_each(|record| erased.records.push(record));
            }
            None => erased.until = erased.until.max(Some(key.until)),
        }
    }

    /// And what a cutoff covers.
    pub(super) fn add_cutoff(&mut self, cutoff: CutoffKey) {
        self.cutoffs.push(cutoff);
    }

    /// Whether a record was removed.
    pub fn cover(&self, entry: &RecordEntry) -> bool {
        let cut = |cutoff: &CutoffKey| entry.key.timestamp < cutoff.before && entry.delivered <= cutoff.until;
        let erased = || self.erased(&entry.key).is_some_and(|erased| erased.covers(entry.key.id, entry.recorded));
        self.cutoffs.iter().any(cut) || erased()
    }

    fn erased(&self, key: &EventKey) -> Option<&ErasedRecords> {
        let lsid = key.lsid.as_ref().filter(|_| !self.erased.is_empty())?;
        self.erased.get(&(key.site.clone(), lsid.clone()))
    }

    /// The loose records that were removed. A key tells whether its record may have been, and the record whether it was; few are
    /// suspected, and not for long.
    pub(super) async fn removed(&self, store: &impl Store, loose: &[String]) -> Result<HashSet<String>, StoreError> {
        let mut removed = HashSet::new();
        let before = self.cutoffs.iter().map(|cutoff| cutoff.before).max();
        let sessions: Vec<_> = self.erased.keys().map(|(site, lsid)| OfSession::new(site, lsid)).collect();
        if before.is_none() && sessions.is_empty() {
            return Ok(removed);
        }
        for key in loose {
            let time = KeyParts::of(key).and_then(|parts| parts.time());
            let is_old = before.zip(time).is_some_and(|(before, time)| time < before);
            if !is_old && !sessions.iter().any(|session| session.has(key)) {
                continue;
            }
            let entry = store.get(key).await?.and_then(|value| RecordEntry::under(key, value).ok());
            if entry.is_some_and(|entry| self.cover(&entry)) {
                removed.insert(key.clone());
            }
        }
        Ok(removed)
    }

    /// How much of a part of a session was removed, as far as its summary tells.
    pub(super) fn of_session(&self, site: &Site, summary: &Summary) -> Covered {
        let (first, last) = summary.recorded;
        let cut_all = |cutoff: &CutoffKey| summary.last < cutoff.before && last_microsecond(last) <= cutoff.until;
        let cut_some = |cutoff: &CutoffKey| summary.first < cutoff.before && first_microsecond(first) <= cutoff.until;
        let erased = if self.erased.is_empty() { None } else { self.erased.get(&(site.clone(), summary.lsid.clone())) };
        let until = erased.and_then(|erased| erased.until);
        if self.cutoffs.iter().any(cut_all) || until.is_some_and(|until| last <= until) {
            return Covered::All;
        }
        let listed = |erased: &ErasedRecords| {
            let is_here =
                |(id, recorded): &FoundRecord| (first..=last).contains(recorded) && summary.ids.contains(&id.short());
            erased.records.iter().any(is_here)
        };
        let some = self.cutoffs.iter().any(cut_some)
            || until.is_some_and(|until| first <= until)
            || erased.is_some_and(listed);
        if some { Covered::Perhaps } else { Covered::Nothing }
    }

    /// Whether events of a pack that belong to no session may have been removed: no tombstone covers them.
    pub(super) fn suspects_others(&self, key: &PackKey, head: &Head) -> bool {
        let first = head.recorded.map_or(0, |(first, _)| first);
        let cut = |cutoff: &CutoffKey| key.first < cutoff.before && first_microsecond(first) <= cutoff.until;
        !head.others.is_empty() && self.cutoffs.iter().any(cut)
    }

    /// Whether a cutoff may cover something of a pack whose first record was recorded then, in Unix milliseconds.
    pub(super) fn may_cut(&self, key: &PackKey, recorded: Option<u64>) -> bool {
        let first = first_microsecond(recorded.unwrap_or(0));
        self.cutoffs.iter().any(|cutoff| key.first < cutoff.before && first <= cutoff.until)
    }

    /// The sessions of which something was erased.
    pub(super) fn erased_sessions(&self) -> impl Iterator<Item = &(Site, Lsid)> {
        self.erased.keys()
    }

    /// Whether anything of a pack may have been removed.
    pub fn suspect(&self, key: &PackKey, head: &Head) -> bool {
        let touched = |summary: &Summary| self.of_session(&key.site, summary) != Covered::Nothing;
        self.suspects_others(key, head) || head.sessions.iter().any(touched)
    }
}

impl Listing {
    /// The cutoffs that count, those of an earlier version among them. One that covers what is recorded later than now was written by a
    /// clock that was ahead: it would cover what is still to arrive.
    fn all_cutoffs(&self, now: DateTime<Utc>) -> Vec<CutoffKey> {
        let mut all = self.cutoffs.clone();
        all.retain(|cutoff| !i64::try_from(cutoff.until / 1_000).is_ok_and(|until| is_ahead(until, now)));
        for horizon in self.old_cutoffs.iter().filter(|horizon| !is_void(horizon.0, now)) {
            all.push(CutoffKey { before: horizon.0, until: horizon.0.seconds().saturating_mul(1_000_000) });
        }
        all
    }
}

/// The first microsecond of a millisecond.
fn first_microsecond(millis: u64) -> u64 {
    millis.saturating_mul(1_000)
}

/// The last microsecond of a millisecond.
pub(super) fn last_microsecond(millis: u64) -> u64 {
    first_microsecond(millis).saturating_add(999)
}

/// Whether a horizon is yet to come: what a clock that was ahead wrote.
pub(super) fn is_void(horizon: Timestamp, now: DateTime<Utc>) -> bool {
    i64::try_from(horizon.seconds()).is_ok_and(|horizon| horizon > now.timestamp())
}
