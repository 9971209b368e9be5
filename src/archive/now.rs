//! What is open now: sessions without an end, and those that still wait for a representative.
//!
//! Of loose records only the keys are needed, but for members and reports: only the value says whether one names a
//! representative. Of packs only recent ones count, and the index of what is open has what is needed of them. A session
//! that began more than a day ago is not open: its end was lost.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::index::{FiguresIndex, Names, SessionFigures, figures_hash};
use super::listing::Listing;
use super::view::{ReadError, View};
use crate::event::{EventName, Lsid, Timestamp};
use crate::gather::gather;
use crate::identity::Site;
use crate::keys::{self, Finds, KeyParts, PackKey};
use crate::session::Summary;
use crate::store::Store;

/// A session that began earlier is not open.
const OPEN_SECONDS: u64 = 86_400;

/// Packs whose last event is older are not recent. A day can have 25 hours.
const RECENT_SECONDS: u64 = 26 * 3_600;

/// The most sessions that wait of which an answer names the session.
const MOST_WAITING: usize = 100;

/// Whether a pack can have something of a session that is open, or that ended today.
pub(super) fn is_recent(pack: &PackKey, now: DateTime<Utc>) -> bool {
    pack.last.seconds().saturating_add(RECENT_SECONDS) >= seconds(now)
}

/// What is open at a site, and what ended there today.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SiteNow {
    /// The site.
    pub site: String,
    /// The number of sessions without an end.
    pub open: u64,
    /// The number of open sessions in which no representative has been.
    pub waiting: u64,
    /// How long the first of these has waited.
    pub longest_wait_seconds: Option<u64>,
    /// The number of sessions that ended since midnight.
    pub ended: u64,
    /// Of these, those in which no representative was. A session whose begin is not known does not count.
    pub never_answered: u64,
}

/// A session that waits for a representative.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WaitingSession {
    /// Its site.
    pub site: String,
    /// The session.
    pub lsid: Lsid,
    /// When it began, in RFC 3339.
    pub since: String,
}

/// What is open now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OpenNow {
    /// Each site with a record of the last day, by name.
    pub sites: Vec<SiteNow>,
    /// The sessions that wait, those that wait longest first: at most a hundred.
    pub waiting: Vec<WaitingSession>,
}

/// A number that changes if a record or a pack is added or removed.
pub fn version(listing: &Listing) -> u64 {
    let packs = listing.packs.iter().map(PackKey::to_string);
    let erased = listing.erased.iter().map(ToString::to_string);
    let set_aside = listing.set_aside.iter().map(ToString::to_string);
    let others = packs.chain(erased).chain(set_aside).map(|key| fnv1a(key.as_bytes()));
    // A sum, since a store lists its keys in any order.
    listing.loose.iter().map(|key| fnv1a(key.as_bytes())).chain(others).fold(0, u64::wrapping_add)
}

/// FNV-1a with 64 bits (RFC 9923).
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// What is known of a session of the last day.
#[derive(Debug, Default)]
struct RecentSession {
    begun: Option<Timestamp>,
    ended: Option<Timestamp>,
    is_answered: bool,
    /// Its session id, if a loose key has it.
    lsid: Option<Lsid>,
    /// A pack with records of it.
    pack: Option<PackKey>,
    /// The loose keys of members who joined or departed, and of reports.
    members: Vec<String>,
}

impl RecentSession {
    fn add_begin(&mut self, begun: Option<Timestamp>) {
        self.begun = [self.begun, begun].into_iter().flatten().min();
    }

    fn add_end(&mut self, ended: Option<Timestamp>) {
        self.ended = self.ended.max(ended);
    }

    fn add_row(&mut self, row: &SessionFigures, pack: &PackKey) {
        self.add_begin(row.begun);
        self.add_end(row.ended);
        self.is_answered |= row.is_answered;
        self.pack = Some(pack.clone());
    }
}

/// Sessions by site and [`SessionFigures::session`].
type RecentSessions = BTreeMap<(Site, u64), RecentSession>;

/// What is open now. `midnight` is when today began.
pub async fn open_now<S: Store>(
    view: &mut View<'_, S>,
    site: Option<&Site>,
    now: DateTime<Utc>,
    midnight: Timestamp,
) -> Result<OpenNow, ReadError> {
    let mut sessions = RecentSessions::new();
    add_loose(&view.listing.loose, site, now, &mut sessions);
    add_recent_packs(view, site, now, &mut sessions).await?;
    let (mut open, now) = (OpenNow::default(), seconds(now));
    let mut waiting = BTreeMap::new();
    for ((site, hash), mut session) in sessions {
        let is_open = session.ended.is_none()
            && session.begun.is_some_and(|begun| begun.seconds().saturating_add(OPEN_SECONDS) >= now);
        let has_ended = session.ended.is_some_and(|ended| ended >= midnight);
        if is_open || has_ended {
            is_answered(view, &mut session).await?;
        }
        // Sessions are ordered by their sites.
        if open.sites.last().is_none_or(|last| last.site != site.as_str()) {
            open.sites.push(SiteNow { site: site.as_str().to_owned(), ..SiteNow::default() });
        }
        let Some(of_site) = open.sites.last_mut() else { continue };
        of_site.ended += u64::from(has_ended);
        of_site.never_answered += u64::from(has_ended && session.begun.is_some() && !session.is_answered);
        of_site.open += u64::from(is_open);
        if let Some(since) = session.begun.filter(|_| is_open && !session.is_answered) {
            of_site.waiting += 1;
            of_site.longest_wait_seconds = of_site.longest_wait_seconds.max(Some(now.saturating_sub(since.seconds())));
            waiting.insert((since, hash), (site, session));
        }
    }
    for ((since, hash), (site, session)) in waiting.into_iter().take(MOST_WAITING) {
        let lsid = lsid_of(view, &site, hash, &session).await?;
        let (site, since) = (site.as_str().to_owned(), since.rfc3339());
        open.waiting.extend(lsid.map(|lsid| WaitingSession { site, lsid, since }));
    }
    Ok(open)
}

