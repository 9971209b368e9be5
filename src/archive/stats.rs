//! Counts events and sessions from keys, indexes, and the heads of packs that no index covers yet.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::event::{EventName, Timestamp};
use crate::identity::{Id, Site};
use crate::keys::{self, KeyParts, PackKey};
use crate::store::Store;

use super::covers::Covers;
use super::index;
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

/// A pack, as an index or its head describes it.
struct KnownPack {
    key: PackKey,
    events: u64,
    /// First and last recording time of its records, in Unix milliseconds. `None` if not known.
    recorded: Option<(u64, u64)>,
    /// Whether it can have events that belong to no session.
    has_others: bool,
    /// Whether an index covers it or its head could be read.
    is_known: bool,
    /// Whether its head must be read to count its events one by one.
    is_read: bool,
}

/// All packs, and the packs of each session.
struct KnownPacks {
    /// In the order of a listing.
    all: Vec<KnownPack>,
    /// For each pack of a session: [`index::session_hash`] in the upper five bytes, the pack's position in `all` in the
    /// lower three. Sorted.
    sessions: Vec<u64>,
}

/// Bits of a pack's position.
const NUMBER_BITS: u32 = 24;

fn hash_and_number(entry: u64) -> (u64, usize) {
    (entry >> NUMBER_BITS, (entry & ((1 << NUMBER_BITS) - 1)) as usize)
}

impl KnownPacks {
    async fn load<S: Store>(view: &mut View<'_, S>) -> Result<Self, ReadError> {
        let unknown = |key: &PackKey| KnownPack {
            key: key.clone(),
            events: 0,
            recorded: None,
            has_others: true,
            is_known: false,
            is_read: false,
        };
        let (mut all, mut sessions): (Vec<_>, Vec<_>) = (view.listing.packs.iter().map(unknown).collect(), Vec::new());
        let indexes = if all.is_empty() { Vec::new() } else { view.session_indexes().await? };
        for index in indexes {
            // A pack that two indexes cover counts once. A pack that is gone does not count.
            let mut numbers = Vec::with_capacity(index.packs.len());
            for indexed in &index.packs {
                let order = |pack: &KnownPack| (indexed.key.last, &pack.key).cmp(&(pack.key.last, &indexed.key));
                let number = all.binary_search_by(order).ok();
                let pack = number.and_then(|number| all.get_mut(number)).filter(|pack| !pack.is_known);
                numbers.push(number.filter(|_| pack.is_some()));
                if let Some(pack) = pack {
                    (pack.events, pack.recorded, pack.is_known) = (indexed.events, indexed.recorded, true);
                    pack.has_others = indexed.others != Some(0);
                }
            }
            let number = |pack: usize| numbers.get(pack).copied().flatten();
            let entry = |(hash, pack)| Some(hash << NUMBER_BITS | number(pack)? as u64);
            sessions.extend(index.sessions().filter_map(entry));
        }
        for (number, pack) in (0..).zip(&mut all).filter(|(_, pack)| !pack.is_known) {
            let Some(head) = view.head(&pack.key).await? else { continue };
            let hashes = head.sessions.iter().map(|summary| index::session_hash(&pack.key.site, &summary.lsid));
            sessions.extend(hashes.map(|hash| hash << NUMBER_BITS | number));
            (pack.events, pack.recorded, pack.is_known) = (head.events, head.recorded, true);
            pack.has_others = !head.others.is_empty();
        }
        // The stable sort merges runs, and each index is a sorted run. At 1,000,000 events the other one took half of
        // the time of all counting.
        sessions.sort();
        Ok(Self { all, sessions })
    }

    /// The positions of the packs with records of a session.
    fn of_session(&self, hash: u64) -> Vec<usize> {
        let from = self.sessions.partition_point(|entry| hash_and_number(*entry).0 < hash);
        let entries = self.sessions.iter().skip(from).map(|entry| hash_and_number(*entry));
        entries.take_while(|(other, _)| *other == hash).map(|(_, pack)| pack).collect()
    }

    fn mark(&mut self, pack: usize) {
        if let Some(pack) = self.all.get_mut(pack) {
            pack.is_read = true;
        }
    }

    /// Marks the packs that can hold the same event. Two passes that run at once make such packs.
    fn mark_twins(&mut self) {
        let mut twins = Vec::new();
        let overlap = |one: &KnownPack, other: &KnownPack| {
            one.key.site == other.key.site && one.key.first <= other.key.last && other.key.first <= one.key.last
        };
        let is_same = |one: &u64, other: &u64| hash_and_number(*one).0 == hash_and_number(*other).0;
        for entries in self.sessions.chunk_by(is_same).filter(|entries| entries.len() > 1) {
            let numbers = entries.iter().map(|entry| hash_and_number(*entry).1);
            let packs: Vec<_> = numbers.filter_map(|number| Some((number, self.all.get(number)?))).collect();
            for (number, one) in &packs {
                let has_twin = packs.iter().any(|(other_number, other)| number != other_number && overlap(one, other));
                twins.extend(has_twin.then_some(*number));
            }
        }
        // Indexes do not list events that belong to no session. Two packs made of the same such events overlap in their
        // recording times.
        for (number, one) in self.all.iter().enumerate().filter(|(_, one)| one.is_known && one.has_others) {
            let before = self.all.iter().enumerate().skip(number + 1);
            let near = before.take_while(|(_, other)| other.key.last >= one.key.first);
            let is_twin = |other: &KnownPack| {
                other.is_known
                    && other.has_others
                    && overlap(one, other)
                    && recordings_overlap(one.recorded, other.recorded)
            };
            for (other_number, _) in near.filter(|(_, other)| is_twin(other)) {
                twins.extend([number, other_number]);
            }
        }
        twins.into_iter().for_each(|pack| self.mark(pack));
    }

    /// Marks the packs with records that can have been removed.
    fn mark_removed(&mut self, covers: &Covers) {
        for (site, lsid) in covers.erased_sessions() {
            self.of_session(index::session_hash(site, lsid)).into_iter().for_each(|pack| self.mark(pack));
        }
        for pack in &mut self.all {
            pack.is_read |= covers.can_cut(&pack.key, pack.recorded.map(|(first, _)| first));
        }
    }

    /// Marks the packs that can hold a loose event too. Returns whether there is one.
    fn mark_repeats(&mut self, site: &Site, session: Option<u64>, time: Option<Timestamp>) -> bool {
        let Some(time) = time else { return false };
        let is_within = |pack: &KnownPack| pack.key.site == *site && (pack.key.first..=pack.key.last).contains(&time);
        let packs = match session {
            Some(hash) => self.of_session(hash),
            None => (0..).zip(&self.all).filter(|(_, pack)| pack.has_others).map(|(number, _)| number).collect(),
        };
        let mut found = false;
        for pack in packs {
            if self.all.get(pack).is_some_and(is_within) {
                self.mark(pack);
                found = true;
            }
        }
        found
    }

    fn sessions_of_unread(&self) -> impl Iterator<Item = u64> {
        let is_unread = |pack: usize| self.all.get(pack).is_some_and(|pack| !pack.is_read);
        let entries = self.sessions.iter().map(|entry| hash_and_number(*entry));
        entries.filter(move |(_, pack)| is_unread(*pack)).map(|(hash, _)| hash)
    }
}

/// Whether two spans of recording times overlap. True if one is not known.
fn recordings_overlap(one: Option<(u64, u64)>, other: Option<(u64, u64)>) -> bool {
    one.zip(other).is_none_or(|(one, other)| one.0 <= other.1 && other.0 <= one.1)
}
