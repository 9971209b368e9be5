//! The list of sessions, newest first, whole rows, without reading old packs.
//!
//! Packs are read from the one that ends last. Until the pack that ends next could hold a session that begins later, the latest
//! session that is known goes next; before it does, whatever else is known to hold a part of it is read, by the [`index`]. If that
//! moves its beginning, it takes its later turn.
//!
//! A scan that finds little of what is wanted ends at a bound, with what it has and where to go on.

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

/// How many heads one answer reads before it ends with what it has.
const MAX_HEADS: usize = 100;

/// How many loose records one answer reads before it ends with what it has.
const MAX_LOOSE: usize = 5_000;

/// A session of an appliance.
pub type SessionId = (Site, Lsid);

/// Where a session stands in the list.
type SessionPosition = (Reverse<Timestamp>, SessionId);

/// Where a page ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionsCursor {
    first: Reverse<Timestamp>,
    /// The session that it ended with. `None`: it ended before all sessions that began at that time.
    session: Option<SessionId>,
}

impl SessionsCursor {
    /// Before the sessions that began at `time`, and after those that began later.
    fn at(time: Timestamp) -> Self {
        Self { first: Reverse(time), session: None }
    }

    fn after((first, session): SessionPosition) -> Self {
        Self { first, session: Some(session) }
    }

    /// Reads what [`SessionsCursor::to_string`] writes.
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

/// Which sessions are wanted.
#[derive(Clone, Debug, Default)]
pub struct SessionsQuery {
    /// Those of one site.
    pub site: Option<Site>,
    /// Those that stand so.
    pub state: Option<SessionState>,
    /// Those that began then or later.
    pub from: Option<Timestamp>,
    /// Those that began before.
    pub to: Option<Timestamp>,
    /// Those with this in their lsid, an external key or a name. As [`crate::folding::fold`] makes it.
    pub speaks_of: Option<String>,
    /// Those that had this external key.
    pub external_key: Option<String>,
    /// Those after where a page ended.
    pub after: Option<SessionsCursor>,
    /// At most so many.
    pub limit: usize,
}

impl SessionsQuery {
    fn wants(&self, summary: &Summary) -> bool {
        self.state.is_none_or(|state| state == summary.state())
            && self.external_key.as_ref().is_none_or(|key| summary.had_external_key(key))
            && self.speaks_of.as_ref().is_none_or(|text| summary.speaks_of(text))
    }
}

/// A part of the list.
#[derive(Clone, Debug)]
pub struct SessionsPage {
    /// The sessions, newest first.
    pub sessions: Vec<(Site, Summary)>,
    /// Where the next page begins, if there may be one.
    pub next: Option<SessionsCursor>,
}

/// Lists sessions.
pub async fn list_sessions<S: Store>(
    view: &mut View<'_, S>,
    wanted: &SessionsQuery,
) -> Result<SessionsPage, ReadError> {
    let Some(start) = start(wanted) else { return Ok(SessionsPage { sessions: Vec::new(), next: None }) };
    let mut scan = SessionScan::new(view, wanted, start).await?;
    let (mut sessions, mut settled) = (Vec::new(), None);
    let too_early = |time: Timestamp| wanted.from.is_some_and(|from| time < from);
    let next = loop {
        let end = scan.frontier();
        let latest = scan.latest();
        let more = latest.as_ref().map(|place| place.0.0).max(end).is_some_and(|time| !too_early(time));
        if !more || sessions.len() == wanted.limit {
            break settled.filter(|_| more);
        }
        match (latest.filter(|place| end.is_none_or(|end| place.0.0 > end)), end) {
            (Some(place), _) => {
                if scan.is_long() && settled.is_some() {
                    break settled;
                }
                if let Some(summary) = scan.settle(&place).await?.filter(|summary| wanted.wants(summary)) {
                    sessions.push((place.1.0.clone(), summary));
                }
                // One that begins earlier than was known has its turn later; one that cannot be read has none.
                settled = Some(SessionsCursor::after(place));
            }
            (None, Some(end)) => {
                let here = SessionsCursor::at(end);
                if scan.is_long() && here > scan.start {
                    break Some(here);
                }
                scan.read_frontier().await?;
            }
            (None, None) => break None,
        }
    };
    Ok(SessionsPage { sessions, next })
}

/// What a page begins after. `None` where nothing can be wanted.
fn start(wanted: &SessionsQuery) -> Option<SessionsCursor> {
    let last = match wanted.to {
        None => Timestamp::MAX,
        Some(to) => to.seconds().checked_sub(1)?,
    };
    let to = SessionsCursor::at(Timestamp::from_seconds(last)?);
    Some(wanted.after.clone().map_or(to.clone(), |after| after.max(to)))
}

/// The loose keys of one session, which stand side by side.
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
    /// The packs of the wanted site, the one that ends last first, each with whether it is yet to be read.
    packs: Vec<(PackKey, bool)>,
    /// Before which of them none is to be read as the next of all.
    passed: usize,
    /// The packs that no index speaks of.
    unindexed: BTreeSet<PackKey>,
    /// The sessions of loose records, in the order of their keys.
    runs: Vec<LooseSession>,
    /// Numbers of runs, the newest last.
    runs_by_time: Vec<usize>,
    /// What is known of sessions that were not settled yet.
    known: HashMap<SessionId, Summary>,
    /// Where they stand.
    places: BTreeSet<SessionPosition>,
    heads_read: usize,
    loose_read: usize,
}

