//! The markers of removed records: a *tombstone* for each erased session, and a *cutoff* for each removal by age. They
//! hide records whose bytes are still in the store.
//!
//! Removal covers the records found when it was requested, and never a record that arrives later. A clock alone must
//! not separate the two: if the clock was ahead when a session was erased, the tombstone would hide every later event
//! of it. So a tombstone lists the records that were found, each with its recording time. A cutoff can cover millions
//! of records. It covers those recorded up to the latest recording time that was found (`compaction/cutoff.rs`), and
//! none while that time is later than the clock.
//!
//! A session's report can be in flight while the session is erased: nobody finds it. Its recording time is that of the
//! session's newest record, and each tombstone covers reports recorded up to the time in its key, or up to its newest
//! record: a clock that was ahead can have recorded that one.
//!
//! A tombstone of an earlier version lists no records, and covers those recorded up to the time in its key. A cutoff of
//! an earlier version ([`Listing::old_cutoffs`]) covers what was recorded up to its own time. If that time is in the
//! future, a wrong clock wrote the cutoff, and it covers nothing.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::listing::Listing;
use super::pack::{Head, RecordEntry};
use super::unreadable::Unreadable;
use crate::deadline::{Waited, is_ahead};
use crate::event::{EventName, Lsid, Timestamp};
use crate::identity::{Id, Site};
use crate::keys::{CutoffKey, ErasedKey, EventKey, KeyParts, PackKey, SessionKeys};
use crate::session::Summary;
use crate::store::{Store, StoreError};

/// A record that was found: its event's id, and its recording time in Unix milliseconds.
pub type FoundRecord = (Id, u64);

/// The value of a tombstone or a cutoff.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// For how long compaction has known it. `None` if an earlier version wrote it and compaction has not read it yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<Waited>,
    /// The records that a tombstone covers. `None` in a cutoff, and in a tombstone of an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<Vec<(String, u64)>>,
    /// The latest time of the records that a tombstone covers. `None` in a cutoff, and in earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
}

impl Marker {
    /// The most records of one tombstone. Each takes about 50 bytes, and the value stays below 400,000 bytes.
    pub const MOST: usize = 6_000;

    /// A tombstone that covers these records.
    pub fn tombstone(records: &[FoundRecord], last: Option<Timestamp>, now: DateTime<Utc>) -> Self {
        let records = records.iter().map(|(id, recorded)| (id.text(), *recorded)).collect();
        Self { age: Some(Waited::since(now)), records: Some(records), last }
    }

    /// The value of a new cutoff.
    pub fn cutoff(now: DateTime<Utc>) -> Self {
        Self { age: Some(Waited::since(now)), records: None, last: None }
    }

    /// Parses a stored value.
    pub fn parse(value: &[u8]) -> Result<Self, String> {
        let marker: Self = serde_json::from_slice(value).map_err(|error| error.to_string())?;
        let has_ids = marker.records.iter().flatten().all(|(id, _)| id.parse::<Id>().is_ok());
        if has_ids { Ok(marker) } else { Err("it lists something that is not an event id".to_owned()) }
    }

    /// The bytes to store.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// The removed records, as tombstones and cutoffs describe them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Covers {
    cutoffs: Vec<CutoffKey>,
    erased: HashMap<(Site, Lsid), ErasedRecords>,
}

/// The erased records of one session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ErasedRecords {
    /// From tombstones of an earlier version: they cover records up to this recording time, in Unix milliseconds.
    until: Option<u64>,
    records: Vec<FoundRecord>,
    /// Reports recorded up to this time are covered, in Unix milliseconds.
    reports_until: u64,
}

impl ErasedRecords {
    fn covers(&self, entry: &RecordEntry) -> bool {
        let (id, recorded) = (entry.key.id, entry.recorded);
        let is_report = entry.key.event == EventName::Report && recorded <= self.reports_until;
        is_report || self.until.is_some_and(|until| recorded <= until) || self.records.contains(&(id, recorded))
    }
}

/// How much of the records behind one summary was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Covered {
    All,
    /// Perhaps some: only the records can say.
    Perhaps,
    Nothing,
}

impl Covers {
    /// Reads the tombstones of a listing. An unreadable tombstone covers nothing and is added to `unreadable`: showing
    /// a removed record again is better than hiding or deleting a record that was never removed.
    pub async fn load(
        store: &impl Store,
        listing: &Listing,
        now: DateTime<Utc>,
        unreadable: &mut BTreeSet<Unreadable>,
    ) -> Result<Self, StoreError> {
        let mut covers = Self { cutoffs: listing.valid_cutoffs(now), erased: HashMap::new() };
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
        erased.reports_until = erased.reports_until.max(key.until);
        match tombstone.records {
            Some(records) => {
                for (id, recorded) in records {
                    erased.reports_until = erased.reports_until.max(recorded);
                    erased.records.extend(id.parse().ok().map(|id| (id, recorded)));
                }
            }
            None => erased.until = erased.until.max(Some(key.until)),
        }
    }

    pub(super) fn add_cutoff(&mut self, cutoff: CutoffKey) {
        self.cutoffs.push(cutoff);
    }