/// Adds what loose keys say.
fn add_loose(loose: &[String], site: Option<&Site>, now: DateTime<Utc>, sessions: &mut RecentSessions) {
    let now = seconds(now);
    for parts in loose.iter().filter_map(|key| KeyParts::split(key)).filter(KeyParts::has_lsid) {
        let time = parts.time();
        if time.is_none_or(|time| time.seconds().saturating_add(RECENT_SECONDS) < now) {
            continue;
        }
        let Some(of) = Site::parse(parts.site).filter(|of| site.is_none_or(|site| site == of)) else { continue };
        let Ok(lsid) = keys::read_lsid(parts.lsid) else { continue };
        let session = sessions.entry((of.clone(), figures_hash(&of, &lsid))).or_default();
        session.lsid = Some(lsid);
        match parts.event() {
            Some(EventName::Begin) => session.add_begin(time),
            Some(EventName::End | EventName::Report) => session.add_end(time),
            _ => {}
        }
        // The event of joining can be missing.
        if let Some(EventName::MemberAdded | EventName::MemberDeparted | EventName::Report) = parts.event() {
            session.members.push(parts.key.to_owned());
        }
    }
}

/// Adds what recent packs say: by the index of what is open, or else by their heads.
async fn add_recent_packs<S: Store>(
    view: &mut View<'_, S>,
    site: Option<&Site>,
    now: DateTime<Utc>,
    sessions: &mut RecentSessions,
) -> Result<(), ReadError> {
    let is_wanted = |pack: &PackKey| is_recent(pack, now) && site.is_none_or(|site| *site == pack.site);
    let mut packs: Vec<_> = view.listing.packs.iter().filter(|pack| is_wanted(pack)).cloned().collect();
    let erased: HashSet<u64> = gather(view.covers.erased_sessions().map(|(site, lsid)| figures_hash(site, lsid)));
    let indexes = if packs.is_empty() { Vec::new() } else { view.indexes(Finds::Open) };
    for key in indexes {
        let Some(index) = view.store.get(&key).await?.and_then(FiguresIndex::parse) else { continue };
        for pack in index.packs() {
            // Of a pack from which something was removed, only the head says what is left.
            if !packs.contains(pack) || view.covers.can_cut(pack, None) {
                continue;
            }
            let Some(rows) = index.rows(pack, &mut Names::default()) else { continue };
            if rows.iter().any(|row| erased.contains(&row.session)) {
                continue;
            }
            packs.retain(|other| other != pack);
            for row in rows {
                sessions.entry((pack.site.clone(), row.session)).or_default().add_row(&row, pack);
            }
        }
    }
    for pack in packs {
        for summary in view.head(&pack).await?.into_iter().flat_map(|head| head.sessions) {
            let row = SessionFigures::new(&pack.site, &summary, &mut Names::default());
            sessions.entry((pack.site.clone(), row.session)).or_default().add_row(&row, &pack);
        }
    }
    Ok(())
}

/// Finds out from loose records whether a representative has been there, as [`Summary::is_answered`] says.
async fn is_answered<S: Store>(view: &mut View<'_, S>, session: &mut RecentSession) -> Result<(), ReadError> {
    for key in std::mem::take(&mut session.members) {
        if session.is_answered {
            break;
        }
        let summary = view.loose(&key).await?.and_then(|entry| entry.summary().ok().flatten());
        session.is_answered = summary.as_ref().is_some_and(Summary::is_answered);
    }
    Ok(())
}

/// The session id: rows of an index have only its hash.
async fn lsid_of<S: Store>(
    view: &mut View<'_, S>,
    site: &Site,
    hash: u64,
    session: &RecentSession,
) -> Result<Option<Lsid>, ReadError> {
    let Some(pack) = session.pack.as_ref().filter(|_| session.lsid.is_none()) else { return Ok(session.lsid.clone()) };
    let head = view.head(pack).await?;
    let lsids = head.into_iter().flat_map(|head| head.sessions).map(|summary| summary.lsid);
    Ok(lsids.into_iter().find(|lsid| figures_hash(site, lsid) == hash))
}

fn seconds(time: DateTime<Utc>) -> u64 {
    u64::try_from(time.timestamp()).unwrap_or_default()
}
