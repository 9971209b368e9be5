//! Makes indexes of what no index tells yet, and merges small ones.

use std::collections::BTreeSet;

use super::pass::Pass;
use super::tiers::{MERGED_AT_ONCE, TIERS, tier};
use crate::archive::delete::delete;
use crate::archive::index::{self, IndexEntries};
use crate::keys::{Finds, IndexKey};
use crate::platform::Platform;
use crate::store::{Store, StoreError};

impl<P: Platform> Pass<'_, P> {
    /// Makes an index of what no index tells yet. Small ones are merged as packs are, and what tells of no pack goes.
    pub(super) async fn update_indexes(&mut self, finds: Finds) -> Result<(), StoreError> {
        let (mut tiers, mut old) = ([const { Vec::<(IndexKey, IndexEntries)>::new() }; TIERS.len()], Vec::new());
        let mut told_of = BTreeSet::new();
        let keys: Vec<_> = self.listing.indexes.iter().filter(|key| key.finds == finds).copied().collect();
        for key in keys {
            let Some(value) = self.store().get(&key.to_string()).await? else { continue };
            let bytes = value.len();
            let Some(mut tells) = index::parse_entries(finds, value) else {
                old.push(key);
                continue;
            };
            let all = tells.len();
            tells.retain(|pack, _| self.packs.contains_key(pack));
            told_of.extend(tells.keys().cloned());
            let tier = tier(if tells.len() * 2 < all { 0 } else { bytes });
            if tells.is_empty() {
                old.push(key);
            } else if let Some(group) = tier.and_then(|tier| tiers.get_mut(tier)) {
                group.push((key, tells));
            }
        }
        let mut new = IndexEntries::new();
        for pack in self.packs.keys().filter(|pack| !told_of.contains(pack)).cloned().collect::<Vec<_>>() {
            if !self.fresh.contains_key(&pack) {
                self.packs.remove(&pack);
                self.head(&pack).await?;
            }
            new.extend(self.fresh.get(&pack).map(|told| (pack, told.clone())));
        }
        for group in tiers.into_iter().filter(|group| group.len() >= MERGED_AT_ONCE) {
            for (key, tells) in group {
                old.push(key);
                new.extend(tells);
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
}
