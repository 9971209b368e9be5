//! Which sessions have the appliance's report, and what is here of a session whose report is about to be stored. For
//! reconciliation (`appliance_api/`).

use std::collections::{BTreeMap, BTreeSet};

use super::covers::Covers;
use super::index;
use super::listing::Listing;
use super::view::{ReadError, View};
use crate::event::{EventName, Lsid, Timestamp};
use crate::gather::gather;
use crate::identity::{Id, Site};
use crate::keys::{CutoffKey, ErasedKey, Finds, KeyParts, PackKey, SessionKeys, lsid as spell};
use crate::store::Store;

/// The sessions of a site that have a report, as keys spell their lsids; and whether the site announces ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReportedSessions {
    lsids: BTreeSet<String>,
    /// Whether an `end` event was seen among them.
    pub has_end_event: bool,
}

impl ReportedSessions {
    /// Those that ended from `from` on: from loose keys, and from the heads of packs that reach into this time. Reads no
    /// record.
    pub async fn load<S: Store>(view: &mut View<'_, S>, site: &Site, from: Timestamp) -> Result<Self, ReadError> {
        let mut found = Self::default();
        let parts = view.listing.loose.iter().filter_map(|key| KeyParts::split(key));
        for parts in parts.filter(|parts| parts.site == site.as_str()) {
            if parts.is_named(&EventName::Report) {
                found.lsids.insert(parts.lsid.to_owned());
            }
            found.has_end_event |= parts.is_named(&EventName::End);
        }
        let packs: Vec<_> = view.listing.packs.iter().filter(|pack| pack.site == *site && from <= pack.last).collect();
        for pack in packs.into_iter().cloned().collect::<Vec<_>>() {
            for summary in view.head(&pack).await?.into_iter().flat_map(|head| head.sessions) {
                found.has_end_event |= summary.ended.is_some();
                if summary.reported.is_some() {
                    found.lsids.insert(spell(&summary.lsid).into_owned());
                }
            }
        }
        Ok(found)
    }

    /// Whether a session is among them.
    pub fn contains(&self, lsid: &Lsid) -> bool {
        self.lsids.contains(&*spell(lsid))
    }

    /// Adds a session.
    pub fn insert(&mut self, lsid: &Lsid) {
        self.lsids.insert(spell(lsid).into_owned());
    }
}

/// What is here of a session, without removed records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredSession {
    /// The recording time of its newest record, in Unix microseconds. `None` if there is no record.
    pub newest: Option<u64>,
    /// The short ids of its records.
    pub ids: BTreeSet<u64>,
    /// Whether it was erased, and passes still know of it.
    pub is_erased: bool,
}

impl StoredSession {
    /// Whether a record is here.
    pub fn contains(&self, id: Id) -> bool {
        self.ids.contains(&id.short())
    }
}

/// What is here of some sessions, and what was removed.
#[derive(Clone, Debug)]
pub struct StoredSessions {
    /// The sessions, in the order in which they were asked for.
    pub sessions: Vec<StoredSession>,
    /// What was removed.
    pub covers: Covers,
    /// The markers that say so.
    pub markers: Markers,
}

/// The tombstones of a site, and all cutoffs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Markers {
    erased: BTreeSet<ErasedKey>,
    cutoffs: BTreeSet<CutoffKey>,
}

impl Markers {
    /// Those of a listing.
    pub fn of_listing(listing: &Listing, site: &Site) -> Self {
        let erased = listing.erased.iter().filter(|erased| erased.site == *site).cloned();
        Self { erased: gather(erased), cutoffs: gather(listing.cutoffs.iter().copied()) }
    }

    /// Whether a session that ended at a time was removed, or can have been, since `earlier`.
    pub fn have_removed(&self, earlier: &Self, lsid: &Lsid, end: Timestamp) -> bool {
        let mut erased = self.erased.iter().filter(|erased| erased.lsid == *lsid);
        let mut cut = self.cutoffs.iter().filter(|cutoff| end < cutoff.before);
        erased.any(|erased| !earlier.erased.contains(erased)) || cut.any(|cutoff| !earlier.cutoffs.contains(cutoff))
    }

    /// Whether records of a session were erased.
    pub fn have_erased(&self, lsid: &Lsid) -> bool {
        self.erased.iter().any(|erased| erased.lsid == *lsid)
    }
}

/// What is here of these sessions. Reads their loose records, and the heads of their packs.
pub async fn stored_sessions<S: Store>(
    view: &mut View<'_, S>,
    site: &Site,
    lsids: &[Lsid],
) -> Result<StoredSessions, ReadError> {
    let packs = packs_of_sessions(view, site, lsids).await?;
    let mut sessions = vec![StoredSession::default(); lsids.len()];
    for (session, lsid) in sessions.iter_mut().zip(lsids) {
        session.is_erased = view.listing.erased.iter().any(|erased| erased.site == *site && erased.lsid == *lsid);
        let keys = SessionKeys::new(site, lsid);
        let loose: Vec<_> = view.listing.loose.iter().filter(|key| keys.matches(key)).cloned().collect();
        for key in loose {
            let Some(entry) = view.loose(&key).await? else { continue };
            session.newest = session.newest.max(Some(entry.delivered));
            session.ids.insert(entry.key.id.short());
        }
    }
    for (pack, numbers) in packs {
        let Some(head) = view.head(&pack).await? else { continue };
        for number in numbers {
            let (Some(session), Some(lsid)) = (sessions.get_mut(number), lsids.get(number)) else { continue };
            let Some(summary) = head.session(lsid) else { continue };
            session.newest = session.newest.max(Some(summary.recorded.1.saturating_mul(1_000)));
            session.ids.extend(&summary.ids);
        }
    }
    let markers = Markers::of_listing(&view.listing, site);
    Ok(StoredSessions { sessions, covers: view.covers.clone(), markers })
}

/// The packs that can hold records of these sessions, each with the positions of its sessions.
async fn packs_of_sessions<S: Store>(
    view: &View<'_, S>,
    site: &Site,
    lsids: &[Lsid],
) -> Result<BTreeMap<PackKey, Vec<usize>>, ReadError> {
    let mut packs: BTreeMap<PackKey, Vec<usize>> = BTreeMap::new();
    let here: BTreeSet<&PackKey> = gather(view.listing.packs.iter().filter(|pack| pack.site == *site));
    if here.is_empty() {
        return Ok(packs);
    }
    let mut unindexed = here.clone();
    let indexes = view.hash_indexes(Finds::Sessions).await?;
    for index in &indexes {
        index.packs.iter().for_each(|(pack, _)| _ = unindexed.remove(pack));
        for (number, lsid) in lsids.iter().enumerate() {
            for pack in index.find(index::session_hash(site, lsid)).filter(|pack| here.contains(pack)) {
                packs.entry(pack.clone()).or_default().push(number);
            }
        }
    }
    for pack in unindexed {
        packs.insert(pack.clone(), (0..lsids.len()).collect());
    }
    Ok(packs)
}
