//! Compaction of a recipient without destinations.

use outbound_events::archive::compaction::{self, Bound, CompactionReport, DueOutcome, Policy};
use outbound_events::forward::backlogs::Backlogs;
use outbound_events::platform::Platform;
use outbound_events::store::StoreError;

pub async fn compact<P: Platform>(
    platform: &P,
    policy: &Policy,
    bound: &Bound,
) -> Result<CompactionReport, StoreError> {
    compaction::compact(platform, policy, &mut Backlogs::new(&[]), bound).await
}

pub async fn compact_if_due<P: Platform>(
    platform: &P,
    policy: &Policy,
    bound: &Bound,
) -> Result<DueOutcome, StoreError> {
    compaction::compact_if_due(platform, policy, &mut Backlogs::new(&[]), bound).await
}
