//! How a pass begins, and in which order it does what it does.

use std::time::Duration;

use super::lease::{LONGEST_MEASURED, delete_lease, lease, rest, set_lease};
use super::markers;
use super::pass::Pass;
use super::pending::PendingDeliveries;
use super::policy::{Bound, Policy};
use super::report::CompactionReport;
use crate::archive::listing::Listing;
use crate::archive::retention::Retention;
use crate::clock_faults::{self, ClockFault, ClockFaults, Kind};
use crate::deadline::Deadline;
use crate::keys::Finds;
use crate::platform::Platform;
use crate::store::StoreError;

/// Runs a pass.
pub async fn compact<P: Platform>(
    platform: &P,
    policy: &Policy,
    pending: &mut impl PendingDeliveries,
    bound: &Bound,
) -> Result<CompactionReport, StoreError> {
    let listing = Listing::load(platform.store()).await?;
    let retention = retention(platform, policy, &listing).await?;
    Pass::new(platform, policy, bound, listing, retention).await?.run(pending).await
}

/// What became of a pass that may have been due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DueOutcome {
    /// What it did, if it was.
    pub report: Option<CompactionReport>,
    /// Clocks that were seen to be wrong, also where it was not.
    pub clock_faults: ClockFaults,
}

/// Runs a pass if one is due and none is known to be under way or to have been a moment ago. Costs one read in that case, and
/// otherwise a list, the lease's two writes, and with retention some reads and sometimes a write more.
pub async fn compact_if_due<P: Platform>(
    platform: &P,
    policy: &Policy,
    pending: &mut impl PendingDeliveries,
    bound: &Bound,
) -> Result<DueOutcome, StoreError> {
    let (store, began, now) = (platform.store(), platform.monotonic(), platform.now());
    let mut due = DueOutcome::default();
    if let Some(lease) = lease(store).await? {
        if lease.holds(now) {
            return Ok(due);
        }
        if lease.is_ahead(now) {
            clock_faults::note(&mut due.clock_faults, ClockFault::of_recipient(Kind::DeadlineAhead));
        }
    }
    // Longer than a pass takes; the next one waits no longer than that for one that died. A store without room for a lease needs
    // its pass the more.
    let leased = set_lease(store, Deadline::new(now, Duration::from_secs(10) + bound.time)).await.is_ok();
    let report = compact_on_lease(platform, policy, pending, bound, &mut due.clock_faults).await;
    let rest = rest(policy, &report, platform.elapsed(began).min(LONGEST_MEASURED));
    if rest >= Duration::from_millis(1) {
        set_lease(store, Deadline::new(platform.now(), rest)).await?;
    } else if leased {
        delete_lease(store).await?;
    }
    due.report = report?;
    Ok(due)
}

async fn compact_on_lease<P: Platform>(
    platform: &P,
    policy: &Policy,
    pending: &mut impl PendingDeliveries,
    bound: &Bound,
    clock_faults: &mut ClockFaults,
) -> Result<Option<CompactionReport>, StoreError> {
    let listing = Listing::load(platform.store()).await?;
    let retention = retention(platform, policy, &listing).await?;
    if retention.as_ref().is_some_and(|retention| retention.is_behind) {
        clock_faults::note(clock_faults, ClockFault::of_recipient(Kind::RetentionBehind));
    }
    let has_aged = retention.as_ref().is_some_and(Retention::is_due);
    let is_due = has_aged || policy.is_due(&listing) || pending.needs_tidying(&listing);
    if !is_due && !markers::is_due(platform, &listing).await? {
        return Ok(None);
    }
    let mut report = Pass::new(platform, policy, bound, listing, retention).await?.run(pending).await?;
    report.clock_faults.iter().for_each(|fault| clock_faults::note(clock_faults, fault.clone()));
    report.clock_faults.clone_from(clock_faults);
    Ok(Some(report))
}

/// Retention as this pass sees it, if events are not kept for ever.
async fn retention<P: Platform>(
    platform: &P,
    policy: &Policy,
    listing: &Listing,
) -> Result<Option<Retention>, StoreError> {
    match policy.retention_days {
        Some(days) => Retention::load(platform.store(), days, listing, platform.now()).await.map(Some),
        None => Ok(None),
    }
}

impl<P: Platform> Pass<'_, P> {
    pub(super) async fn run(mut self, pending: &mut impl PendingDeliveries) -> Result<CompactionReport, StoreError> {
        self.learn_packs().await?;
        self.clear_removed().await?;
        self.pack_loose(pending).await?;
        self.merge().await?;
        self.drop_aged().await?;
        for finds in [Finds::Sessions, Finds::Events] {
            self.update_indexes(finds).await?;
        }
        if !self.listing.forwards.is_empty() {
            pending.tidy(self.store(), &Listing::load(self.store()).await?, self.platform.now()).await?;
        }
        Ok(self.report)
    }
}