impl<'v, 's, S: Store> SessionScan<'v, 's, S> {
    async fn new(view: &'v mut View<'s, S>, wanted: &SessionsQuery, start: SessionsCursor) -> Result<Self, ReadError> {
        let of_site = |site: &str| wanted.site.as_ref().is_none_or(|wanted| wanted.as_str() == site);
        let packs = view.listing.packs.iter().filter(|pack| of_site(pack.site.as_str()));
        let packs: Vec<_> = packs.map(|pack| (pack.clone(), true)).collect();
        let indexes = if packs.is_empty() { Vec::new() } else { view.session_indexes().await? };
        let mut unindexed: BTreeSet<_> = gather(packs.iter().map(|(pack, _)| pack.clone()));
        for pack in indexes.iter().flat_map(|index| &index.packs) {
            unindexed.remove(&pack.key);
        }
        view.listing.loose.sort_unstable_by(|one, other| session_of(one).cmp(&session_of(other)));
        let runs = runs(&view.listing.loose, of_site);
        let mut runs_by_time: Vec<_> = (0..runs.len()).collect();
        runs_by_time.sort_unstable_by_key(|run| (runs.get(*run).map(|run| run.first), Reverse(*run)));
        Ok(Self {
            view,
            start,
            indexes,
            packs,
            passed: 0,
            unindexed,
            runs,
            runs_by_time,
            known: HashMap::new(),
            places: BTreeSet::new(),
            heads_read: 0,
            loose_read: 0,
        })
    }

    fn is_long(&self) -> bool {
        self.heads_read >= MAX_HEADS || self.loose_read >= MAX_LOOSE
    }

    /// The latest time of which a pack that is yet to be read may know a session that is wanted.
    fn frontier(&mut self) -> Option<Timestamp> {
        self.frontier_pack().and_then(|pack| self.packs.get(pack)).map(|(pack, _)| pack.last.min(self.start.first.0))
    }

