//! How much there is: from keys, indexes, and the heads of packs that no index speaks of yet.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::event::Timestamp;
use crate::gather::gather;
use crate::identity::Site;
use crate::keys::{self, KeyParts, PackKey};
use crate::store::Store;

use super::index;
use super::view::{ReadError, View};

/// How much there is. A repeat of an event that was packed counts once more until a pass has seen it, and so does what was
/// removed and not yet cleared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Events.
    pub events: u64,
    /// Sessions.
    pub sessions: usize,
    /// Events of each site, in the order of their names.
    pub sites: Vec<(Site, u64)>,
}

impl Stats {
    fn count(&mut self, site: &Site, events: u64) {
        self.events += events;
        let at = self.sites.partition_point(|(other, _)| other < site);
        match self.sites.get_mut(at).filter(|(other, _)| other == site) {
            Some((_, all)) => *all += events,
            None => self.sites.insert(at, (site.clone(), events)),
        }
    }
}

/// How many of a site's records are read on either side of now to find the one that was taken last.
const LATEST: usize = 4;

/// When an event of a site was last taken, in Unix milliseconds, as the records with the latest times tell: of those that are not after
/// now, and of all, since the appliance's clock may be ahead or have been. A time of recording that is later than now is wrong, and none.
pub async fn last_taken<S: Store>(
    view: &mut View<'_, S>,
    site: &Site,
    now: DateTime<Utc>,
) -> Result<Option<u64>, ReadError> {
    let millis = now.timestamp_millis().max(0).unsigned_abs();
    let mut times = Vec::new();
    let seconds = millis / 1_000;
    for (mut end, after) in [(seconds, None), (u64::MAX, Some(seconds))] {
        for _ in 0..LATEST {
            let latest = latest_until(&view.listing.loose, site, end);
            let Some((time, key)) = latest.filter(|(time, _)| Some(*time) > after) else { break };
            times.extend(view.loose(&key).await?.map(|entry| entry.recorded));
            let Some(before) = time.checked_sub(1) else { break };
            end = before;
        }
    }
    let pack = view.listing.packs.iter().find(|pack| pack.site == *site).filter(|_| times.is_empty()).cloned();
    if let Some(pack) = pack {
        times.extend(view.head(&pack).await?.and_then(|head| head.last_recorded()));
    }
    Ok(times.into_iter().filter(|time| *time <= millis).max())
}

/// The loose record of a site with the latest time, in Unix seconds, that is not after `end`.
fn latest_until(loose: &[String], site: &Site, end: u64) -> Option<(u64, String)> {
    let mut latest: Option<(u64, &str)> = None;
    for parts in loose.iter().filter_map(|key| KeyParts::of(key)).filter(|parts| parts.site == site.as_str()) {
        let time = parts.time().map_or(0, Timestamp::seconds);
        if time <= end && latest.is_none_or(|(other, _)| other < time) {
            latest = Some((time, parts.key));
        }
    }
    latest.map(|(time, key)| (time, key.to_owned()))
}

/// Counts what a view shows.
pub async fn stats<S: Store>(view: &mut View<'_, S>) -> Result<Stats, ReadError> {
    let (mut stats, mut sessions) = (Stats::default(), Vec::new());
    let mut last = None;
    for parts in view.listing.loose.iter().filter_map(|key| KeyParts::of(key)) {
        let Some(site) = Site::parse(parts.site) else { continue };
        stats.count(&site, 1);
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
            let of_index = index.packs.iter().map(|pack| pack.key.clone()).filter(|pack| packs.contains(pack));
            let of_index: BTreeSet<_> = gather(of_index);
            for pack in index.packs.iter().filter(|pack| of_index.contains(&pack.key)) {
                stats.count(&pack.key.site, pack.events);
            }
            sessions.extend(index.hashes(|pack| of_index.contains(pack)));
            for pack in &index.packs {
                packs.remove(&pack.key);
            }
        }
    }
    for pack in packs {
        let Some(head) = view.head(&pack).await? else { continue };
        stats.count(&pack.site, head.events);
        sessions.extend(head.sessions.iter().map(|summary| index::hash(&pack.site, &summary.lsid)));
    }
    sessions.sort_unstable();
    sessions.dedup();
    stats.sessions = sessions.len();
    Ok(stats)
}
