//! Packs loose records, the oldest first, and deletes repeats of packed records.

use std::collections::BTreeSet;

use super::pass::{MAX_OVERLAPS, Pass, by_key, time};
use super::pending::PendingDeliveries;
use super::policy::{FEW, MANY_LOOSE};
use super::report::CompactionReport;
use crate::archive::listing::Listing;
use crate::archive::pack::{RecordEntries, RecordEntry};
use crate::archive::whole_seconds::of_whole_seconds;
use crate::clock_faults::{self, ClockFault, ClockFaultKind};
use crate::deadline::{Deadline, is_ahead, millis};
use crate::gather::gather;
use crate::identity::Site;
use crate::keys::{KeyParts, PackKey};
use crate::platform::Platform;
use crate::store::{Store, StoreError};

/// Keeps the keys at positions `first` to `end` in the order of their times, and drops the others. Before a pass
/// deletes anything, it lists all keys again, and a component can lack the memory for two complete lists.
fn keep_oldest(keys: &mut Vec<String>, first: usize, end: usize) {
    let by_time = |one: &String, other: &String| KeyParts::split(one).cmp(&KeyParts::split(other));
    if end < keys.len() {
        let (_, next, _) = keys.select_nth_unstable_by(end, by_time);
        let second = time(next);
        keys.truncate(end);
        // The same rule as `of_whole_seconds`, for keys that are not sorted.
        let shared = keys.iter().filter(|key| time(key) == second).count();
        if shared <= end.saturating_sub(first) / 2 {
            keys.retain(|key| time(key) != second);
        }
    }
    if first > 0 {
        keys.select_nth_unstable_by(first, by_time);
        keys.drain(..first);
    }
    keys.shrink_to_fit();
}

/// The site of an event's key.
fn site(key: &str) -> Option<&str> {
    key.split('.').nth(1)
}

fn is_pending(pending: &impl PendingDeliveries, key: &str) -> bool {
    KeyParts::split(key).is_some_and(|parts| pending.is_pending(&parts))
}

