//! The work after an answer: delivery runs, compaction if it is due, and reports of clock faults.

use std::pin::Pin;

use futures_util::future::join;

use super::answer::{FollowUp, Service};
use crate::archive::compaction::{self, Bound, CompactionReport, DueOutcome, Policy};
use crate::clock_faults::{self, ClockFaults};
use crate::forward::backlogs::Backlogs;
use crate::forward::destination::Destination;
use crate::forward::refused;
use crate::forward::run::DeliveryRuns;
use crate::platform::Platform;
use crate::settings::{DeliveryRunStart, Settings, SettingsError};

impl<P: Platform> Service<'_, P> {
    /// Does the work after an answer, once the response is on its way: the sender does not wait for it. Bounded, and
    /// harmless if it breaks off. Returns log lines.
    pub async fn follow_up(&self, follow_up: FollowUp) -> Vec<String> {
        let begins_runs = if follow_up.deliver { self.begins_runs() } else { Ok(false) };
        if !follow_up.compaction && follow_up.clock_fault.is_none() && begins_runs == Ok(false) {
            return Vec::new();
        }
        self.follow_up_with_work(follow_up, begins_runs).await
    }

    /// Whether delivery runs follow an event: not if only ticks begin them, or if there is no destination. Reads these two
    /// settings first: most events need no others.
    fn begins_runs(&self) -> Result<bool, SettingsError> {
        Ok(self.variables.delivery_runs()? != DeliveryRunStart::OnTicks && !self.variables.destinations()?.is_empty())
    }

    /// Most events need none of it. Boxed in a function of its own, so that it takes no room in their memory.
    #[inline(never)]
    fn follow_up_with_work<'f>(
        &'f self,
        follow_up: FollowUp,
        begins_runs: Result<bool, SettingsError>,
    ) -> Pin<Box<dyn Future<Output = Vec<String>> + 'f>> {
        Box::pin(async move {
            let went_on = if follow_up.compaction {
                self.deliver_and_compact(begins_runs).await
            } else {
                self.deliver_now(begins_runs).await
            };
            // The event is stored, whatever fails now.
            let mut lines = went_on.unwrap_or_else(|wrong| vec![wrong.to_string()]);
            if let Some(fault) = follow_up.clock_fault {
                lines.extend(self.report(vec![fault]).await);
            }
            lines
        })
    }

    /// Stores clock faults, and returns log lines about them.
    pub(super) async fn report(&self, faults: ClockFaults) -> Vec<String> {
        let lines = clock_faults::report(self.platform.store(), self.platform.now(), faults).await;
        lines.unwrap_or_else(|error| vec![format!("a clock is wrong, and the report could not be stored: {error}")])
    }

    async fn deliver_and_compact(
        &self,
        begins_runs: Result<bool, SettingsError>,
    ) -> Result<Vec<String>, SettingsError> {
        let destinations = self.variables.destinations()?;
        let policy = self.variables.packing()?;
        // Run both: a destination that hangs must not delay compaction.
        let (delivered, (_, packing)) =
            join(self.deliver_now(begins_runs), self.compact_if_due(&policy, &destinations)).await;
        Ok(delivered?.into_iter().chain(packing).collect())
    }

    /// Compacts if it is due. Returns what it did, and log lines about errors.
    pub(super) async fn compact_if_due(
        &self,
        policy: &Policy,
        destinations: &[Destination],
    ) -> (DueOutcome, Vec<String>) {
        let mut pending = Backlogs::new(destinations);
        let due = compaction::compact_if_due(self.platform, policy, &mut pending, &Bound::default()).await;
        let paused = pending.take_log();
        match due {
            Ok(due) => {
                if let Some(report) = &due.report {
                    self.forget_removed(report).await;
                }
                let unreadable = due.report.as_ref().and_then(|report| report.unreadable.first());
                let line = unreadable
                    .map(|one| format!("compaction skipped {}, which cannot be read: {}", one.key, one.reason));
                let clocks = self.report(due.clock_faults.clone()).await;
                (due, line.into_iter().chain(paused).chain(clocks).collect())
            }
            Err(error) => {
                let broke_off = format!("compaction was interrupted: {error}");
                (DueOutcome::default(), paused.into_iter().chain([broke_off]).collect())
            }
        }
    }

    /// Takes deleted events off the lists of refused events. Errors are ignored: they leave a stale line in a list
    /// for people, and the next compaction that deletes something tries again.
    pub(super) async fn forget_removed(&self, report: &CompactionReport) {
        if report.dropped > 0 {
            let _ = refused::forget_removed(self.platform, |_| true).await;
        }
    }

    async fn deliver_now(&self, begins_runs: Result<bool, SettingsError>) -> Result<Vec<String>, SettingsError> {
        if begins_runs? { Ok(self.deliver(self.variables.settings()?).await) } else { Ok(Vec::new()) }
    }

    pub(super) async fn deliver(&self, settings: &Settings) -> Vec<String> {
        let runs = DeliveryRuns {
            platform: self.platform,
            destinations: &settings.destinations,
            max_requests_per_hour: settings.max_requests_per_hour,
        };
        runs.run().await
    }
}
