//! The lease of a pass, and how long compaction rests after it.

use std::time::Duration;

use super::policy::{MANY_LOOSE, Policy};
use super::report::CompactionReport;
use crate::deadline::Deadline;
use crate::keys;
use crate::store::{Store, StoreError};

/// The value of [`keys::LEASE`]. While it holds, no other pass begins after an answer or on `/tick`. It only saves
/// work: passes are correct without it.
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

/// The most that a measured duration counts, since the machine can have slept meanwhile.
pub(super) const LONGEST_MEASURED: Duration = Duration::from_secs(30);

/// How long compaction rests after a pass that took `spent`: taking events comes first.
pub(super) fn rest(
    policy: &Policy,
    report: &Result<Option<CompactionReport>, StoreError>,
    spent: Duration,
) -> Duration {
    match report {
        // A store with few keys is listed quickly and fills quickly. So there is no rest, even after a failed pass.
        _ if policy.key_budget.is_some() => Duration::ZERO,
        // The store can have more keys than it can list. Without a rest, every few dozen events would start a list in
        // vain.
        Err(_) => Duration::from_secs(5 * 60),
        // Without packing, the store will soon have more keys than it can list.
        Ok(Some(report)) if report.remaining && report.loose > MANY_LOOSE => spent,
        Ok(_) => spent * 9,
    }
}
