//! Compaction of a recipient without destinations.

use outbound_events::archive::compaction::{self, Bound, Due, Policy, Report};
use outbound_events::forward::backlogs::Backlogs;
use outbound_events::platform::Platform;
use outbound_events::store::StoreError;

pub async fn pass<P: Platform>(platform: &P, policy: &Policy, bound: &Bound) -> Result<Report, StoreError> {
    compaction::pass(platform, policy, &mut Backlogs::new(&[]), bound).await
}

pub async fn pass_if_due<P: Platform>(platform: &P, policy: &Policy, bound: &Bound) -> Result<Due, StoreError> {
    compaction::pass_if_due(platform, policy, &mut Backlogs::new(&[]), bound).await
}
