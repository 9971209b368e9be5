//! Removal: of a session, and of all that is old. What says that it is gone is written first; from then on no reader sees it. Then
//! its bytes go, a bounded part a call; a call again goes on, and so does every pass.
//!
//! It covers what is found when it is asked for, never what arrives later ([`super::covers`]).

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::compaction::{self, Bound};
use super::covers::{FoundRecord, Marker};
use super::events;
use super::pack::RecordEntry;
use super::view::{ReadError, View, read_view};
use crate::event::{Lsid, Timestamp};
use crate::identity::{Id, Site};
use crate::keys::{ErasedKey, OfSession};
use crate::platform::Platform;
use crate::store::{Store, StoreError};

pub use super::compaction::CutoffOutcome;

/// What became of an erasing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EraseOutcome {
    /// How many events are gone by this call.
    pub events: usize,
    /// Whether some of their bytes are still there: call again.
    pub remaining: bool,
}

/// Erases what is found of a session. `None` if there is nothing of it.
pub async fn erase<P: Platform>(
    platform: &P,
    site: &Site,
    lsid: &Lsid,
    bound: &Bound,
) -> Result<Option<EraseOutcome>, StoreError> {
    let find = async |view: &mut View<'_, P::Store>| found(view, site, lsid).await;
    let (found, known) = read_view(platform, find).await?;
    let now = platform.now();
    for (key, marker) in tombstones(site, lsid, &found, &known, now) {
        platform.store().set(&key.to_string(), &marker.to_json()).await?;
    }
    if found.is_empty() && known.is_empty() {
        return Ok(None);
    }
    let (cleared, remaining) = compaction::clear_session(platform, site, lsid, bound).await?;
    let events = found.iter().map(|(id, _)| *id).collect::<HashSet<Id>>().len();
    // An earlier call has erased it, and its bytes are gone.
    let was_gone = events == 0 && !cleared && !remaining;
    Ok((!was_gone).then_some(EraseOutcome { events, remaining }))
}

/// The tombstones that list these records, each under a key that no other has: one written twice would forget what it listed first.
fn tombstones(
    site: &Site,
    lsid: &Lsid,
    found: &[FoundRecord],
    known: &[ErasedKey],
    now: DateTime<Utc>,
) -> impl Iterator<Item = (ErasedKey, Marker)> {
    let reads = u64::try_from(now.timestamp_millis()).unwrap_or(0);
    let latest = found.iter().map(|(_, recorded)| *recorded).filter(|recorded| *recorded <= reads).max().unwrap_or(0);
    let (site, lsid) = (site.clone(), lsid.clone());
    let taken: Vec<_> = known.iter().map(|key| key.until).collect();
    let free = (latest..).filter(move |until| !taken.contains(until));
    let key = move |until| ErasedKey { site: site.clone(), lsid: lsid.clone(), until };
    found.chunks(Marker::MOST).zip(free).map(move |(records, until)| (key(until), Marker::tombstone(records, now)))
}

/// Every record of a session, those of one event each for itself, and its tombstones. What cannot be read is not among them.
async fn found<S: Store>(
    view: &mut View<'_, S>,
    site: &Site,
    lsid: &Lsid,
) -> Result<(Vec<FoundRecord>, Vec<ErasedKey>), ReadError> {
    let session = OfSession::new(site, lsid);
    let loose: Vec<_> = view.listing.loose.iter().filter(|key| session.has(key)).cloned().collect();
    let mut found = Vec::new();
    for key in loose {
        let entry = view.value(&key).await?.and_then(|value| RecordEntry::under(&key, value).ok());
        found.extend(entry.map(|entry| (entry.key.id, entry.recorded)));
    }
    for pack in events::packs_of_session(view, site, lsid).await? {
        for entry in view.entries(&pack, |entry| entry.key.lsid.as_ref() == Some(lsid)).await? {
            found.push((entry.key.id, entry.recorded));
        }
    }
    let known = view.listing.erased.iter().filter(|erased| erased.site == *site && erased.lsid == *lsid);
    Ok((found, known.cloned().collect()))
}

/// Removes what is found with a timestamp before `before`, and bodies that were set aside and first seen before.
pub async fn remove_before<P: Platform>(
    platform: &P,
    before: Timestamp,
    bound: &Bound,
) -> Result<CutoffOutcome, StoreError> {
    compaction::apply_cutoff(platform, before, bound).await
}
