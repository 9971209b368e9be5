//! Figures of many sessions, by group: how many began, how long people waited, how many were never answered.
//!
//! | what | file |
//! |---|---|
//! | the figures of each session of a time range, from indexes, heads and loose records | this file |
//! | groups, and the figures of a group | `group.rs` |
//! | quantiles | `quantiles.rs` |
//! | time zones | `zone.rs` |
//!
//! A session counts in the group of its begin. What is not known is left out, and counted as unknown. A session can be
//! in several packs, and loose too. The index of figures says of each pack what it has of a session
//! ([`SessionFigures`]), and such parts are joined, since no event is in two of these packs. Packs that can share an
//! event with another pack or with a loose record are read, and so are packs of which something was removed.

mod group;
mod quantiles;
mod zone;

use std::collections::{BTreeMap, BTreeSet};

use super::index::{self, FiguresIndex, Names, SessionFigures};
use super::known_packs::KnownPacks;
use super::sessions::SessionId;
use super::view::{ReadError, View};
use crate::event::Timestamp;
use crate::identity::Site;
use crate::keys::{self, Finds, KeyParts, PackKey};
use crate::session::Summary;
use crate::store::Store;
use group::Groups;
pub use group::{GroupBy, GroupFigures, SurveyCounts, UnknownCounts};
pub use quantiles::{Quantiles, TimeQuantiles};
pub use zone::{LocalTime, Zone};

/// The most sessions of an answer with exact quantiles. Beyond that, a quantile is off by at most 0.4 %.
pub const MOST_EXACT: usize = 100_000;

/// What is asked.
#[derive(Clone, Debug)]
pub struct StatisticsQuery {
    /// Only sessions of this site.
    pub site: Option<Site>,
    /// Only sessions that began at this time or later.
    pub from: Timestamp,
    /// Only sessions that began before this time.
    pub to: Timestamp,
    /// The groups.
    pub by: GroupBy,
    /// The zone of days and hours.
    pub zone: Zone,
}

impl StatisticsQuery {
    fn has(&self, site: &Site) -> bool {
        self.site.as_ref().is_none_or(|own| own == site)
    }
}

/// The most loose records that an answer reads.
pub const MOST_LOOSE: usize = 20_000;

/// Figures of sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// The groups, in order.
    pub groups: Vec<GroupFigures>,
    /// The number of loose records that were not read: compaction is behind, and they count for nothing.
    pub left_out: usize,
}

/// The figures of sessions, by group.
pub async fn statistics<S: Store>(view: &mut View<'_, S>, query: &StatisticsQuery) -> Result<Statistics, ReadError> {
    let mut collected = Collected { query, sites: Vec::new(), rows: Vec::new(), elsewhere: Vec::new(), left_out: 0 };
    let mut names = Names::default();
    let packs = collected.add_joined(view, &mut names).await?;
    collected.add_packs(view, packs, &mut names).await?;
    let left_out = collected.left_out;
    let (sessions, sites) = collected.sessions(&names);
    let mut groups = Groups::new(query.by, &query.zone, sessions.len() <= MOST_EXACT);
    for session in &sessions {
        groups.add(session, sites.get(session.site as usize).map_or("", Site::as_str), &names);
    }
    Ok(Statistics { groups: groups.figures(), left_out })
}

struct Collected<'q> {
    query: &'q StatisticsQuery,
    sites: Vec<Site>,
    /// Parts that began in the time range, and parts without a begin.
    rows: Vec<SessionFigures>,
    /// Of the other parts: the session, when it began, and whether the appliance's report says so.
    elsewhere: Vec<(u64, Timestamp, bool)>,
    left_out: usize,
}

