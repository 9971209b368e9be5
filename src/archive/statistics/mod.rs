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
//! event with another pack or with a loose record are read, and so are packs of which something was removed. Nearly all
//! sessions are in one pack alone: they are counted as they are read, so that memory does not grow with their number.

mod group;
mod quantiles;
mod zone;

use std::collections::{BTreeMap, BTreeSet, HashSet};

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
pub use group::{GroupBy, GroupFigures, MOST_EXACT, SurveyCounts, UnknownCounts};
pub use quantiles::{Quantiles, TimeQuantiles};
pub use zone::{LocalTime, Zone};

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
    let mut collected = Collected {
        query,
        sites: Vec::new(),
        names: Names::default(),
        groups: Groups::new(query.by, &query.zone),
        divided: HashSet::new(),
        parts: Vec::new(),
        left_out: 0,
    };
    let packs = collected.add_joined(view).await?;
    collected.add_packs(view, packs).await?;
    collected.join_parts();
    Ok(Statistics { groups: collected.groups.figures(), left_out: collected.left_out })
}

struct Collected<'q> {
    query: &'q StatisticsQuery,
    sites: Vec<Site>,
    names: Names,
    groups: Groups<'q>,
    /// [`index::session_hash`] of each session that is in several packs, or in a pack and loose.
    divided: HashSet<u64>,
    /// Parts of these sessions.
    parts: Vec<SessionFigures>,
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

    /// Adds a session, or a part of it.
    fn add(&mut self, site: u32, row: SessionFigures) {
        let row = SessionFigures { site, ..row };
        if self.divided.contains(&index::short_hash(row.session)) {
            self.parts.push(row);
        } else {
            self.count(&row);
        }
    }

    fn count(&mut self, session: &SessionFigures) {
        if (self.query.from..self.query.to).contains(&session.begun.unwrap_or(session.first)) {
            let site = self.sites.get(session.site as usize).map_or("", Site::as_str);
            self.groups.add(session, site, &self.names);
        }
    }

    /// Adds what has to be joined event by event: loose records, and packs that can share an event with them or with
    /// each other, or of which something was removed. Returns the other packs.
    async fn add_joined<S: Store>(&mut self, view: &mut View<'_, S>) -> Result<BTreeSet<PackKey>, ReadError> {
        let mut packs = KnownPacks::load(view).await?;
        packs.mark_twins();
        packs.mark_removed(&view.covers);
        self.divided.extend(packs.in_several());
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
            self.divided.extend(session);
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
            let (number, row) = (self.site(site), SessionFigures::new(site, summary, &mut self.names));
            self.add(number, row);
        }
        Ok(rest)
    }

    /// Adds packs that share no event with anything: from indexes, or else from their heads.
    async fn add_packs<S: Store>(
        &mut self,
        view: &mut View<'_, S>,
        mut packs: BTreeSet<PackKey>,
    ) -> Result<(), ReadError> {
        let indexes = if packs.is_empty() { Vec::new() } else { view.indexes(Finds::Figures) };
        for key in indexes {
            // A missing or damaged index only costs time.
            let Some(index) = view.store.get(&key).await?.and_then(FiguresIndex::parse) else { continue };
            for pack in index.packs() {
                let wanted = packs.contains(pack);
                let Some(rows) = wanted.then(|| index.rows(pack, &mut self.names)).flatten() else { continue };
                packs.remove(pack);
                let site = self.site(&pack.site);
                rows.into_iter().for_each(|row| self.add(site, row));
            }
        }
        for pack in packs {
            let Some(head) = view.head(&pack).await? else { continue };
            let site = self.site(&pack.site);
            for summary in &head.sessions {
                let row = SessionFigures::new(&pack.site, summary, &mut self.names);
                self.add(site, row);
            }
        }
        Ok(())
    }

    /// Counts the sessions whose parts were collected.
    fn join_parts(&mut self) {
        let mut parts = std::mem::take(&mut self.parts);
        SessionFigures::sort(&mut parts);
        for parts in parts.chunk_by(|one, other| one.session == other.session) {
            let Some((first, rest)) = parts.split_first() else { continue };
            let mut session = *first;
            rest.iter().for_each(|part| session.join(part, &self.names));
            self.count(&session);
        }
    }
}