    /// Whether a record was removed.
    pub fn cover(&self, entry: &RecordEntry) -> bool {
        let cut = |cutoff: &CutoffKey| entry.key.timestamp < cutoff.before && entry.delivered <= cutoff.until;
        let erased = || self.erased(&entry.key).is_some_and(|erased| erased.covers(entry));
        self.cutoffs.iter().any(cut) || erased()
    }

    fn erased(&self, key: &EventKey) -> Option<&ErasedRecords> {
        let lsid = key.lsid.as_ref().filter(|_| !self.erased.is_empty())?;
        self.erased.get(&(key.site.clone(), lsid.clone()))
    }

    /// The loose records that were removed. Reads only the records whose keys say that they can be covered: these are
    /// few, and compaction soon deletes them.
    pub(super) async fn removed(&self, store: &impl Store, loose: &[String]) -> Result<HashSet<String>, StoreError> {
        let mut removed = HashSet::new();
        let before = self.cutoffs.iter().map(|cutoff| cutoff.before).max();
        let sessions: Vec<_> = self.erased.keys().map(|(site, lsid)| SessionKeys::new(site, lsid)).collect();
        if before.is_none() && sessions.is_empty() {
            return Ok(removed);
        }
        for key in loose {
            let time = KeyParts::split(key).and_then(|parts| parts.time());
            let is_old = before.zip(time).is_some_and(|(before, time)| time < before);
            if !is_old && !sessions.iter().any(|session| session.matches(key)) {
                continue;
            }
            let entry = store.get(key).await?.and_then(|value| RecordEntry::under(key, value).ok());
            if entry.is_some_and(|entry| self.cover(&entry)) {
                removed.insert(key.clone());
            }
        }
        Ok(removed)
    }

    /// How much of the records behind a summary was removed, according to the summary.
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
            if summary.reported.is_some() && first <= erased.reports_until {
                return true;
            }
            let is_here =
                |(id, recorded): &FoundRecord| (first..=last).contains(recorded) && summary.ids.contains(&id.short());
            erased.records.iter().any(is_here)
        };
        let some = self.cutoffs.iter().any(cut_some)
            || until.is_some_and(|until| first <= until)
            || erased.is_some_and(listed);
        if some { Covered::Perhaps } else { Covered::Nothing }
    }

    /// Whether a cutoff can cover events of a pack that belong to no session. No tombstone covers such events.
    pub(super) fn suspects_others(&self, key: &PackKey, head: &Head) -> bool {
        let first = head.recorded.map_or(0, |(first, _)| first);
        let cut = |cutoff: &CutoffKey| key.first < cutoff.before && first_microsecond(first) <= cutoff.until;
        !head.others.is_empty() && self.cutoffs.iter().any(cut)
    }

    /// Whether a cutoff can cover a record of this pack. `recorded` is the first recording time of the pack, in Unix
    /// milliseconds.
    pub(super) fn can_cut(&self, key: &PackKey, recorded: Option<u64>) -> bool {
        let first = first_microsecond(recorded.unwrap_or(0));
        self.cutoffs.iter().any(|cutoff| key.first < cutoff.before && first <= cutoff.until)
    }

    /// Whether an administrator has removed what ended at a time, in a request made after it ended. `made` translates
    /// when a cutoff was set, in Unix milliseconds, to the clock of that time.
    pub fn cuts(&self, end: Timestamp, made: impl Fn(i64) -> i64) -> bool {
        let end_seconds = i64::try_from(end.seconds()).unwrap_or(i64::MAX);
        let was_made_later = |until: u64| end_seconds <= made(i64::try_from(until / 1_000).unwrap_or(i64::MAX));
        self.cutoffs.iter().any(|cutoff| end < cutoff.before && was_made_later(cutoff.until))
    }

    /// The sessions with erased records.
    pub(super) fn erased_sessions(&self) -> impl Iterator<Item = &(Site, Lsid)> {
        self.erased.keys()
    }

    /// Whether a record of a pack can have been removed.
    pub fn suspects(&self, key: &PackKey, head: &Head) -> bool {
        let touched = |summary: &Summary| self.of_session(&key.site, summary) != Covered::Nothing;
        self.suspects_others(key, head) || head.sessions.iter().any(touched)
    }
}

impl Listing {
    /// The valid cutoffs, including those of an earlier version. A cutoff that covers recording times after now is left
    /// out: a clock that was ahead wrote it, and it would cover events that are still to arrive.
    fn valid_cutoffs(&self, now: DateTime<Utc>) -> Vec<CutoffKey> {
        let mut all = self.cutoffs.clone();
        all.retain(|cutoff| !i64::try_from(cutoff.until / 1_000).is_ok_and(|until| is_ahead(until, now)));
        for old in self.old_cutoffs.iter().filter(|old| !is_void(old.0, now)) {
            all.push(CutoffKey { before: old.0, until: old.0.seconds().saturating_mul(1_000_000) });
        }
        all
    }
}

fn first_microsecond(millis: u64) -> u64 {
    millis.saturating_mul(1_000)
}

pub(super) fn last_microsecond(millis: u64) -> u64 {
    first_microsecond(millis).saturating_add(999)
}

/// Whether a cutoff of an earlier version lies in the future: then a clock that was ahead wrote it.
pub(super) fn is_void(old_cutoff: Timestamp, now: DateTime<Utc>) -> bool {
    i64::try_from(old_cutoff.seconds()).is_ok_and(|time| time > now.timestamp())
}
