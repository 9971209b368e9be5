//! Lists sessions, the newest first, with complete rows, without reading old packs.
//!
//! The scan reads packs in the order of their last times, from the latest. The latest known session is listed next,
//! unless an unread pack could hold a session that begins later. Before listing a session, the scan reads every other
//! pack with records of it, by the [`index`]. If these move its begin to an earlier time, the session is listed later.
//!
//! A scan that finds few matches ends at a bound, with the rows found and a cursor to continue.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::ops::Bound::{Excluded, Unbounded};

use crate::event::{Lsid, Timestamp};
use crate::gather::gather;
use crate::identity::Site;
use crate::keys::{self, KeyParts, PackKey};
use crate::session::{SessionState, Summary};
use crate::store::Store;

use super::index::{self, SessionIndex};
use super::view::{ReadError, View};

/// The most heads that one answer reads. Then the page ends, even if it is not full.
const MAX_HEADS: usize = 100;

/// The most loose records that one answer reads. Then the page ends, even if it is not full.
const MAX_LOOSE: usize = 5_000;

/// A session: lsids are unique only within a site.
pub type SessionId = (Site, Lsid);

/// The position of a session in the list.
type SessionPosition = (Reverse<Timestamp>, SessionId);

/// The end of a page.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionsCursor {
    first: Reverse<Timestamp>,
    /// The last session of the page. `None` if the page ended before all sessions that began at that time.
    session: Option<SessionId>,
}

impl SessionsCursor {
    /// A cursor before the sessions that began at `time`, and after those that began later.
    fn before_time(time: Timestamp) -> Self {
        Self { first: Reverse(time), session: None }
    }

    fn after_session((first, session): SessionPosition) -> Self {
        Self { first, session: Some(session) }
    }

    /// Parses the text that its `Display` writes.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const RULE: &str = "is not the cursor of a page of sessions";
        let mut parts = text.splitn(3, '.');
        let first = keys::read_timestamp(parts.next().unwrap_or_default()).map_err(|_| RULE)?;
        let session = match (parts.next(), parts.next()) {
            (None, _) => None,
            (Some(site), Some(lsid)) => {
                Some((Site::parse(site).ok_or(RULE)?, keys::read_lsid(lsid).map_err(|_| RULE)?))
            }
            (Some(_), None) => return Err(RULE),
        };
        Ok(Self { first: Reverse(first), session })
    }

    fn precedes(&self, (first, session): &SessionPosition) -> bool {
        (self.first, self.session.as_ref()) < (*first, Some(session))
    }
}

impl std::fmt::Display for SessionsCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&keys::timestamp(self.first.0))?;
        match &self.session {
            Some((site, lsid)) => write!(f, ".{}.{}", site.as_str(), keys::lsid(lsid)),
            None => Ok(()),
        }
    }
}

/// The filter of a list of sessions, and the size of a page.
#[derive(Clone, Debug, Default)]
pub struct SessionsQuery {
    /// Only sessions of this site.
    pub site: Option<Site>,
    /// Only sessions in this state.
    pub state: Option<SessionState>,
    /// Only sessions whose first event has this time or a later one.
    pub from: Option<Timestamp>,
    /// Only sessions whose first event is before this time.
    pub to: Option<Timestamp>,
    /// Only sessions with this text in their lsid, an external key or a name. The text is folded
    /// ([`crate::folding::fold`]).
    pub text: Option<String>,
    /// Only sessions that had this external key at some time.
    pub external_key: Option<String>,
    /// Only sessions that were never announced as ended: their site is here, and their last record is before its time.
    /// Or, with `false`, only other sessions.
    pub unannounced: Option<(bool, Vec<(Site, Timestamp)>)>,
    /// Only sessions after the end of an earlier page.
    pub after: Option<SessionsCursor>,
    /// The most sessions of a page.
    pub limit: usize,
}

impl SessionsQuery {
    fn matches(&self, site: &Site, summary: &Summary) -> bool {
        let is_missed = |sites: &[(Site, Timestamp)]| {
            let is_before = |(of, before): &(Site, Timestamp)| of == site && summary.last < *before;
            summary.is_unannounced() && sites.iter().any(is_before)
        };
        self.unannounced.as_ref().is_none_or(|(wanted, sites)| *wanted == is_missed(sites))
            && self.state.is_none_or(|state| state == summary.state())
            && self.external_key.as_ref().is_none_or(|key| summary.had_external_key(key))
            && self.text.as_ref().is_none_or(|text| summary.contains_text(text))
    }
}

/// A page of sessions.
#[derive(Clone, Debug)]
pub struct SessionsPage {
    /// The sessions, newest first.
    pub sessions: Vec<(Site, Summary)>,
    /// The cursor of the next page. `None` if this is the last one.
    pub next: Option<SessionsCursor>,
}

