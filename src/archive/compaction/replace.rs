//! Writes packs, then deletes what they replace. The only file that deletes records which are to stay: each stands in another pack by
//! then. What was removed or has aged goes with the old pack and stands in no other.
//!
//! The rule, which `tests/archive_model/` holds:
//!
//! 1. Write the packs.
//! 2. Read each back, and compare every byte.
//! 3. Only then delete what they hold: loose records, or old packs.
//!
//! A pass that dies between two steps leaves records twice, which readers see once. Whoever deletes has read the
//! pack itself, also where another pass wrote it (the repeats of `loose.rs`).

use std::time::Duration;

use super::pass::Pass;
use crate::archive::covers::Covers;
use crate::archive::delete::delete;
use crate::archive::listing::Listing;
use crate::archive::pack::{self, RecordEntries};
use crate::identity::Site;
use crate::keys::PackKey;
use crate::platform::Platform;
use crate::store::{Store, StoreError};

impl<P: Platform> Pass<'_, P> {
    /// Puts records of a site into packs, and deletes the loose records and old packs that they stood in, in this order: packs are
    /// written, each is read back, then what they hold is deleted. With old packs all records must find a place, or nothing is
    /// done; whether it was.
    pub(super) async fn replace(
        &mut self,
        site: &Site,
        entries: &RecordEntries,
        old: &[PackKey],
    ) -> Result<bool, StoreError> {
        let made = (self.policy.grace > Duration::ZERO).then(|| self.platform.now().timestamp().unsigned_abs());
        let packs = pack::make_packs(site, entries, made).map_err(|error| StoreError::Other(error.to_string()))?;
        if !old.is_empty() && packs.iter().map(|pack| pack.keys.len()).sum::<usize>() < entries.len() {
            old.iter().for_each(|pack| self.note(pack, "it holds records that no pack of today can hold"));
            return Ok(false);
        }
        for pack in packs.iter().filter(|pack| !old.contains(&pack.key)) {
            let key = pack.key.to_string();
            self.store().set(&key, &pack.value).await?;
            if self.store().get(&key).await?.as_ref() != Some(&pack.value) {
                return Err(StoreError::Other(format!("what was written under {key} is not what is read there")));
            }
            self.learn(&pack.key, &pack.head, pack.value.len());
            self.report.written += 1;
        }
        if old.is_empty() && self.policy.grace == Duration::ZERO {
            self.delete_packed(entries, packs.iter().flat_map(|pack| &pack.keys)).await?;
        }
        for pack in old.iter().filter(|old| packs.iter().all(|pack| pack.key != **old)) {
            self.store().delete(&pack.to_string()).await?;
            self.forget(pack);
        }
        Ok(true)
    }

    /// Deletes loose records that stand in a pack as `packed` has them. Not those of a session that was erased meanwhile: one of
    /// them may have been sent and recorded again since, and that is not in the pack.
    pub(super) async fn delete_packed<'k>(
        &mut self,
        packed: &RecordEntries,
        keys: impl Iterator<Item = &'k String>,
    ) -> Result<(), StoreError> {
        let listing = Listing::load(self.store()).await?;
        self.covers = Covers::load(self.store(), &listing, self.platform.now(), &mut self.report.unreadable).await?;
        drop(listing);
        let stands = |key: &&String| packed.get(*key).is_some_and(|entry| !self.covers.cover(entry));
        let keys: Vec<_> = keys.filter(stands).cloned().collect();
        let store = self.store();
        // What is left is found to be packed by a later pass. Some goes whatever the time: where a list takes longer than a pass may,
        // nothing would ever go.
        let mut begins = true;
        self.report.packed += delete(store, &keys, || std::mem::take(&mut begins) || !self.is_over()).await?;
        Ok(())
    }
}
