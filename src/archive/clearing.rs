//! What a pass deletes besides what it has packed: what was removed, and what has aged.
//!
//! What tells that something was removed, a tombstone or a cutoff, goes when nothing that it covers was found and passes have known it for
//! long enough: longer than any pass that was under way when it was written, which may yet write a pack that holds some of it. That time is
//! added up by passes, an hour or two each, so that no single wrong clock ends it.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::covers::{Marker, is_void, last_microsecond};
use super::delete::delete;
use super::index;
use super::listing::Listing;
use super::pack::Entry;
use super::packing::{Bound, Pass, Policy, by_key};
use super::retention::{Aged, Aging, Retention, first_seen};
use crate::clock_faults::{self, ClockFault, Kind};
use crate::deadline::{Waited, is_ahead};
use crate::event::{Lsid, Timestamp};
use crate::identity::Site;
use crate::keys::{CutoffKey, ErasedKey, KeyParts, PackKey};
use crate::platform::Platform;
use crate::store::{Store, StoreError};

/// For how long passes have known a tombstone before it goes.
const TOMBSTONE: Duration = Duration::from_secs(24 * 60 * 60);

/// For how long passes have known a cutoff before it goes.
const CUTOFF: Duration = Duration::from_secs(48 * 60 * 60);

/// How often passes look how old a tombstone or a cutoff is.
const LOOK: Duration = Duration::from_secs(60 * 60);

/// How many loose records are deleted together.
const TOGETHER: usize = 256;

/// What only clears packs nothing and keeps everything else.
static KEEP_ALL: Policy = Policy::packs(usize::MAX);

/// What was removed by age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// How many events are deleted by this call.
    pub events: usize,
    /// How many bodies that were set aside are.
    pub set_aside: usize,
    /// How many events are left, since their time of recording is later than the clock.
    pub skipped: usize,
    /// Whether there is more to delete.
    pub remaining: bool,
}

/// Removes what is found with an earlier time than `before`.
pub(super) async fn cut<P: Platform>(platform: &P, before: Timestamp, bound: &Bound) -> Result<Cut, StoreError> {
    let listing = Listing::of(platform.store()).await?;
    let mut pass = Pass::new(platform, &KEEP_ALL, bound, listing, None).await?;
    pass.learn_packs().await?;
    let skipped = pass.write_cutoff(before).await?;
    let found = pass.drop_removed_loose().await?;
    pass.clear_cutoffs(found).await?;
    pass.drop_set_aside_before(before).await?;
    let report = pass.report;
    Ok(Cut { events: report.dropped, set_aside: report.dropped_set_aside, skipped, remaining: report.remaining })
}

/// Deletes what the tombstones of a session cover. Whether there was anything, and whether there is more.
pub(super) async fn clear_session<P: Platform>(
    platform: &P,
    site: &Site,
    lsid: &Lsid,
    bound: &Bound,
) -> Result<(bool, bool), StoreError> {
    let listing = Listing::of(platform.store()).await?;
    let mut pass = Pass::new(platform, &KEEP_ALL, bound, listing, None).await?;
    pass.learn_packs().await?;
    let loose = pass.drop_removed_loose().await?;
    let packed = pass.drop_session(site, lsid).await?;
    Ok((loose || packed, pass.report.remaining))
}

/// Whether it is time to look how old what tells of removals is. It is looked at together: the first tombstone tells, or the
/// first cutoff.
pub(super) async fn is_due<P: Platform>(platform: &P, listing: &Listing) -> Result<bool, StoreError> {
    let firsts = [
        listing.erased.first().map(ToString::to_string),
        listing.cutoffs.first().map(ToString::to_string),
        listing.horizons.first().map(ToString::to_string),
    ];
    for key in firsts.into_iter().flatten() {
        let value = platform.store().get(&key).await?;
        if let Some(marker) = value.and_then(|value| Marker::read(&value).ok()) {
            return Ok(looks_due(marker.age, platform.now()));
        }
    }
    Ok(false)
}

/// Whether the last look was long enough ago for another.
fn looks_due(age: Option<Waited>, now: DateTime<Utc>) -> bool {
    let look = i64::try_from(LOOK.as_millis()).unwrap_or(i64::MAX);
    age.is_none_or(|age| !(0..look).contains(&now.timestamp_millis().saturating_sub(age.at)))
}

