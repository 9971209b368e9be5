//! The lease of a pass, and how long passes rest after one.

use std::time::Duration;

use super::policy::{MANY_LOOSE, Policy};
use super::report::CompactionReport;
use crate::deadline::Deadline;
use crate::keys;
use crate::store::{Store, StoreError};

/// What stands under [`keys::LEASE`]: while it holds, no other pass begins after an answer or on `/tick`. It only saves work: passes are
/// correct without it.
pub(super) async fn lease(store: &impl Store) -> Result<Option<Deadline>, StoreError> {
    let lease = store.get(keys::LEASE).await?;
    Ok(lease.and_then(|lease| serde_json::from_slice(&lease).ok()))
}

pub(super) async fn set_lease(store: &impl Store, lease: Deadline) -> Result<(), StoreError> {
    store.set(keys::LEASE, &serde_json::to_vec(&lease).unwrap_or_default()).await
}

pub(super) async fn delete_lease(store: &impl Store) -> Result<(), StoreError> {
    store.delete(keys::LEASE).await
}

/// A duration that was measured counts as this at most: a machine may have slept meanwhile.
pub(super) const LONGEST_MEASURED: Duration = Duration::from_secs(30);

/// How long none looks for work after one that took so long: events are taken meanwhile, and that comes first.
pub(super) fn rest(
    policy: &Policy,
    report: &Result<Option<CompactionReport>, StoreError>,
    spent: Duration,
) -> Duration {
    match report {
        // Such a store is soon listed, and soon full: also after a pass that broke off.
        _ if policy.key_budget.is_some() => Duration::ZERO,
        // The store may have more keys than it can list, and would try in vain for each of some dozens of events.
        Err(_) => Duration::from_secs(5 * 60),
        // Unless it is packed, it will have more keys than it can list.
        Ok(Some(report)) if report.remaining && report.loose > MANY_LOOSE => spent,
        Ok(_) => spent * 9,
    }
}
