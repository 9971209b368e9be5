//! The sessions that the appliance reports and never announced as ended. Derived from keys, indexes and heads, never
//! stored, since a late `end` event can still come.

use std::collections::{BTreeMap, BTreeSet};

use super::events;
use super::sessions::SessionId;
use super::view::{ReadError, View};
use crate::event::{EventName, Timestamp};
use crate::identity::Site;
use crate::keys::{Finds, KeyParts, PackKey, read_lsid};
use crate::store::Store;

/// What is known of a session that can be unannounced.
#[derive(Clone, Copy, Default)]
struct Suspect {
    is_reported: bool,
    has_ended: bool,
    /// The latest time of its records, in Unix seconds.
    last: u64,
}

impl Suspect {
    fn add(&mut self, is_reported: bool, has_ended: bool, last: Timestamp) {
        self.is_reported |= is_reported;
        self.has_ended |= has_ended;
        self.last = self.last.max(last.seconds());
    }
}

/// The number of sessions of a site with a report and without an `end` event, whose last record is from before a time.
/// Reads the heads of the packs that have a report without its `end` event, and for each such session of its other
/// packs: while all is well, none.
pub async fn count_unannounced<S: Store>(
    view: &mut View<'_, S>,
    site: &Site,
    before: Timestamp,
) -> Result<usize, ReadError> {
    let mut suspects = loose_suspects(view, site);
    for pack in packs_with_unannounced(view, site).await? {
        read_suspects(view, &pack, &mut suspects, true).await?;
    }
    suspects.retain(|_, suspect| suspect.is_reported && !suspect.has_ended);
    // Again those from above: a session can have become suspect after its pack was read.
    let mut read = BTreeSet::new();
    for session in suspects.keys().cloned().collect::<Vec<_>>() {
        for pack in events::packs_of_session(view, site, &session.1).await? {
            if read.insert(pack.clone()) {
                read_suspects(view, &pack, &mut suspects, false).await?;
            }
        }
    }
    let is_missed = |suspect: &&Suspect| !suspect.has_ended && suspect.last < before.seconds();
    Ok(suspects.values().filter(is_missed).count())
}

fn loose_suspects<S>(view: &View<'_, S>, site: &Site) -> BTreeMap<SessionId, Suspect> {
    let mut suspects: BTreeMap<SessionId, Suspect> = BTreeMap::new();
    let parts = view.listing.loose.iter().filter_map(|key| KeyParts::split(key));
    for parts in parts.filter(|parts| parts.site == site.as_str() && parts.has_lsid()) {
        let (Ok(lsid), Some(time)) = (read_lsid(parts.lsid), parts.time()) else { continue };
        let suspect = suspects.entry((site.clone(), lsid)).or_default();
        suspect.add(parts.is_named(&EventName::Report), parts.is_named(&EventName::End), time);
    }
    suspects
}

/// The packs of a site with a report whose `end` event is not in the same pack, and those that no index covers.
async fn packs_with_unannounced<S: Store>(view: &View<'_, S>, site: &Site) -> Result<Vec<PackKey>, ReadError> {
    let mut none = BTreeSet::new();
    if !view.listing.packs.is_empty() {
        for index in view.hash_indexes(Finds::Sessions).await? {
            none.extend(index.packs.into_iter().filter(|(_, facts)| facts.unannounced == 0).map(|(pack, _)| pack));
        }
    }
    let packs = view.listing.packs.iter().filter(|pack| pack.site == *site && !none.contains(pack));
    Ok(packs.cloned().collect())
}

/// Adds what the head of a pack says: of all sessions, or only of those that are suspect already.
async fn read_suspects<S: Store>(
    view: &mut View<'_, S>,
    pack: &PackKey,
    suspects: &mut BTreeMap<SessionId, Suspect>,
    all: bool,
) -> Result<(), ReadError> {
    for summary in view.head(pack).await?.into_iter().flat_map(|head| head.sessions) {
        let (is_reported, has_ended, last) = (summary.reported.is_some(), summary.ended.is_some(), summary.last);
        let session = (pack.site.clone(), summary.lsid);
        if all && is_reported {
            suspects.entry(session).or_default().add(is_reported, has_ended, last);
        } else if let Some(suspect) = suspects.get_mut(&session) {
            suspect.add(is_reported, has_ended, last);
        }
    }
    Ok(())
}
