//! What indexes and heads say of all packs, and which packs must be read to count each event once.

use super::covers::Covers;
use super::index;
use super::view::{ReadError, View};
use crate::event::Timestamp;
use crate::identity::Site;
use crate::keys::{Finds, PackKey};
use crate::store::Store;

/// A pack, as an index or its head describes it.
pub(super) struct KnownPack {
    pub(super) key: PackKey,
    pub(super) events: u64,
    /// First and last recording time of its records, in Unix milliseconds. `None` if not known.
    recorded: Option<(u64, u64)>,
    /// Whether it can have events that belong to no session.
    has_others: bool,
    /// Whether an index covers it or its head could be read.
    is_known: bool,
    /// Whether its head must be read to count its events one by one.
    pub(super) is_read: bool,
}

/// All packs, and the packs of each session.
pub(super) struct KnownPacks {
    /// In the order of a listing.
    pub(super) all: Vec<KnownPack>,
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
    pub(super) async fn load<S: Store>(view: &mut View<'_, S>) -> Result<Self, ReadError> {
        let unknown = |key: &PackKey| KnownPack {
            key: key.clone(),
            events: 0,
            recorded: None,
            has_others: true,
            is_known: false,
            is_read: false,
        };
        let (mut all, mut sessions): (Vec<_>, Vec<_>) = (view.listing.packs.iter().map(unknown).collect(), Vec::new());
        let indexes = if all.is_empty() { Vec::new() } else { view.hash_indexes(Finds::Sessions).await? };
        for index in indexes {
            // A pack that two indexes cover counts once. A pack that is gone does not count.
            let mut numbers = Vec::with_capacity(index.packs.len());
            for (key, facts) in &index.packs {
                let order = |pack: &KnownPack| (key.last, &pack.key).cmp(&(pack.key.last, key));
                let number = all.binary_search_by(order).ok();
                let pack = number.and_then(|number| all.get_mut(number)).filter(|pack| !pack.is_known);
                numbers.push(number.filter(|_| pack.is_some()));
                if let Some(pack) = pack {
                    (pack.events, pack.recorded, pack.is_known) = (facts.events, facts.recorded, true);
                    pack.has_others = facts.others != Some(0);
                }
            }
            let number = |pack: usize| numbers.get(pack).copied().flatten();
            let entry = |(hash, pack)| Some(hash << NUMBER_BITS | number(pack)? as u64);
            sessions.extend(index.hashes().filter_map(entry));
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
    pub(super) fn mark_twins(&mut self) {
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
    pub(super) fn mark_removed(&mut self, covers: &Covers) {
        for (site, lsid) in covers.erased_sessions() {
            self.of_session(index::session_hash(site, lsid)).into_iter().for_each(|pack| self.mark(pack));
        }
        for pack in &mut self.all {
            pack.is_read |= covers.can_cut(&pack.key, pack.recorded.map(|(first, _)| first));
        }
    }

    /// Marks the packs that can hold a loose event too. Returns whether there is one.
    pub(super) fn mark_repeats(&mut self, site: &Site, session: Option<u64>, time: Option<Timestamp>) -> bool {
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

    /// [`index::session_hash`] of each session that is in several packs.
    pub(super) fn in_several(&self) -> impl Iterator<Item = u64> {
        let is_same = |one: &u64, other: &u64| hash_and_number(*one).0 == hash_and_number(*other).0;
        let several = self.sessions.chunk_by(is_same).filter(|entries| entries.len() > 1);
        several.filter_map(|entries| entries.first().map(|entry| hash_and_number(*entry).0))
    }

    pub(super) fn sessions_of_unread(&self) -> impl Iterator<Item = u64> {
        let is_unread = |pack: usize| self.all.get(pack).is_some_and(|pack| !pack.is_read);
        let entries = self.sessions.iter().map(|entry| hash_and_number(*entry));
        entries.filter(move |(_, pack)| is_unread(*pack)).map(|(hash, _)| hash)
    }
}

/// Whether two spans of recording times overlap. True if one is not known.
fn recordings_overlap(one: Option<(u64, u64)>, other: Option<(u64, u64)>) -> bool {
    one.zip(other).is_none_or(|(one, other)| one.0 <= other.1 && other.0 <= one.1)
}
