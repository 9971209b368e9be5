//! How long tombstones and cutoffs stay.
//!
//! What tells that something was removed, a tombstone or a cutoff, goes when nothing that it covers was found and passes have known it for
//! long enough: longer than any pass that was under way when it was written, which may yet write a pack that holds some of it. That time is
//! added up by passes, an hour or two each, so that no single wrong clock ends it.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::pass::Pass;
use crate::archive::covers::Marker;
use crate::archive::listing::Listing;
use crate::clock_faults::{self, ClockFault, Kind};
use crate::deadline::{Waited, is_ahead};
use crate::platform::Platform;
use crate::store::{Store, StoreError};

/// For how long passes have known a tombstone before it goes.
pub(super) const TOMBSTONE: Duration = Duration::from_secs(24 * 60 * 60);

/// For how long passes have known a cutoff before it goes.
pub(super) const CUTOFF: Duration = Duration::from_secs(48 * 60 * 60);

/// How often passes look how old a tombstone or a cutoff is.
const LOOK: Duration = Duration::from_secs(60 * 60);

/// Whether it is time to look how old what tells of removals is. It is looked at together: the first tombstone tells, or the
/// first cutoff.
pub(super) async fn is_due<P: Platform>(platform: &P, listing: &Listing) -> Result<bool, StoreError> {
    let firsts = [
        listing.erased.first().map(ToString::to_string),
        listing.cutoffs.first().map(ToString::to_string),
        listing.old_cutoffs.first().map(ToString::to_string),
    ];
    for key in firsts.into_iter().flatten() {
        let value = platform.store().get(&key).await?;
        if let Some(marker) = value.and_then(|value| Marker::parse(&value).ok()) {
            return Ok(looks_due(marker.age, platform.now()));
        }
    }
    Ok(false)
}

/// Whether the last look was long enough ago for another.
fn looks_due(age: Option<Waited>, now: DateTime<Utc>) -> bool {
    let look = i64::try_from(LOOK.as_millis()).unwrap_or(i64::MAX);
    age.is_none_or(|age| !(0..look).contains(&now.timestamp_millis().saturating_sub(age.at)))
}

impl<P: Platform> Pass<'_, P> {
    /// Adds to the age of what tells that something was removed. It goes if it is old enough and nothing that it covers is `left`.
    pub(super) async fn age_marker(&mut self, key: &str, known_for: Duration, left: bool) -> Result<(), StoreError> {
        let now = self.platform.now();
        let Some(value) = self.store().get(key).await? else { return Ok(()) };
        // One that cannot be read was noted when it was to tell what it covers.
        let Ok(mut marker) = Marker::parse(&value) else { return Ok(()) };
        if marker.age.is_some_and(|age| is_ahead(age.at, now)) {
            clock_faults::note(&mut self.report.clock_faults, ClockFault::of_recipient(Kind::DeadlineAhead));
        }
        if looks_due(marker.age, now) {
            let age = marker.age.get_or_insert(Waited::since(now));
            age.add(now, LOOK);
            if !age.is(known_for) || left || self.report.remaining {
                return self.store().set(key, &marker.to_json()).await;
            }
            return self.drop_marker(key).await;
        }
        Ok(())
    }
}
