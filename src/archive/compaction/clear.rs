//! Finds what tombstones and cutoffs cover. `drop.rs` deletes it where it is loose; where it is in a pack, `rewrite.rs` makes the pack
//! again without it, and `replace.rs` deletes the old one.

use super::drop::TOGETHER;
use super::markers::{CUTOFF, TOMBSTONE};
use super::pass::Pass;
use super::policy::{Bound, Policy};
use crate::archive::covers::is_void;
use crate::archive::index;
use crate::archive::listing::Listing;
use crate::event::Lsid;
use crate::identity::Site;
use crate::keys::ErasedKey;
use crate::platform::Platform;
use crate::store::StoreError;

/// What only clears packs nothing and keeps everything else.
pub(super) static KEEP_ALL: Policy = Policy::packs(usize::MAX);

/// Deletes what the tombstones of a session cover. Whether there was anything, and whether there is more.
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
    /// Deletes what tombstones and cutoffs cover, and those that have been known for long enough.
    pub(super) async fn clear_removed(&mut self) -> Result<(), StoreError> {
        let found = self.drop_removed_loose().await?;
        self.clear_cutoffs(found).await?;
        self.clear_erased(found).await
    }

    /// Deletes what was removed by age; also what an earlier version wrote when its clock was ahead. `found` is whether loose records were
    /// deleted: then it is not looked at as if nothing was left.
    pub(super) async fn clear_cutoffs(&mut self, mut found: bool) -> Result<(), StoreError> {
        let now = self.platform.now();
        let mut markers = Vec::new();
        for horizon in self.listing.old_cutoffs.clone() {
            if is_void(horizon.0, now) {
                self.drop_marker(&horizon.to_string()).await?;
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
            self.age_marker(&marker, CUTOFF, found || is_unreadable).await?;
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
            self.age_marker(&tombstone.to_string(), TOMBSTONE, found || is_unreadable).await?;
        }
        Ok(())
    }

    /// Deletes what the tombstones of a session cover of packs. Whether there was anything.
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

    /// Deletes the loose records that were removed. Whether there was anything.
    pub(super) async fn drop_removed_loose(&mut self) -> Result<bool, StoreError> {
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
}
