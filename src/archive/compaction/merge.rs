//! Merges small packs, and packs that hold the same events.

use std::collections::BTreeSet;

use super::pass::{MAX_OVERLAPS, Pass};
use super::tiers::{MERGED_AT_ONCE, tier};
use crate::archive::events;
use crate::archive::pack::RecordEntries;
use crate::gather::gather;
use crate::identity::Site;
use crate::keys::PackKey;
use crate::platform::Platform;
use crate::store::StoreError;

impl<P: Platform> Pass<'_, P> {
    /// Merges packs of one site and tier, the oldest first. Also merges packs that hold the same events, which two
    /// concurrent passes have made.
    pub(super) async fn merge(&mut self) -> Result<(), StoreError> {
        let mut tried = BTreeSet::new();
        while let Some(group) = self.mergeable(&tried).await? {
            if self.is_over() {
                break;
            }
            tried.extend(group.iter().cloned());
            let (mut entries, mut old, mut gone_of_all) = (RecordEntries::new(), Vec::new(), 0);
            for pack in &group {
                if let Some((of_pack, gone)) = self.entries(pack).await? {
                    of_pack.into_iter().for_each(|entry| events::keep_first(&mut entries, entry));
                    old.push(pack.clone());
                    gone_of_all += gone;
                }
            }
            let Some(site) = old.first().map(|pack| pack.site.clone()).filter(|_| old.len() > 1) else { continue };
            let packs = self.make_packs(&site, &entries)?;
            if self.replace(&packs, &entries, &old).await? {
                self.report.merged += old.len();
                self.report.dropped += gone_of_all;
            }
        }
        Ok(())
    }

    /// The next packs to merge, without those that were tried.
    async fn mergeable(&mut self, tried: &BTreeSet<PackKey>) -> Result<Option<Vec<PackKey>>, StoreError> {
        // The groups are few: a list needs less code in the component than a map.
        let mut tiers: Vec<(&Site, usize, Vec<&PackKey>)> = Vec::new();
        let pressed = self.policy.is_pressed(&self.listing);
        for (pack, known) in self.packs.iter().filter(|(pack, _)| !tried.contains(pack)) {
            if let Some(tier) = tier(known.bytes).filter(|_| !known.full) {
                let tier = if pressed { 0 } else { tier };
                match tiers.iter_mut().find(|(site, of, _)| **site == pack.site && *of == tier) {
                    Some((_, _, group)) => group.push(pack),
                    None => tiers.push((&pack.site, tier, vec![pack])),
                }
            }
        }
        let enough = if pressed { 2 } else { MERGED_AT_ONCE };
        if let Some((.., group)) = tiers.into_iter().find(|(.., group)| group.len() >= enough) {
            return Ok(Some(group.into_iter().take(MERGED_AT_ONCE).cloned().collect()));
        }
        self.twins(tried).await
    }

    /// A new pack, and another that holds one of its events.
    async fn twins(&mut self, tried: &BTreeSet<PackKey>) -> Result<Option<Vec<PackKey>>, StoreError> {
        let fresh: Vec<_> = self.fresh.keys().filter(|pack| !tried.contains(pack)).cloned().collect();
        for one in fresh {
            if self.is_over() {
                break;
            }
            let overlaps = |pack: &&PackKey| {
                **pack != one && pack.site == one.site && pack.first <= one.last && one.first <= pack.last
            };
            let others: Vec<_> = self.packs.keys().filter(overlaps).take(MAX_OVERLAPS).cloned().collect();
            for other in others.into_iter().filter(|other| !tried.contains(other)) {
                let ids = match self.fresh_ids.get(&other) {
                    Some(ids) => ids.clone(),
                    None => self.head(&other).await?.map(|head| gather(head.ids())).unwrap_or_default(),
                };
                if self.fresh_ids.get(&one).is_some_and(|own| !own.is_disjoint(&ids)) {
                    return Ok(Some(vec![one, other]));
                }
            }
        }
        Ok(None)
    }
}
