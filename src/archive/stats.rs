//! How much there is: from keys, indexes, and the heads of packs that no index speaks of yet.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::Timestamp;
use crate::identity::Site;
use crate::keys::{self, KeyParts, PackKey};
use crate::store::Store;

use super::{ReadError, View, gather, index};

/// How much there is. A repeat of an event that was packed counts once more until a pass has seen it, and so does what was
/// removed and not yet cleared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Events.
    pub events: u64,
    /// Sessions.
    pub sessions: usize,
    /// Events of each site, and the time of its last.
    pub sites: BTreeMap<Site, (u64, Timestamp)>,
}

impl Stats {
    fn count(&mut self, site: &Site, events: u64, last: Timestamp) {
        self.events += events;
        let of_site = self.sites.entry(site.clone()).or_insert((0, last));
        *of_site = (of_site.0 + events, of_site.1.max(last));
    }
}

/// Counts what a view shows.
pub async fn stats<S: Store>(view: &mut View<'_, S>) -> Result<Stats, ReadError> {
    let (mut stats, mut sessions) = (Stats::default(), Vec::new());
    let mut last = None;
    for parts in view.listing.loose.iter().filter_map(|key| KeyParts::of(key)) {
        let Some((site, time)) = Site::parse(parts.site).zip(parts.time()) else { continue };
        stats.count(&site, 1, time);
        // Often the one before: what is listed together was often stored together.
        if last != Some((parts.site, parts.lsid))
            && let Ok(lsid) = keys::read_lsid(parts.lsid)
        {
            sessions.push(index::hash(&site, &lsid));
        }
        last = Some((parts.site, parts.lsid));
    }
    let mut packs: BTreeSet<PackKey> = gather(view.listing.packs.iter().cloned());
    if !packs.is_empty() {
        for index in view.session_indexes().await? {
            // A pack that two indexes tell of counts once.
            let of_index = index.packs.iter().map(|(pack, ..)| pack.clone()).filter(|pack| packs.contains(pack));
            let of_index: BTreeSet<_> = gather(of_index);
            for (pack, _, events) in index.packs.iter().filter(|(pack, ..)| of_index.contains(pack)) {
                stats.count(&pack.site, *events, pack.last);
            }
            sessions.extend(index.hashes(|pack| of_index.contains(pack)));
            for (pack, ..) in &index.packs {
                packs.remove(pack);
            }
        }
    }
    for pack in packs {
        let Some(head) = view.head(&pack).await? else { continue };
        stats.count(&pack.site, head.events, pack.last);
        sessions.extend(head.sessions.iter().map(|summary| index::hash(&pack.site, &summary.lsid)));
    }
    sessions.sort_unstable();
    sessions.dedup();
    stats.sessions = sessions.len();
    Ok(stats)
}