impl Collected<'_> {
    fn site(&mut self, site: &Site) -> u32 {
        let number = self.sites.iter().position(|known| known == site).unwrap_or_else(|| {
            self.sites.push(site.clone());
            self.sites.len() - 1
        });
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    fn is_within(&self, begun: Timestamp) -> bool {
        (self.query.from..self.query.to).contains(&begun)
    }

    fn add(&mut self, site: u32, row: SessionFigures) {
        match row.begun.filter(|begun| !self.is_within(*begun)) {
            Some(begun) => self.elsewhere.push((row.session, begun, row.is_begin_reported)),
            None => self.rows.push(SessionFigures { site, ..row }),
        }
    }

    /// Adds what has to be joined event by event: loose records, and packs that can share an event with them or with
    /// each other, or of which something was removed. Returns the other packs.
    async fn add_joined<S: Store>(
        &mut self,
        view: &mut View<'_, S>,
        names: &mut Names,
    ) -> Result<BTreeSet<PackKey>, ReadError> {
        let mut packs = KnownPacks::load(view).await?;
        packs.mark_twins();
        packs.mark_removed(&view.covers);
        let mut summaries = BTreeMap::<SessionId, Summary>::new();
        let mut join = |site: &Site, summary: Summary| {
            let session = (site.clone(), summary.lsid.clone());
            match summaries.get_mut(&session) {
                Some(known) => known.join(summary),
                None => _ = summaries.insert(session, summary),
            }
        };
        for (number, key) in view.listing.loose.clone().into_iter().enumerate() {
            let Some(parts) = KeyParts::split(&key).filter(KeyParts::has_lsid) else { continue };
            let Some(site) = Site::parse(parts.site).filter(|site| self.query.has(site)) else { continue };
            if number >= MOST_LOOSE {
                self.left_out += 1;
                continue;
            }
            let session = keys::read_lsid(parts.lsid).ok().map(|lsid| index::session_hash(&site, &lsid));
            packs.mark_repeats(&site, session, parts.time());
            let summary = view.loose(&key).await?.and_then(|entry| entry.summary().ok().flatten());
            summary.into_iter().for_each(|summary| join(&site, summary));
        }
        let mut rest = BTreeSet::new();
        for pack in packs.all.iter().filter(|pack| self.query.has(&pack.key.site)) {
            if !pack.is_read {
                rest.insert(pack.key.clone());
            } else if let Some(head) = view.head(&pack.key).await? {
                head.sessions.into_iter().for_each(|summary| join(&pack.key.site, summary));
            }
        }
        for ((site, _), summary) in &summaries {
            let number = self.site(site);
            self.add(number, SessionFigures::new(site, summary, names));
        }
        Ok(rest)
    }

    /// Adds packs that share no event with anything: from indexes, or else from their heads.
    async fn add_packs<S: Store>(
        &mut self,
        view: &mut View<'_, S>,
        mut packs: BTreeSet<PackKey>,
        names: &mut Names,
    ) -> Result<(), ReadError> {
        let indexes = if packs.is_empty() { Vec::new() } else { view.indexes(Finds::Figures) };
        for key in indexes {
            // A missing or damaged index only costs time.
            let Some(index) = view.store.get(&key).await?.and_then(FiguresIndex::parse) else { continue };
            for pack in index.packs() {
                let Some(rows) = packs.contains(pack).then(|| index.rows(pack, names)).flatten() else { continue };
                packs.remove(pack);
                let site = self.site(&pack.site);
                rows.into_iter().for_each(|row| self.add(site, row));
            }
        }
        for pack in packs {
            let Some(head) = view.head(&pack).await? else { continue };
            let site = self.site(&pack.site);
            for summary in &head.sessions {
                self.add(site, SessionFigures::new(&pack.site, summary, names));
            }
        }
        Ok(())
    }

    /// The sessions that began in the time range, and those without a begin.
    fn sessions(mut self, names: &Names) -> (Vec<SessionFigures>, Vec<Site>) {
        SessionFigures::sort(&mut self.rows);
        self.elsewhere.sort_unstable();
        let mut sessions: Vec<SessionFigures> = Vec::with_capacity(self.rows.len());
        for row in &self.rows {
            match sessions.last_mut().filter(|last| last.session == row.session) {
                Some(last) => last.join(row, names),
                None => sessions.push(*row),
            }
        }
        sessions.retain(|session| {
            let from = self.elsewhere.partition_point(|(other, ..)| *other < session.session);
            let others = self.elsewhere.iter().skip(from).take_while(|(other, ..)| *other == session.session);
            let begun = others
                .fold(session.begun.map(|begun| (begun, session.is_begin_reported)), |known, (_, begun, by)| {
                    Some(known.map_or((*begun, *by), |known| begin(known, (*begun, *by))))
                });
            match begun {
                Some((begun, _)) => self.is_within(begun),
                None => self.is_within(session.first),
            }
        });
        (sessions, self.sites)
    }
}

/// The begin of a session by two parts, each with whether the appliance's report says so: the report knows better, and
/// of two the earlier counts.
fn begin(one: (Timestamp, bool), other: (Timestamp, bool)) -> (Timestamp, bool) {
    match (one.1, other.1) {
        (true, false) => one,
        (false, true) => other,
        _ => one.min(other),
    }
}
