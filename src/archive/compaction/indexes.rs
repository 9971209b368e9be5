//! Makes indexes for packs that no index covers yet, and merges small indexes.

use std::collections::BTreeSet;

use super::pass::Pass;
use super::tiers::{MERGED_AT_ONCE, TIERS, tier};
use crate::archive::delete::delete;
use crate::archive::index::{self, IndexEntries};
use crate::archive::now;
use crate::gather::gather;
use crate::keys::{Finds, IndexKey, PackKey};
use crate::platform::Platform;
use crate::store::{Store, StoreError};

/// The most heads that one pass reads for an index of a kind: a store can have had none of that kind before.
const MOST_HEADS: usize = 256;

impl<P: Platform> Pass<'_, P> {
    /// Makes an index for packs that no index covers yet. Merges small indexes as packs are merged, and deletes indexes
    /// whose packs are all gone.
    pub(super) async fn update_indexes(&mut self, finds: Finds) -> Result<(), StoreError> {
        let (mut tiers, mut old) = ([const { Vec::<(IndexKey, IndexEntries)>::new() }; TIERS.len()], Vec::new());
        let mut covered = BTreeSet::new();
        let keys: Vec<_> = self.listing.indexes.iter().filter(|key| key.finds == finds).copied().collect();
        for key in keys {
            let Some(value) = self.store().get(&key.to_string()).await? else { continue };
            let bytes = value.len();
            let Some(mut entries) = index::parse_entries(finds, value) else {
                old.push(key);
                continue;
            };
            let all = entries.len();
            entries.retain(|pack, _| self.belongs(finds, pack));
            covered.extend(entries.keys().cloned());
            let tier = tier(if entries.len() * 2 < all { 0 } else { bytes });
            if entries.is_empty() {
                old.push(key);
            } else if let Some(group) = tier.and_then(|tier| tiers.get_mut(tier)) {
                group.push((key, entries));
            }
        }
        let mut new = IndexEntries::new();
        let uncovered = self.packs.keys().filter(|pack| !covered.contains(pack) && self.belongs(finds, pack));
        let mut heads = 0;
        for pack in uncovered.cloned().collect::<Vec<_>>() {
            if !self.fresh.contains_key(&pack) {
                heads += 1;
                if heads > MOST_HEADS {
                    break;
                }
                self.packs.remove(&pack);
                self.head(&pack).await?;
            }
            new.extend(self.fresh.get(&pack).map(|entry| (pack, entry.clone())));
        }
        for group in tiers.into_iter().filter(|group| group.len() >= MERGED_AT_ONCE) {
            let (keys, entries): (Vec<_>, Vec<_>) = group.into_iter().unzip();
            let joined: IndexEntries = gather(entries.into_iter().flatten());
            // If large packs leave room in each index, merging would give as many, in every pass.
            if index::make_indexes(finds, &joined).len() < keys.len() {
                old.extend(keys);
                new.extend(joined);
            }
        }
        for (key, value) in index::make_indexes(finds, &new) {
            self.store().set(&key.to_string(), &value).await?;
            old.retain(|old| *old != key);
        }
        let old: Vec<_> = old.iter().map(IndexKey::to_string).collect();
        delete(self.store(), &old, || true).await?;
        Ok(())
    }

    /// Whether an index of this kind has this pack: that of what is open has recent packs alone.
    fn belongs(&self, finds: Finds, pack: &PackKey) -> bool {
        self.packs.contains_key(pack) && (finds != Finds::Open || now::is_recent(pack, self.platform.now()))
    }
}