/// Lists sessions.
pub async fn list_sessions<S: Store>(view: &mut View<'_, S>, query: &SessionsQuery) -> Result<SessionsPage, ReadError> {
    let Some(start) = start(query) else { return Ok(SessionsPage { sessions: Vec::new(), next: None }) };
    let mut scan = SessionScan::new(view, query, start).await?;
    let (mut sessions, mut done) = (Vec::new(), None);
    let too_early = |time: Timestamp| query.from.is_some_and(|from| time < from);
    let next = loop {
        let end = scan.frontier();
        let latest = scan.latest();
        let more = latest.as_ref().map(|position| position.0.0).max(end).is_some_and(|time| !too_early(time));
        if !more || sessions.len() == query.limit {
            break done.filter(|_| more);
        }
        match (latest.filter(|position| end.is_none_or(|end| position.0.0 > end)), end) {
            (Some(position), _) => {
                if scan.is_at_bound() && done.is_some() {
                    break done;
                }
                if let Some(summary) =
                    scan.complete(&position).await?.filter(|summary| query.matches(&position.1.0, summary))
                {
                    sessions.push((position.1.0.clone(), summary));
                }
                // A session that begins earlier than was known is listed later; an unreadable session is not listed.
                done = Some(SessionsCursor::after_session(position));
            }
            (None, Some(end)) => {
                let here = SessionsCursor::before_time(end);
                if scan.is_at_bound() && here > scan.start {
                    break Some(here);
                }
                scan.read_frontier().await?;
            }
            (None, None) => break None,
        }
    };
    Ok(SessionsPage { sessions, next })
}

/// The cursor that a page begins after. `None` if no session can match.
fn start(query: &SessionsQuery) -> Option<SessionsCursor> {
    let last = match query.to {
        None => Timestamp::MAX,
        Some(to) => to.seconds().checked_sub(1)?,
    };
    let to = SessionsCursor::before_time(Timestamp::from_seconds(last)?);
    Some(query.after.clone().map_or(to.clone(), |after| after.max(to)))
}

/// The loose keys of one session: a range of the sorted listing.
struct LooseSession {
    first: Timestamp,
    keys: std::ops::Range<usize>,
    read: bool,
}

/// A scan under way.
struct SessionScan<'v, 's, S> {
    view: &'v mut View<'s, S>,
    start: SessionsCursor,
    indexes: Vec<SessionIndex>,
    /// The packs of the queried site, in the order of a listing, each with whether it is unread.
    packs: Vec<(PackKey, bool)>,
    /// The position in `packs` from which on the next frontier pack is searched.
    searched: usize,
    /// The packs that no index covers.
    unindexed: BTreeSet<PackKey>,
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
    async fn new(view: &'v mut View<'s, S>, query: &SessionsQuery, start: SessionsCursor) -> Result<Self, ReadError> {
        let of_site = |site: &str| query.site.as_ref().is_none_or(|own| own.as_str() == site);
        let packs = view.listing.packs.iter().filter(|pack| of_site(pack.site.as_str()));
        let packs: Vec<_> = packs.map(|pack| (pack.clone(), true)).collect();
        let indexes = if packs.is_empty() { Vec::new() } else { view.session_indexes().await? };
        let mut unindexed: BTreeSet<_> = gather(packs.iter().map(|(pack, _)| pack.clone()));
        for pack in indexes.iter().flat_map(|index| &index.packs) {
            unindexed.remove(&pack.key);
        }
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
            loose,
            loose_by_time,
            known: HashMap::new(),
            positions: BTreeSet::new(),
            heads_read: 0,
            loose_read: 0,
        })
    }

    fn is_at_bound(&self) -> bool {
        self.heads_read >= MAX_HEADS || self.loose_read >= MAX_LOOSE
    }

    /// The latest time at which an unread pack can have a session.
    fn frontier(&mut self) -> Option<Timestamp> {
        self.frontier_pack().and_then(|pack| self.packs.get(pack)).map(|(pack, _)| pack.last.min(self.start.first.0))
    }

    /// The next unread pack. Continues where the last search ended, since a read pack stays read.
    fn frontier_pack(&mut self) -> Option<usize> {
        let start = self.start.first.0;
        let rest = self.packs.get(self.searched..)?;
        self.searched += rest.iter().position(|(pack, unread)| *unread && pack.first <= start).unwrap_or(rest.len());
        Some(self.searched).filter(|pack| *pack < self.packs.len())
    }

    async fn read_frontier(&mut self) -> Result<(), ReadError> {
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
    fn latest(&mut self) -> Option<SessionPosition> {
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
    async fn complete(&mut self, position: &SessionPosition) -> Result<Option<Summary>, ReadError> {
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
