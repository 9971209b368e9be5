//! The scan of a list of sessions: which pack is read next, and which session is the next one.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::ops::Bound::{Excluded, Unbounded};

use super::index::{self, HashIndex};
use super::sessions_query::{SessionId, SessionPosition, SessionsCursor, SessionsQuery};
use super::view::{ReadError, View};
use crate::event::Timestamp;
use crate::gather::gather;
use crate::identity::Site;
use crate::keys::{self, Finds, KeyParts, PackKey};
use crate::session::Summary;
use crate::store::Store;

/// The most heads that one answer reads. Then the page ends, even if it is not full.
const MAX_HEADS: usize = 100;

/// The most loose records that one answer reads. Then the page ends, even if it is not full.
const MAX_LOOSE: usize = 5_000;

/// The loose keys of one session: a range of the sorted listing.
struct LooseSession {
    first: Timestamp,
    keys: std::ops::Range<usize>,
    read: bool,
}

/// A scan under way.
pub(super) struct SessionScan<'v, 's, S> {
    view: &'v mut View<'s, S>,
    pub(super) start: SessionsCursor,
    indexes: Vec<HashIndex>,
    /// The packs of the queried site, in the order of a listing, each with whether it is unread.
    packs: Vec<(PackKey, bool)>,
    /// The position in `packs` from which on the next frontier pack is searched.
    searched: usize,
    /// The packs that no index covers.
    unindexed: BTreeSet<PackKey>,
    /// The packs that can have the queried external key. `None` if none is queried: then all packs count.
    candidates: Option<BTreeSet<PackKey>>,
    /// The sessions with loose records, in the order of their keys.
    loose: Vec<LooseSession>,
    /// Positions in `loose`, the newest session last.
    loose_by_time: Vec<usize>,
    /// Summaries of the sessions that are not listed yet, as far as they were read.
    known: HashMap<SessionId, Summary>,
    /// The positions of the sessions in `known`.
    positions: BTreeSet<SessionPosition>,
    heads_read: usize,
    loose_read: usize,
}

impl<'v, 's, S: Store> SessionScan<'v, 's, S> {
    pub(super) async fn new(
        view: &'v mut View<'s, S>,
        query: &SessionsQuery,
        start: SessionsCursor,
    ) -> Result<Self, ReadError> {
        let of_site = |site: &str| query.site.as_ref().is_none_or(|own| own.as_str() == site);
        let packs = view.listing.packs.iter().filter(|pack| of_site(pack.site.as_str()));
        let packs: Vec<_> = packs.map(|pack| (pack.clone(), true)).collect();
        let indexes = if packs.is_empty() { Vec::new() } else { view.hash_indexes(Finds::Sessions).await? };
        let mut unindexed: BTreeSet<_> = gather(packs.iter().map(|(pack, _)| pack.clone()));
        for (pack, _) in indexes.iter().flat_map(|index| &index.packs) {
            unindexed.remove(pack);
        }
        let candidates = match &query.external_key {
            Some(key) => Some(packs_with_key(view, key).await?),
            None => None,
        };
        view.listing.loose.sort_unstable_by(|one, other| session_parts(one).cmp(&session_parts(other)));
        let loose = loose_sessions(&view.listing.loose, of_site);
        let mut loose_by_time: Vec<_> = (0..loose.len()).collect();
        loose_by_time.sort_unstable_by_key(|at| (loose.get(*at).map(|session| session.first), Reverse(*at)));
        Ok(Self {
            view,
            start,
            indexes,
            packs,
            searched: 0,
            unindexed,
            candidates,
            loose,
            loose_by_time,
            known: HashMap::new(),
            positions: BTreeSet::new(),
            heads_read: 0,
            loose_read: 0,
        })
    }

    pub(super) fn is_at_bound(&self) -> bool {
        self.heads_read >= MAX_HEADS || self.loose_read >= MAX_LOOSE
    }

    /// The latest time at which an unread pack can have a session.
    pub(super) fn frontier(&mut self) -> Option<Timestamp> {
        self.frontier_pack().and_then(|pack| self.packs.get(pack)).map(|(pack, _)| pack.last.min(self.start.first.0))
    }

    /// The next unread pack. Continues where the last search ended, since a read pack stays read.
    fn frontier_pack(&mut self) -> Option<usize> {
        let start = self.start.first.0;
        let rest = self.packs.get(self.searched..)?;
        let counts = |pack: &PackKey| self.candidates.as_ref().is_none_or(|candidates| candidates.contains(pack));
        let is_next = |(pack, unread): &(PackKey, bool)| *unread && pack.first <= start && counts(pack);
        self.searched += rest.iter().position(is_next).unwrap_or(rest.len());
        Some(self.searched).filter(|pack| *pack < self.packs.len())
    }

    pub(super) async fn read_frontier(&mut self) -> Result<(), ReadError> {
        match self.frontier_pack() {
            Some(pack) => self.read_head(pack).await,
            None => Ok(()),
        }
    }

    async fn read_head(&mut self, number: usize) -> Result<(), ReadError> {
        let Some((pack, unread)) = self.packs.get_mut(number) else { return Ok(()) };
        *unread = false;
        let pack = pack.clone();
        self.heads_read += 1;
        for summary in self.view.head(&pack).await?.into_iter().flat_map(|head| head.sessions) {
            self.learn((pack.site.clone(), summary.lsid.clone()), summary);
        }
        Ok(())
    }

    fn learn(&mut self, session: SessionId, summary: Summary) {
        let known = match self.known.entry(session.clone()) {
            std::collections::hash_map::Entry::Vacant(slot) => slot.insert(summary),
            std::collections::hash_map::Entry::Occupied(slot) => {
                let known = slot.into_mut();
                self.positions.remove(&(Reverse(known.first), session.clone()));
                known.join(summary);
                known
            }
        };
        self.positions.insert((Reverse(known.first), session));
    }

