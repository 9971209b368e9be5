//! Starts a pass, and runs its steps in order.

use std::time::Duration;

use super::lease::{LONGEST_MEASURED, delete_lease, lease, rest, set_lease};
use super::markers;
use super::pass::Pass;
use super::pending::PendingDeliveries;
use super::policy::{Bound, Policy};
use super::report::CompactionReport;
use crate::archive::listing::Listing;
use crate::archive::retention::Retention;
use crate::clock_faults::{self, ClockFault, ClockFaultKind, ClockFaults};
use crate::deadline::Deadline;
use crate::keys::Finds;
use crate::platform::Platform;
use crate::store::StoreError;

/// Runs a pass, whether or not one is due.
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

/// The result of [`compact_if_due`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DueOutcome {
    /// The report of the pass. `None` if none was due.
    pub report: Option<CompactionReport>,
    /// Clocks that were found to be wrong, even if no pass was due.
    pub clock_faults: ClockFaults,
}

/// Runs a pass if one is due, unless the lease says that one is running or has just ended. Then it costs one read.
/// Otherwise it costs a list, two writes of the lease, and with retention some reads and sometimes another write.
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
            clock_faults::add_fault(&mut due.clock_faults, ClockFault::of_recipient(ClockFaultKind::DeadlineAhead));
        }
    }
    // The lease is longer than a pass takes, and no longer: the next pass waits for it if this one dies. Without room
    // for a lease, the store needs the pass all the more.
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
        clock_faults::add_fault(clock_faults, ClockFault::of_recipient(ClockFaultKind::RetentionBehind));
    }
    let has_aged = retention.as_ref().is_some_and(Retention::is_due);
    let is_due = has_aged || policy.is_due(&listing) || pending.needs_tidying(&listing);
    if !is_due && !markers::is_due(platform, &listing).await? {
        return Ok(None);
    }
    let mut report = Pass::new(platform, policy, bound, listing, retention).await?.run(pending).await?;
    report.clock_faults.iter().for_each(|fault| clock_faults::add_fault(clock_faults, fault.clone()));
    report.clock_faults.clone_from(clock_faults);
    Ok(Some(report))
}

/// Loads retention. `None` if events are kept for ever.
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
        for finds in Finds::ALL {
            self.update_indexes(finds).await?;
        }
        if !self.listing.forwards.is_empty() {
            pending.tidy(self.store(), &Listing::load(self.store()).await?, self.platform.now()).await?;
        }
        Ok(self.report)
    }
}
