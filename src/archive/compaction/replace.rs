//! Writes packs, then deletes what they replace. No other file deletes records that must stay: each is in another pack
//! by then. Removed and aged records are deleted with the old pack, and are in no other.
//!
//! The rule, which `tests/archive_model/` holds:
//!
//! 1. Write the packs.
//! 2. Read each back, and compare every byte.
//! 3. Only then delete what they hold: loose records, or old packs.
//!
//! A pass that dies between two steps leaves records twice, which readers see once. A pass reads a pack itself before
//! it deletes what the pack holds, even if another pass wrote it (the repeats of `loose.rs`).

use std::time::Duration;

use super::pass::Pass;
use crate::archive::covers::Covers;
use crate::archive::delete::delete;
use crate::archive::listing::Listing;
use crate::archive::pack::{self, MadePack, RecordEntries};
use crate::identity::Site;
use crate::keys::PackKey;
use crate::platform::Platform;
use crate::store::{Store, StoreError};

impl<P: Platform> Pass<'_, P> {
    /// Makes packs of records of a site, and writes nothing.
    pub(super) fn make_packs(&self, site: &Site, entries: &RecordEntries) -> Result<Vec<MadePack>, StoreError> {
        let made = (self.policy.grace > Duration::ZERO).then(|| self.platform.now().timestamp().unsigned_abs());
        pack::make_packs(site, entries, made).map_err(|error| StoreError::Other(error.to_string()))
    }

    /// Replaces what held the records of packs that were made of `entries`: writes the packs, reads each back, then
    /// deletes the loose records or the `old` packs. If there are old packs and a record fits no new pack, it does
    /// nothing and returns false.
    pub(super) async fn replace(
        &mut self,
        packs: &[MadePack],
        entries: &RecordEntries,
        old: &[PackKey],
    ) -> Result<bool, StoreError> {
        if !old.is_empty() && packs.iter().map(|pack| pack.keys.len()).sum::<usize>() < entries.len() {
            old.iter().for_each(|pack| self.note(pack, "it holds records that no pack of this version can hold"));
            return Ok(false);
        }
        for pack in packs.iter().filter(|pack| !old.contains(&pack.key)) {
            let key = pack.key.to_string();
            self.store().set(&key, &pack.value).await?;
            if self.store().get(&key).await?.as_ref() != Some(&pack.value) {
                return Err(StoreError::Other(format!("the value read back from {key} differs from the one written")));
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

    /// Deletes loose records that a pack holds as in `packed`. Skips records that were removed meanwhile: such an event
    /// can have been sent and recorded again, and that record is not in the pack.
    pub(super) async fn delete_packed<'k>(
        &mut self,
        packed: &RecordEntries,
        keys: impl Iterator<Item = &'k String>,
    ) -> Result<(), StoreError> {
        let listing = Listing::load(self.store()).await?;
        self.covers = Covers::load(self.store(), &listing, self.platform.now(), &mut self.report.unreadable).await?;
        drop(listing);
        let is_packed = |key: &&String| packed.get(*key).is_some_and(|entry| !self.covers.cover(entry));
        let keys: Vec<_> = keys.filter(is_packed).cloned().collect();
        let store = self.store();
        // A later pass finds the rest as repeats. The first batch is deleted even without time left: if a list takes
        // longer than a pass, nothing would ever be deleted otherwise.
        let mut begins = true;
        self.report.packed += delete(store, &keys, || std::mem::take(&mut begins) || !self.is_over()).await?;
        Ok(())
    }
}
