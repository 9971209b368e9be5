//! How long tombstones and cutoffs stay.
//!
//! A marker is deleted when no covered record is found and passes have known it for long enough. That is longer than
//! any pass that was running when it was written: such a pass can still write a pack with covered records. Passes add
//! up this time, an hour or two each, so that one wrong clock cannot end it.
//!
//! Where reconciliation asks an appliance for its sessions ([`Account`]), a marker also stays until that has passed it
//! by two days: a removed session that is listed again must not come back.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::pass::Pass;
use crate::archive::account::Account;
use crate::archive::covers::Marker;
use crate::archive::listing::Listing;
use crate::clock_faults::{self, ClockFault, ClockFaultKind};
use crate::deadline::{Waited, is_ahead};
use crate::event::Timestamp;
use crate::identity::Site;
use crate::platform::Platform;
use crate::store::{Store, StoreError};

/// How long passes must know a tombstone before it is deleted.
pub(super) const TOMBSTONE_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// How long passes must know a cutoff before it is deleted.
pub(super) const CUTOFF_AGE: Duration = Duration::from_secs(48 * 60 * 60);

/// The interval at which passes add to the age of a marker.
const AGING_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Whether it is time to age the markers. All markers age together, so the first tombstone or cutoff decides.
pub(super) async fn is_due<P: Platform>(platform: &P, listing: &Listing) -> Result<bool, StoreError> {
    let firsts = [
        listing.erased.first().map(ToString::to_string),
        listing.cutoffs.first().map(ToString::to_string),
        listing.old_cutoffs.first().map(ToString::to_string),
    ];
    for key in firsts.into_iter().flatten() {
        let value = platform.store().get(&key).await?;
        if let Some(marker) = value.and_then(|value| Marker::parse(&value).ok()) {
            return Ok(is_aging_due(marker.age, platform.now()));
        }
    }
    Ok(false)
}

/// Whether the interval since the last addition is over.
fn is_aging_due(age: Option<Waited>, now: DateTime<Utc>) -> bool {
    let interval = i64::try_from(AGING_INTERVAL.as_millis()).unwrap_or(i64::MAX);
    age.is_none_or(|age| !(0..interval).contains(&now.timestamp_millis().saturating_sub(age.at)))
}

impl<P: Platform> Pass<'_, P> {
    /// Adds to the age of a marker. Deletes it when passes have known it `known_for` long, no covered record `remains`
    /// and reconciliation does not need it: see [`Pass::is_needed`] for `site` and `last`.
    pub(super) async fn age_marker(
        &mut self,
        key: &str,
        known_for: Duration,
        remains: bool,
        (site, last): (Option<&Site>, Timestamp),
    ) -> Result<(), StoreError> {
        let now = self.platform.now();
        let Some(value) = self.store().get(key).await? else { return Ok(()) };
        // An unreadable marker was noted when `Covers` was loaded.
        let Ok(mut marker) = Marker::parse(&value) else { return Ok(()) };
        if marker.age.is_some_and(|age| is_ahead(age.at, now)) {
            clock_faults::add_fault(
                &mut self.report.clock_faults,
                ClockFault::of_recipient(ClockFaultKind::DeadlineAhead),
            );
        }
        if is_aging_due(marker.age, now) {
            let age = marker.age.get_or_insert(Waited::since(now));
            age.add(now, AGING_INTERVAL);
            if !age.has_reached(known_for) || remains || self.report.remaining {
                return self.store().set(key, &marker.to_json()).await;
            }
            if self.is_needed(site, marker.last.unwrap_or(last)).await? {
                return self.store().set(key, &marker.to_json()).await;
            }
            return self.drop_marker(key).await;
        }
        Ok(())
    }

    /// Whether reconciliation of a site, or of any site, can still list a session that a marker covers. `last` is the
    /// latest time of what it covers.
    async fn is_needed(&self, site: Option<&Site>, last: Timestamp) -> Result<bool, StoreError> {
        let accounts = Account::load_all(self.store(), &self.listing).await?;
        let mut of_site = accounts.iter().filter(|(of, _)| site.is_none_or(|site| site == of));
        Ok(of_site.any(|(_, account)| account.needs_marker(last)))
    }
}