    /// The latest known session that is not listed yet, after the start.
    pub(super) fn latest(&mut self) -> Option<SessionPosition> {
        let known = match &self.start {
            SessionsCursor { first, session: Some(session) } => {
                self.positions.range((Excluded((*first, session.clone())), Unbounded)).next()
            }
            // Without a session, the cursor is before every session of its second.
            SessionsCursor { first, session: None } => self.positions.iter().find(|(time, _)| time >= first),
        };
        let known = known.cloned();
        let loose = self.latest_loose();
        [known, loose].into_iter().flatten().min()
    }

    fn latest_loose(&mut self) -> Option<SessionPosition> {
        while let Some(at) = self.loose_by_time.last() {
            let position = self.loose.get(*at).filter(|session| !session.read).and_then(|session| {
                let key = self.view.listing.loose.get(session.keys.start)?;
                let parts = KeyParts::split(key)?;
                Some((Reverse(session.first), (Site::parse(parts.site)?, keys::read_lsid(parts.lsid).ok()?)))
            });
            match position.filter(|position| self.start.precedes(position)) {
                Some(position) => return Some(position),
                None => _ = self.loose_by_time.pop(),
            }
        }
        None
    }

    /// Reads everything of the session at a position. `None` if the session turns out to begin at another time, or is
    /// gone.
    pub(super) async fn complete(&mut self, position: &SessionPosition) -> Result<Option<Summary>, ReadError> {
        let (_, session) = position;
        for pack in self.packs_of(session) {
            self.read_head(pack).await?;
        }
        self.read_loose(session).await?;
        let stays = self.known.get(session).is_some_and(|known| Reverse(known.first) == position.0);
        if !stays {
            return Ok(None);
        }
        self.positions.remove(position);
        Ok(self.known.remove(session))
    }

    /// The unread packs that can hold records of a session.
    fn packs_of(&self, (site, lsid): &SessionId) -> Vec<usize> {
        let hash = index::session_hash(site, lsid);
        let candidates = self.indexes.iter().flat_map(|index| index.find(hash)).chain(&self.unindexed);
        let numbers = candidates.filter(|pack| pack.site == *site).filter_map(|pack| {
            // The order of a listing.
            let order = |(other, _): &(PackKey, bool)| (pack.last, other).cmp(&(other.last, pack));
            self.packs.binary_search_by(order).ok()
        });
        numbers.filter(|number| self.packs.get(*number).is_some_and(|(_, unread)| *unread)).collect()
    }

    /// Reads the loose records of a session, unless they were read before.
    async fn read_loose(&mut self, (site, lsid): &SessionId) -> Result<(), ReadError> {
        let (site, lsid) = (site.as_str(), keys::lsid(lsid));
        let parts =
            |session: &LooseSession| self.view.listing.loose.get(session.keys.start).map(|key| session_parts(key));
        let at = self.loose.partition_point(|other| parts(other).is_some_and(|(s, l, _)| (s, l) < (site, &*lsid)));
        let is_it = |session: &&mut LooseSession| {
            let parts = self.view.listing.loose.get(session.keys.start).map(|key| session_parts(key));
            !session.read && parts.is_some_and(|(s, l, _)| (s, l) == (site, &*lsid))
        };
        let Some(session) = self.loose.get_mut(at).filter(is_it) else { return Ok(()) };
        session.read = true;
        let keys = self.view.listing.loose.get(session.keys.clone()).unwrap_or_default().to_vec();
        self.loose_read += keys.len();
        for key in keys {
            let Some(entry) = self.view.loose(&key).await? else { continue };
            let site = entry.key.site.clone();
            if let Ok(Some(summary)) = entry.summary() {
                self.learn((site, summary.lsid.clone()), summary);
            }
        }
        Ok(())
    }
}

/// The packs that can have sessions with an external key, by the indexes of external keys.
async fn packs_with_key<S: Store>(view: &View<'_, S>, external_key: &str) -> Result<BTreeSet<PackKey>, ReadError> {
    let mut packs: BTreeSet<PackKey> = gather(view.listing.packs.iter().cloned());
    if packs.is_empty() {
        return Ok(packs);
    }
    let (indexes, hash) = (view.hash_indexes(Finds::ExternalKeys).await?, index::key_hash(external_key));
    for (pack, _) in indexes.iter().flat_map(|index| &index.packs) {
        packs.remove(pack);
    }
    packs.extend(indexes.iter().flat_map(|index| index.find(hash)).cloned());
    Ok(packs)
}

/// Site, lsid and time of a loose key: sorting by these groups the keys of a session, in the order of their times.
fn session_parts(key: &str) -> (&str, &str, &str) {
    let mut parts = key.split('.').skip(1);
    let mut part = || parts.next().unwrap_or_default();
    let (site, time, lsid) = (part(), part(), part());
    (site, lsid, time)
}

/// The sessions of sorted loose keys.
fn loose_sessions(loose: &[String], of_site: impl Fn(&str) -> bool) -> Vec<LooseSession> {
    let mut sessions: Vec<LooseSession> = Vec::new();
    let mut last = ("", "");
    for (number, parts) in loose.iter().enumerate().filter_map(|(number, key)| Some((number, KeyParts::split(key)?))) {
        if !parts.has_lsid() || !of_site(parts.site) {
            continue;
        }
        let session = |first| LooseSession { first, keys: number..number + 1, read: false };
        match sessions.last_mut().filter(|_| last == (parts.site, parts.lsid)) {
            Some(session) => session.keys.end = number + 1,
            None => sessions.extend(parts.time().map(session)),
        }
        last = (parts.site, parts.lsid);
    }
    sessions
}
