//! Erases a session, and removes old events. The marker is written first, and hides the records from every reader. Then
//! their bytes are deleted, a bounded part for each call; a repeated call and every compaction continue.
//!
//! Removal covers the records found when it was requested, never records that arrive later ([`super::covers`]).

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::compaction::{self, Bound};
use super::covers::{FoundRecord, Marker};
use super::events;
use super::pack::RecordEntry;
use super::view::{ReadError, View, read_view};
use crate::event::{Lsid, Timestamp};
use crate::identity::{Id, Site};
use crate::keys::{ErasedKey, SessionKeys};
use crate::platform::Platform;
use crate::store::{Store, StoreError};

pub use super::compaction::CutoffOutcome;

/// The result of erasing a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EraseOutcome {
    /// Number of events that this call erased.
    pub events: usize,
    /// Whether some of their bytes are still stored: repeat the call.
    pub remaining: bool,
}

/// Erases the records found of a session. `None` if there are none.
pub async fn erase<P: Platform>(
    platform: &P,
    site: &Site,
    lsid: &Lsid,
    bound: &Bound,
) -> Result<Option<EraseOutcome>, StoreError> {
    let find = async |view: &mut View<'_, P::Store>| found(view, site, lsid).await;
    let Found { records: found, last, tombstones: known } = read_view(platform, find).await?;
    let now = platform.now();
    for (key, marker) in tombstones(site, lsid, &found, last, &known, now) {
        platform.store().set(&key.to_string(), &marker.to_json()).await?;
    }
    if found.is_empty() && known.is_empty() {
        return Ok(None);
    }
    let (cleared, remaining) = compaction::clear_session(platform, site, lsid, bound).await?;
    let events = found.iter().map(|(id, _)| *id).collect::<HashSet<Id>>().len();
    // Then an earlier call erased the session and deleted its bytes.
    let was_gone = events == 0 && !cleared && !remaining;
    Ok((!was_gone).then_some(EraseOutcome { events, remaining }))
}

/// The tombstones that list these records, each under a new key: writing an existing key again would lose the records
/// that it lists.
fn tombstones(
    site: &Site,
    lsid: &Lsid,
    found: &[FoundRecord],
    last: Option<Timestamp>,
    known: &[ErasedKey],
    now: DateTime<Utc>,
) -> impl Iterator<Item = (ErasedKey, Marker)> {
    let reads = u64::try_from(now.timestamp_millis()).unwrap_or(0);
    let latest = found.iter().map(|(_, recorded)| *recorded).filter(|recorded| *recorded <= reads).max().unwrap_or(0);
    let (site, lsid) = (site.clone(), lsid.clone());
    let taken: Vec<_> = known.iter().map(|key| key.until).collect();
    let free = (latest..).filter(move |until| !taken.contains(until));
    let key = move |until| ErasedKey { site: site.clone(), lsid: lsid.clone(), until };
    found
        .chunks(Marker::MOST)
        .zip(free)
        .map(move |(records, until)| (key(until), Marker::tombstone(records, last, now)))
}

/// What is stored of a session.
#[derive(Default)]
struct Found {
    /// Every readable record, repeats of an event included.
    records: Vec<FoundRecord>,
    /// The latest time of these records.
    last: Option<Timestamp>,
    /// Its tombstones.
    tombstones: Vec<ErasedKey>,
}

impl Found {
    fn add(&mut self, entry: &RecordEntry) {
        self.records.push((entry.key.id, entry.recorded));
        self.last = self.last.max(Some(entry.key.timestamp));
    }
}

async fn found<S: Store>(view: &mut View<'_, S>, site: &Site, lsid: &Lsid) -> Result<Found, ReadError> {
    let session = SessionKeys::new(site, lsid);
    let loose: Vec<_> = view.listing.loose.iter().filter(|key| session.matches(key)).cloned().collect();
    let mut found = Found::default();
    for key in loose {
        let entry = view.value(&key).await?.and_then(|value| RecordEntry::under(&key, value).ok());
        entry.iter().for_each(|entry| found.add(entry));
    }
    for pack in events::packs_of_session(view, site, lsid).await? {
        view.entries(&pack, |entry| entry.key.lsid.as_ref() == Some(lsid))
            .await?
            .iter()
            .for_each(|entry| found.add(entry));
    }
    let known = view.listing.erased.iter().filter(|erased| erased.site == *site && erased.lsid == *lsid);
    found.tombstones = known.cloned().collect();
    Ok(found)
}

/// Removes the events found with a timestamp before `before`, and set-aside bodies first seen before it.
pub async fn remove_before<P: Platform>(
    platform: &P,
    before: Timestamp,
    bound: &Bound,
) -> Result<CutoffOutcome, StoreError> {
    compaction::apply_cutoff(platform, before, bound).await
}
