//! Removal by age: writes a cutoff, then deletes what it covers.

use std::time::Duration;

use super::clear::KEEP_ALL;
use super::pass::{Pass, time};
use super::policy::Bound;
use crate::archive::covers::{Marker, last_microsecond};
use crate::archive::listing::Listing;
use crate::archive::pack::RecordEntry;
use crate::archive::retention::first_seen;
use crate::event::Timestamp;
use crate::keys::CutoffKey;
use crate::platform::Platform;
use crate::store::{Store, StoreError};

/// The result of a removal by age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CutoffOutcome {
    /// Number of events that this call deleted.
    pub events: usize,
    /// Number of set-aside bodies that this call deleted.
    pub set_aside: usize,
    /// Number of events that stay, since their recording time is later than the clock.
    pub skipped: usize,
    /// Whether more data must be deleted: repeat the call.
    pub remaining: bool,
}

/// Removes the events and bodies found with a time before `before`.
pub(in crate::archive) async fn apply_cutoff<P: Platform>(
    platform: &P,
    before: Timestamp,
    bound: &Bound,
) -> Result<CutoffOutcome, StoreError> {
    let listing = Listing::load(platform.store()).await?;
    let mut pass = Pass::new(platform, &KEEP_ALL, bound, listing, None).await?;
    pass.learn_packs().await?;
    let skipped = pass.write_cutoff(before).await?;
    let found = pass.drop_removed_loose().await?;
    pass.clear_cutoffs(found).await?;
    pass.drop_set_aside_before(before).await?;
    let report = pass.report;
    Ok(CutoffOutcome {
        events: report.dropped,
        set_aside: report.dropped_set_aside,
        skipped,
        remaining: report.remaining,
    })
}

impl<P: Platform> Pass<'_, P> {
    /// Writes the cutoff that covers the events found before a time, unless there are none. Returns the number of
    /// events that it does not cover, since they were recorded later than the clock reads.
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
            let entry = self.store().get(&key).await?.and_then(|value| RecordEntry::under(&key, value).ok());
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

    /// Whether the search has used half of the pass's time. The other half is for deleting, or a repeated call would
    /// not advance. The next call continues the search.
    fn is_half_over(&mut self, began: Duration) -> bool {
        let over = self.platform.elapsed(began) >= self.bound.time / 2;
        self.report.remaining |= over;
        over
    }

    /// Deletes the set-aside bodies first seen before a time.
    async fn drop_set_aside_before(&mut self, before: Timestamp) -> Result<(), StoreError> {
        for key in self.listing.set_aside.clone() {
            if self.is_over() {
                break;
            }
            let name = key.to_string();
            let Some(value) = self.store().get(&name).await? else { continue };
            match first_seen(&value) {
                Ok(seen) if seen < before.seconds().saturating_mul(1_000) => {
                    self.drop_set_aside(&name).await?;
                }
                Ok(_) => {}
                Err(reason) => self.note(name, reason),
            }
        }
        Ok(())
    }
}

/// The recording times of events found before a cutoff's time. Times are Unix microseconds.
struct FoundBefore {
    now: u64,
    /// The latest recording time that is not later than now.
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