impl<P: Platform> Pass<'_, P> {
    /// Deletes what tombstones and cutoffs cover, and those that have been known for long enough.
    pub(super) async fn clear_removed(&mut self) -> Result<(), StoreError> {
        let found = self.drop_removed_loose().await?;
        self.clear_cutoffs(found).await?;
        self.clear_erased(found).await
    }

    /// Deletes what was removed by age; also what an earlier version wrote when its clock was ahead. `found` is whether loose records were
    /// deleted: then it is not looked at as if nothing was left.
    async fn clear_cutoffs(&mut self, mut found: bool) -> Result<(), StoreError> {
        let now = self.platform.now();
        let mut markers = Vec::new();
        for horizon in self.listing.horizons.clone() {
            if is_void(horizon.0, now) {
                self.store().delete(&horizon.to_string()).await?;
            } else {
                markers.push((horizon.0, horizon.to_string()));
            }
        }
        markers.extend(self.listing.cutoffs.iter().map(|cutoff| (cutoff.before, cutoff.to_string())));
        let Some(before) = markers.iter().map(|(before, _)| *before).max() else { return Ok(()) };
        let packs: Vec<_> = self.packs.keys().filter(|pack| pack.first < before).cloned().collect();
        for pack in packs {
            if self.is_over() {
                break;
            }
            found |= self.drop_covered(&pack).await?;
        }
        let is_unreadable = self.listing.packs.iter().any(|pack| pack.first < before && !self.packs.contains_key(pack));
        for (_, marker) in markers {
            self.age(&marker, CUTOFF, found || is_unreadable).await?;
        }
        Ok(())
    }

    /// Deletes what tombstones cover of packs.
    async fn clear_erased(&mut self, found: bool) -> Result<(), StoreError> {
        for tombstone in self.listing.erased.clone() {
            if self.is_over() {
                break;
            }
            let ErasedKey { site, lsid, .. } = &tombstone;
            let found = found | self.drop_session(site, lsid).await?;
            // A pack that cannot be read may hold what it covers.
            let is_unreadable =
                self.listing.packs.iter().any(|pack| pack.site == *site && !self.packs.contains_key(pack));
            self.age(&tombstone.to_string(), TOMBSTONE, found || is_unreadable).await?;
        }
        Ok(())
    }

    /// Adds to the age of what tells that something was removed. It goes if it is old enough and nothing that it covers is `left`.
    async fn age(&mut self, key: &str, known_for: Duration, left: bool) -> Result<(), StoreError> {
        let now = self.platform.now();
        let Some(value) = self.store().get(key).await? else { return Ok(()) };
        // One that cannot be read was noted when it was to tell what it covers.
        let Ok(mut marker) = Marker::read(&value) else { return Ok(()) };
        if marker.age.is_some_and(|age| is_ahead(age.at, now)) {
            clock_faults::note(&mut self.report.clock_faults, ClockFault::of_recipient(Kind::DeadlineAhead));
        }
        if looks_due(marker.age, now) {
            let age = marker.age.get_or_insert(Waited::since(now));
            age.add(now, LOOK);
            if !age.is(known_for) || left || self.report.remaining {
                return self.store().set(key, &marker.to_json()).await;
            }
            return self.store().delete(key).await;
        }
        Ok(())
    }

    /// Deletes what the tombstones of a session cover of packs. Whether there was anything.
    async fn drop_session(&mut self, site: &Site, lsid: &Lsid) -> Result<bool, StoreError> {
        let mut found = false;
        for pack in self.packs_of(site, index::hash(site, lsid)) {
            if self.is_over() {
                found = true;
                break;
            }
            found |= self.drop_covered(&pack).await?;
        }
        Ok(found)
    }

    /// Deletes the loose records that were removed. Whether there was anything.
    async fn drop_removed_loose(&mut self) -> Result<bool, StoreError> {
        let (mut rest, mut found) = (std::mem::take(&mut self.listing.loose), false);
        while !rest.is_empty() {
            // Deleted as soon as they were looked at: later, another pass may have, and one may have been recorded again.
            let mut lot = rest.split_off(rest.len().saturating_sub(TOGETHER));
            let removed = self.covers.removed(self.store(), &lot).await?;
            if removed.is_empty() {
                self.listing.loose.append(&mut lot);
                continue;
            }
            let (gone, mut others): (Vec<_>, Vec<_>) = lot.into_iter().partition(|key| removed.contains(key));
            self.listing.loose.append(&mut others);
            if !(found && self.is_over()) {
                self.drop_loose(&gone).await?;
            }
            found = true;
        }
        Ok(found)
    }

    /// Deletes what is covered of a pack: writes it again without that. Whether there was anything.
    async fn drop_covered(&mut self, pack: &PackKey) -> Result<bool, StoreError> {
        let Some(head) = self.head(pack).await? else { return Ok(false) };
        if !self.covers.suspect(pack, &head) {
            return Ok(false);
        }
        self.rewrite(pack).await
    }

    /// Writes a pack again without what was removed or has aged. Whether there was anything.
    async fn rewrite(&mut self, pack: &PackKey) -> Result<bool, StoreError> {
        let Some((entries, gone)) = self.entries(pack).await? else { return Ok(false) };
        if gone == 0 {
            return Ok(false);
        }
        let entries = by_key(entries);
        if self.replace(&pack.site, &entries, std::slice::from_ref(pack)).await? {
            self.report.dropped += gone;
        }
        Ok(true)
    }

    async fn drop_pack(&mut self, pack: &PackKey, events: usize) -> Result<(), StoreError> {
        self.store().delete(&pack.to_string()).await?;
        self.report.dropped += events;
        self.forget(pack);
        Ok(())
    }

    /// Deletes loose records; the first lot whatever the time, or a slow store would never get anywhere.
    async fn drop_loose(&mut self, keys: &[String]) -> Result<(), StoreError> {
        let store = self.store();
        let mut begins = true;
        self.report.dropped += delete(store, keys, || std::mem::take(&mut begins) || !self.is_over()).await?;
        Ok(())
    }

    /// Writes the cutoff that covers what is found with an earlier time, and gives how many events it does not cover, since they were
    /// recorded later than the clock reads. None is written where nothing is found.
    async fn write_cutoff(&mut self, before: Timestamp) -> Result<usize, StoreError> {
        let now = u64::try_from(self.platform.now().timestamp_micros()).unwrap_or(0);
        let began = self.platform.monotonic();
        let mut found = FoundBefore { now, until: None, skipped: 0 };
        let is_old = |key: &&String| time(key).is_some_and(|own| own < before);
        let old: Vec<_> = self.listing.loose.iter().filter(is_old).cloned().collect();
        for key in old {
            if self.is_half_over(began) {
                break;
            }
            let entry = self.store().get(&key).await?.and_then(|value| Entry::under(&key, value).ok());
            entry.iter().for_each(|entry| found.add(entry.delivered));
        }
        let packs = self.packs.iter().filter(|(pack, _)| pack.first < before);
        let packs: Vec<_> = packs.map(|(pack, known)| (pack.clone(), known.recorded)).collect();
        for (pack, recorded) in packs {
            match recorded.filter(|(_, last)| pack.last < before && last_microsecond(*last) <= now) {
                Some((_, last)) => found.add(last_microsecond(last)),
                None if self.is_half_over(began) => {}
                None => {
                    let entries = self.entries(&pack).await?.map(|(entries, _)| entries).unwrap_or_default();
                    let old = entries.iter().filter(|entry| entry.key.timestamp < before);
                    old.for_each(|entry| found.add(entry.delivered));
                }
            }
        }
        if let Some(until) = found.until {
            let cutoff = CutoffKey { before, until };
            self.store().set(&cutoff.to_string(), &Marker::cutoff(self.platform.now()).to_json()).await?;
            self.listing.cutoffs.push(cutoff);
            self.covers.add_cutoff(cutoff);
        }
        Ok(found.skipped)
    }

    /// Whether half of the time is up since looking began: it must leave some for deleting, or a call again would come no further. Then
    /// the next call looks for the rest.
    fn is_half_over(&mut self, began: Duration) -> bool {
        let over = self.platform.elapsed(began) >= self.bound.time / 2;
        self.report.remaining |= over;
        over
    }

    /// Deletes the bodies that were first seen before a time.
    async fn drop_set_aside_before(&mut self, before: Timestamp) -> Result<(), StoreError> {
        for key in self.listing.set_aside.clone() {
            if self.is_over() {
                break;
            }
            let name = key.to_string();
            let Some(value) = self.store().get(&name).await? else { continue };
            match first_seen(&value) {
                Ok(seen) if seen < before.seconds().saturating_mul(1_000) => {
                    self.store().delete(&name).await?;
                    self.report.dropped_set_aside += 1;
                }
                Ok(_) => {}
                Err(reason) => self.note(name, reason),
            }
        }
        Ok(())
    }

    /// Deletes what has aged, in the order of keys; where the time is up it is gone on with by the next pass.
    pub(super) async fn drop_aged(&mut self) -> Result<(), StoreError> {
        let Some(mut retention) = self.retention.clone().filter(Retention::is_due) else { return Ok(()) };
        let Some(aging) = retention.aging else { return Ok(()) };
        // There may be no room for two lists of all keys. What is not yet packed has been, by now, as far as it can be.
        self.listing.loose = Vec::new();
        let listing = Listing::of(self.store()).await?;
        let (mut gone, mut last) = (Vec::new(), None);
        for key in retention.unseen(self.suspects(&listing, aging)) {
            // One is looked at whatever the time: else a store that is slow to list would never get anywhere.
            if last.is_some() && self.is_over() {
                self.drop_loose(&gone).await?;
                retention.pause(self.store(), last).await;
                return Ok(());
            }
            if let Ok(pack) = key.parse() {
                self.drop_aged_of(aging, &pack).await?;
            } else if key.starts_with("event.") {
                gone.extend(self.has_aged(aging, &key).await?.then(|| key.clone()));
            } else {
                self.drop_aged_set_aside(aging, &key).await?;
            }
            last = Some(key);
            if gone.len() >= TOGETHER {
                self.drop_loose(&std::mem::take(&mut gone)).await?;
            }
        }
        self.drop_loose(&gone).await?;
        retention.finish(self.store()).await;
        Ok(())
    }

    /// The keys of whatever may have aged, as far as keys and what is known of packs tell.
    fn suspects(&self, listing: &Listing, aging: Aging) -> Vec<String> {
        let loose = listing.loose.iter().filter(|key| time(key).is_some_and(|own| aging.suspects(own)));
        let mut suspects: Vec<_> = loose.cloned().collect();
        for (pack, known) in &self.packs {
            let own = aging.suspects(pack.first) || aging.suspects(pack.last);
            if own && aging.of_pack(pack, known.recorded) != Aged::Nothing {
                suspects.push(pack.to_string());
            }
        }
        suspects.extend(listing.set_aside.iter().map(ToString::to_string));
        suspects
    }

    async fn has_aged(&mut self, aging: Aging, key: &str) -> Result<bool, StoreError> {
        let entry = self.store().get(key).await?.and_then(|value| Entry::under(key, value).ok());
        Ok(entry.is_some_and(|entry| aging.has_aged_entry(&entry)))
    }

    async fn drop_aged_of(&mut self, aging: Aging, pack: &PackKey) -> Result<(), StoreError> {
        let Some(head) = self.head(pack).await? else { return Ok(()) };
        match aging.of_pack(pack, head.recorded) {
            Aged::All => self.drop_pack(pack, head.events as usize).await,
            Aged::Perhaps => self.rewrite(pack).await.map(drop),
            Aged::Nothing => Ok(()),
        }
    }

    async fn drop_aged_set_aside(&mut self, aging: Aging, key: &str) -> Result<(), StoreError> {
        let Some(value) = self.store().get(key).await? else { return Ok(()) };
        match first_seen(&value) {
            Ok(seen) if aging.has_aged_set_aside(seen) => {
                self.store().delete(key).await?;
                self.report.dropped_set_aside += 1;
            }
            Ok(_) => {}
            Err(reason) => self.note(key, reason),
        }
        Ok(())
    }
}

/// What is found with an earlier time than a cutoff's.
struct FoundBefore {
    now: u64,
    /// The latest time of recording that is not later than now, in Unix microseconds like that.
    until: Option<u64>,
    skipped: usize,
}

impl FoundBefore {
    fn add(&mut self, delivered: u64) {
        if delivered <= self.now {
            self.until = self.until.max(Some(delivered));
        } else {
            self.skipped += 1;
        }
    }
}

/// The own time of a loose record.
fn time(key: &str) -> Option<Timestamp> {
    KeyParts::of(key)?.time()
}