impl<P: Platform> Pass<'_, P> {
    /// Packs the oldest loose events, all but those that stay loose. If none of the oldest can be packed, it tries the
    /// next ones.
    pub(super) async fn pack_loose(&mut self, pending: &mut impl PendingDeliveries) -> Result<(), StoreError> {
        let (stay, batch) = (self.policy.stay_loose(&self.listing), self.policy.batch(&self.listing));
        let mut first = 0;
        loop {
            let excess = self.listing.loose.len().saturating_sub(stay);
            if excess < batch {
                return Ok(());
            }
            let mut oldest = self.not_pending(batch, pending).await?;
            let excess = excess.min(oldest.len());
            if excess < batch.max(first + 1) {
                return Ok(());
            }
            let end = excess.min(first.saturating_add(self.bound.loose));
            keep_oldest(&mut oldest, first, end);
            let done = |report: &CompactionReport| (report.packed, report.written, report.dropped);
            let before = done(&self.report);
            self.pack_sites(oldest, batch).await?;
            if end == excess || done(&self.report) != before || self.is_over() {
                self.report.remaining |= end < excess;
                return Ok(());
            }
            first = end;
            self.listing.loose = Listing::load(self.store()).await?.loose;
        }
    }

    /// Packs loose events site by site, the site with most events first.
    async fn pack_sites(&mut self, mut keys: Vec<String>, batch: usize) -> Result<(), StoreError> {
        // Sorting groups the keys of a site, in the order of their times.
        keys.sort_unstable();
        let mut sites: Vec<_> = keys.chunk_by(|one, other| site(one) == site(other)).collect();
        sites.sort_by_key(|keys| std::cmp::Reverse(keys.len()));
        let few = batch.min(8);
        for keys in sites.into_iter().filter(|keys| keys.len() >= few) {
            let Some(site) = keys.first().and_then(|key| site(key)).and_then(Site::parse) else { continue };
            let (mut rest, most) = (keys, self.bound.events.max(1));
            while !rest.is_empty() {
                if self.is_over() {
                    return Ok(());
                }
                let (some, after) = rest.split_at_checked(most).unwrap_or((rest, &[]));
                let whole = of_whole_seconds(some, after.first(), |key| time(key));
                let (some, after) = rest.split_at_checked(whole).unwrap_or((rest, &[]));
                let done = self.pack_some(&site, some, !after.is_empty()).await?;
                rest = rest.get(done.max(1)..).unwrap_or_default();
            }
        }
        Ok(())
    }

    /// The keys of events that are not pending, which can be packed. If pending events would fill the store, it pauses
    /// the destination with the greatest backlog, and then the next.
    async fn not_pending(
        &mut self,
        batch: usize,
        pending: &mut impl PendingDeliveries,
    ) -> Result<Vec<String>, StoreError> {
        if !pending.learn(self.store(), &self.listing).await? {
            return Ok(std::mem::take(&mut self.listing.loose));
        }
        while self.policy.is_pressed(&self.listing) || self.listing.loose.len() > MANY_LOOSE {
            let free = self.listing.loose.iter().filter(|key| !is_pending(pending, key)).count();
            if free >= batch.max(FEW) {
                break;
            }
            if !pending.pause_greatest_backlog(self.store(), &self.listing, self.platform.now()).await? {
                break;
            }
        }
        let mut loose = std::mem::take(&mut self.listing.loose);
        loose.retain(|key| !is_pending(pending, key));
        Ok(loose)
    }

    /// Packs loose events of a site, in the order of their times. Returns how many of `keys` are done. If `more` events
    /// follow, and these fill a pack, the last pack would stay small, and merging would join it with distant small packs
    /// to packs that overlap in time and must be read to count. Its events are left for the next call instead.
    async fn pack_some(&mut self, site: &Site, keys: &[String], more: bool) -> Result<usize, StoreError> {
        let mut entries = RecordEntries::new();
        for key in keys {
            // Without a value, another pass has packed it.
            let Some(value) = self.store().get(key).await? else { continue };
            match RecordEntry::under(key, value) {
                Ok(entry) if self.covers.cover(&entry) => {}
                Ok(entry) => _ = entries.insert(key.clone(), entry),
                Err(reason) => self.note(key, reason),
            }
        }
        let is_ahead =
            |entry: &RecordEntry| i64::try_from(entry.recorded).is_ok_and(|at| is_ahead(at, self.platform.now()));
        if entries.values().any(is_ahead) {
            clock_faults::add_fault(
                &mut self.report.clock_faults,
                ClockFault::of_site(ClockFaultKind::RecordedAhead, site),
            );
        }
        self.drop_repeats(site, &mut entries).await?;
        let mut packs = self.make_packs(site, &entries)?;
        let left = if more && packs.len() > 1 { packs.pop() } else { None };
        self.replace(&packs, &entries, &[]).await?;
        let first_left = left.as_ref().and_then(|pack| pack.keys.first());
        Ok(first_left.and_then(|first| keys.binary_search(first).ok()).unwrap_or(keys.len()))
    }

    /// Takes out the records that a pack holds already, and deletes the loose ones: repeats of packed events, and
    /// records whose grace has ended.
    async fn drop_repeats(&mut self, site: &Site, entries: &mut RecordEntries) -> Result<(), StoreError> {
        let packs = self.packs.keys().filter(|pack| pack.site == *site);
        let overlaps =
            |pack: &&PackKey| entries.values().any(|entry| (pack.first..=pack.last).contains(&entry.key.timestamp));
        let packs: Vec<_> = packs.filter(overlaps).take(MAX_OVERLAPS).cloned().collect();
        for pack in packs {
            let Some(head) = self.head(&pack).await? else { continue };
            let ids: BTreeSet<_> = gather(head.ids());
            if !entries.values().any(|entry| ids.contains(&entry.key.id.short())) {
                continue;
            }
            let Some((packed, _)) = self.entries(&pack).await? else { continue };
            let made = head.made.and_then(|made| i64::try_from(made.saturating_mul(1_000)).ok());
            let grace = made.map(|at| Deadline { at, wait: millis(self.policy.grace) });
            let waits = grace.is_some_and(|grace| grace.holds(self.platform.now()));
            let packed = by_key(packed);
            let is_packed = |key: &String, entry: &RecordEntry| {
                packed.get(key).is_some_and(|packed| packed.recorded <= entry.recorded)
            };
            let repeats: Vec<_> =
                entries.iter().filter(|(key, entry)| is_packed(key, entry)).map(|(key, _)| key.clone()).collect();
            entries.retain(|key, _| !repeats.contains(key));
            if !waits {
                self.delete_packed(&packed, repeats.iter()).await?;
            }
        }
        Ok(())
    }
}
