//! Finds the records that tombstones and cutoffs cover. `drop.rs` deletes the loose ones. `rewrite.rs` writes packs
//! again without covered records, and `replace.rs` deletes the old packs.

use super::drop::TOGETHER;
use super::markers::{CUTOFF_AGE, TOMBSTONE_AGE};
use super::pass::Pass;
use super::policy::{Bound, Policy};
use crate::archive::covers::is_void;
use crate::archive::index;
use crate::archive::listing::Listing;
use crate::event::{Lsid, Timestamp};
use crate::identity::Site;
use crate::keys::{CutoffKey, ErasedKey};
use crate::platform::Platform;
use crate::store::StoreError;

/// A policy for passes that only clear: it packs nothing and has no retention.
pub(super) static KEEP_ALL: Policy = Policy::packs(usize::MAX);

/// Deletes the records that the tombstones of a session cover. Returns whether any were found, and whether more remain.
pub(in crate::archive) async fn clear_session<P: Platform>(
    platform: &P,
    site: &Site,
    lsid: &Lsid,
    bound: &Bound,
) -> Result<(bool, bool), StoreError> {
    let listing = Listing::load(platform.store()).await?;
    let mut pass = Pass::new(platform, &KEEP_ALL, bound, listing, None).await?;
    pass.learn_packs().await?;
    let loose = pass.drop_removed_loose().await?;
    let packed = pass.drop_session(site, lsid).await?;
    Ok((loose || packed, pass.report.remaining))
}

impl<P: Platform> Pass<'_, P> {
    /// Deletes the records that tombstones and cutoffs cover, and markers that passes have known for long enough.
    pub(super) async fn clear_removed(&mut self) -> Result<(), StoreError> {
        let found = self.drop_removed_loose().await?;
        self.clear_cutoffs(found).await?;
        self.clear_erased(found).await
    }

    /// Deletes the packed records that cutoffs cover, and void cutoffs of an earlier version. `found` says whether
    /// covered loose records were found: then the cutoffs stay.
    pub(super) async fn clear_cutoffs(&mut self, mut found: bool) -> Result<(), StoreError> {
        let now = self.platform.now();
        let mut markers = Vec::new();
        for old in self.listing.old_cutoffs.clone() {
            if is_void(old.0, now) {
                self.drop_marker(&old.to_string()).await?;
            } else {
                markers.push((old.0, old.0, old.to_string()));
            }
        }
        // A cutoff can name a time in the future. It covers only what was there when it was set.
        let last = |cutoff: &CutoffKey| Timestamp::from_seconds(cutoff.until / 1_000_000).unwrap_or(cutoff.before);
        let cutoffs = self.listing.cutoffs.iter();
        markers.extend(cutoffs.map(|cutoff| (cutoff.before, cutoff.before.min(last(cutoff)), cutoff.to_string())));
        let Some(before) = markers.iter().map(|(before, ..)| *before).max() else { return Ok(()) };
        let packs: Vec<_> = self.packs.keys().filter(|pack| pack.first < before).cloned().collect();
        for pack in packs {
            if self.is_over() {
                break;
            }
            found |= self.drop_covered(&pack).await?;
        }
        let is_unreadable = self.listing.packs.iter().any(|pack| pack.first < before && !self.packs.contains_key(pack));
        for (_, last, marker) in markers {
            self.age_marker(&marker, CUTOFF_AGE, found || is_unreadable, (None, last)).await?;
        }
        Ok(())
    }

    /// Deletes the packed records that tombstones cover.
    async fn clear_erased(&mut self, found: bool) -> Result<(), StoreError> {
        for tombstone in self.listing.erased.clone() {
            if self.is_over() {
                break;
            }
            let ErasedKey { site, lsid, .. } = &tombstone;
            let found = found | self.drop_session(site, lsid).await?;
            // An unreadable pack can hold covered records.
            let is_unreadable =
                self.listing.packs.iter().any(|pack| pack.site == *site && !self.packs.contains_key(pack));
            let last = Timestamp::from_seconds(tombstone.until / 1_000).unwrap_or_default();
            let key = tombstone.to_string();
            self.age_marker(&key, TOMBSTONE_AGE, found || is_unreadable, (Some(site), last)).await?;
        }
        Ok(())
    }

    /// Deletes the packed records that the tombstones of a session cover. Returns whether any were found.
    async fn drop_session(&mut self, site: &Site, lsid: &Lsid) -> Result<bool, StoreError> {
        let mut found = false;
        for pack in self.packs_of(site, index::session_hash(site, lsid)) {
            if self.is_over() {
                found = true;
                break;
            }
            found |= self.drop_covered(&pack).await?;
        }
        Ok(found)
    }

    /// Deletes the loose records that were removed. Returns whether any were found.
    pub(super) async fn drop_removed_loose(&mut self) -> Result<bool, StoreError> {
        let (mut rest, mut found) = (std::mem::take(&mut self.listing.loose), false);
        while !rest.is_empty() {
            // Delete right after the check. Later, another pass can have deleted a record, and a repeat can be under
            // its key.
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
}