    /// Goes on from where the last search ended: what was read stays read.
    fn frontier_pack(&mut self) -> Option<usize> {
        let start = self.start.first.0;
        let rest = self.packs.get(self.passed..)?;
        self.passed += rest.iter().position(|(pack, unread)| *unread && pack.first <= start).unwrap_or(rest.len());
        Some(self.passed).filter(|pack| *pack < self.packs.len())
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
            std::collections::hash_map::Entry::Vacant(place) => place.insert(summary),
            std::collections::hash_map::Entry::Occupied(place) => {
                let known = place.into_mut();
                self.places.remove(&(Reverse(known.first), session.clone()));
                known.join(summary);
                known
            }
        };
        self.places.insert((Reverse(known.first), session));
    }

    /// The latest session that is known and not settled, after the start.
    fn latest(&mut self) -> Option<SessionPosition> {
        let known = match &self.start {
            SessionsCursor { first, session: Some(session) } => {
                self.places.range((Excluded((*first, session.clone())), Unbounded)).next()
            }
            // No session is before every other of its second.
            SessionsCursor { first, session: None } => self.places.iter().find(|(place, _)| place >= first),
        };
        let known = known.cloned();
        let loose = self.latest_run();
        [known, loose].into_iter().flatten().min()
    }

    fn latest_run(&mut self) -> Option<SessionPosition> {
        while let Some(number) = self.runs_by_time.last() {
            let place = self.runs.get(*number).filter(|run| !run.read).and_then(|run| {
                let key = self.view.listing.loose.get(run.keys.start)?;
                let parts = KeyParts::of(key)?;
                Some((Reverse(run.first), (Site::parse(parts.site)?, keys::read_lsid(parts.lsid).ok()?)))
            });
            match place.filter(|place| self.start.precedes(place)) {
                Some(place) => return Some(place),
                None => _ = self.runs_by_time.pop(),
            }
        }
        None
    }

    /// Reads all that there is of the session at a place. `None` if it begins elsewhere: then it has another turn, or none if all
    /// of it is gone.
    async fn settle(&mut self, place: &SessionPosition) -> Result<Option<Summary>, ReadError> {
        let (_, session) = place;
        for pack in self.packs_of(session) {
            self.read_head(pack).await?;
        }
        self.read_run(session).await?;
        let stays = self.known.get(session).is_some_and(|known| Reverse(known.first) == place.0);
        if !stays {
            return Ok(None);
        }
        self.places.remove(place);
        Ok(self.known.remove(session))
    }

    /// The packs that are yet to be read and may hold something of a session.
    fn packs_of(&self, (site, lsid): &SessionId) -> Vec<usize> {
        let hash = index::session_hash(site, lsid);
        let may = self.indexes.iter().flat_map(|index| index.find(hash)).chain(&self.unindexed);
        let numbers = may.filter(|pack| pack.site == *site).filter_map(|pack| {
            // As a listing orders them.
            let order = |(other, _): &(PackKey, bool)| (pack.last, other).cmp(&(other.last, pack));
            self.packs.binary_search_by(order).ok()
        });
        numbers.filter(|number| self.packs.get(*number).is_some_and(|(_, unread)| *unread)).collect()
    }

    /// Reads the loose records of a session, if there are any that were not read.
    async fn read_run(&mut self, (site, lsid): &SessionId) -> Result<(), ReadError> {
        let (site, lsid) = (site.as_str(), keys::lsid(lsid));
        let session = |run: &LooseSession| self.view.listing.loose.get(run.keys.start).map(|key| session_of(key));
        let at = self.runs.partition_point(|run| session(run).is_some_and(|(s, l, _)| (s, l) < (site, &*lsid)));
        let is_it = |run: &&mut LooseSession| {
            let key = self.view.listing.loose.get(run.keys.start).map(|key| session_of(key));
            !run.read && key.is_some_and(|(s, l, _)| (s, l) == (site, &*lsid))
        };
        let Some(run) = self.runs.get_mut(at).filter(is_it) else { return Ok(()) };
        run.read = true;
        let keys = self.view.listing.loose.get(run.keys.clone()).unwrap_or_default().to_vec();
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

/// What puts the keys of one session side by side, in the order of their times.
fn session_of(key: &str) -> (&str, &str, &str) {
    let mut parts = key.split('.').skip(1);
    let mut part = || parts.next().unwrap_or_default();
    let (site, time, lsid) = (part(), part(), part());
    (site, lsid, time)
}

/// The sessions of loose keys that stand side by side.
fn runs(loose: &[String], of_site: impl Fn(&str) -> bool) -> Vec<LooseSession> {
    let mut runs: Vec<LooseSession> = Vec::new();
    let mut last = ("", "");
    for (number, parts) in loose.iter().enumerate().filter_map(|(number, key)| Some((number, KeyParts::of(key)?))) {
        if !parts.has_lsid() || !of_site(parts.site) {
            continue;
        }
        match runs.last_mut().filter(|_| last == (parts.site, parts.lsid)) {
            Some(run) => run.keys.end = number + 1,
            None => {
                runs.extend(parts.time().map(|first| LooseSession { first, keys: number..number + 1, read: false }))
            }
        }
        last = (parts.site, parts.lsid);
    }
    runs
}
