//! Counts events and sessions from keys, indexes, and the heads of packs that no index covers yet.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::event::{EventName, Timestamp};
use crate::identity::{Id, Site};
use crate::keys::{self, KeyParts};
use crate::store::Store;

use super::index;
use super::known_packs::KnownPacks;
use super::view::{ReadError, View};

/// Counts of a store. An event counts once, even if the store holds it several times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Number of events.
    pub events: u64,
    /// Number of sessions.
    pub sessions: usize,
    /// Number of events of each site, ordered by name.
    pub sites: Vec<(Site, u64)>,
}

impl StoreStats {
    /// Counts events of a site, perhaps none.
    pub fn count(&mut self, site: &Site, events: u64) {
        self.events += events;
        let at = self.sites.partition_point(|(other, _)| other < site);
        match self.sites.get_mut(at).filter(|(other, _)| other == site) {
            Some((_, all)) => *all += events,
            None => self.sites.insert(at, (site.clone(), events)),
        }
    }
}

/// The most records of a site read before now, and after now, to find the one recorded last.
const LATEST: usize = 4;

/// The time at which the last event of a site was recorded, in Unix milliseconds. Reads the records with the latest
/// times up to now, and with the latest times of all, since the appliance's clock can be ahead. Ignores recording times
/// after now.
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

/// The loose event of a site with the latest time, in Unix seconds, that is not after `end`. A report is no event: it
/// was fetched.
fn latest_until(loose: &[String], site: &Site, end: u64) -> Option<(u64, String)> {
    let mut latest: Option<(u64, &str)> = None;
    let of_site = |parts: &KeyParts<'_>| parts.site == site.as_str() && !parts.is_named(&EventName::Report);
    for parts in loose.iter().filter_map(|key| KeyParts::split(key)).filter(of_site) {
        let time = parts.time().map_or(0, Timestamp::seconds);
        if time <= end && latest.is_none_or(|(other, _)| other < time) {
            latest = Some((time, parts.key));
        }
    }
    latest.map(|(time, key)| (time, key.to_owned()))
}

/// Counts what a view shows: the union of loose records and packs, without what was removed. Reads no loose record.
///
/// Reads each index of sessions, and each pack that no index covers. It also reads each pack with an event that can be
/// counted twice or removed: the event can be loose too, in another pack, or erased. Keys and indexes say which packs
/// these are: they share a session, and their times overlap. While compaction keeps up, these are few, and usually
/// none.
pub async fn count_stored<S: Store>(view: &mut View<'_, S>) -> Result<StoreStats, ReadError> {
    let mut packs = KnownPacks::load(view).await?;
    packs.mark_twins();
    packs.mark_removed(&view.covers);
    let (mut stats, mut sessions, mut ids) = (StoreStats::default(), Vec::new(), BTreeMap::<Site, Vec<u64>>::new());
    let mut last: Option<(&str, Site, &str, Option<u64>)> = None;
    for parts in view.listing.loose.iter().filter_map(|key| KeyParts::split(key)) {
        // The session is often that of the key before: keys that are listed together were often stored together.
        if last.as_ref().is_none_or(|(site, _, lsid, _)| (*site, *lsid) != (parts.site, parts.lsid)) {
            let Some(site) = Site::parse(parts.site) else { continue };
            let session = keys::read_lsid(parts.lsid).ok().map(|lsid| index::session_hash(&site, &lsid));
            sessions.extend(session);
            last = Some((parts.site, site, parts.lsid, session));
        }
        let Some((_, site, _, session)) = &last else { continue };
        match parts.id.parse::<Id>().ok().filter(|_| packs.mark_repeats(site, *session, parts.time())) {
            Some(id) => ids.entry(site.clone()).or_default().push(id.short()),
            None => stats.count(site, 1),
        }
    }
    for pack in &packs.all {
        if !pack.is_read {
            stats.count(&pack.key.site, pack.events);
        } else if let Some(head) = view.head(&pack.key).await? {
            ids.entry(pack.key.site.clone()).or_default().extend(head.ids());
            sessions.extend(head.sessions.iter().map(|summary| index::session_hash(&pack.key.site, &summary.lsid)));
        }
    }
    for (site, mut ids) in ids {
        ids.sort_unstable();
        ids.dedup();
        stats.count(&site, ids.len() as u64);
    }
    sessions.extend(packs.sessions_of_unread());
    // Sorted but for a few runs: see `KnownPacks::load`.
    sessions.sort();
    sessions.dedup();
    stats.sessions = sessions.len();
    Ok(stats)
}
