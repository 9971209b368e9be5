//! What is left to do after an answer: delivery runs, a pass if one is due, and reports of clocks.

use futures_util::future::join;

use super::answer::{After, Service};
use crate::archive::compaction::{self, Bound, CompactionReport, DueOutcome, Policy};
use crate::clock_faults::{self, ClockFaults};
use crate::forward::backlogs::Backlogs;
use crate::forward::destination::Destination;
use crate::forward::refused;
use crate::forward::run::DeliveryRuns;
use crate::platform::Platform;
use crate::settings::{Begin, Settings, SettingsError};

impl<P: Platform> Service<'_, P> {
    /// Does what is left to do after an answer, once the response is on its way: who sent the event does not wait for it. Bounded,
    /// and harmless if it breaks off. Gives lines for the log.
    pub async fn go_on(&self, after: After) -> Vec<String> {
        let went_on = match after {
            After { pass: true, .. } => self.deliver_and_pass().await,
            After { deliver: true, .. } => self.deliver_now().await,
            After { .. } => Ok(Vec::new()),
        };
        // The event is stored, whatever is wrong with what else there is to do.
        let mut lines = went_on.unwrap_or_else(|wrong| vec![wrong.to_string()]);
        lines.extend(self.report(Vec::from_iter(after.clock_fault)).await);
        lines
    }

    /// Lines for the log about clocks that were seen to be wrong.
    pub(super) async fn report(&self, faults: ClockFaults) -> Vec<String> {
        let lines = clock_faults::report(self.platform.store(), self.platform.now(), faults).await;
        lines.unwrap_or_else(|error| vec![format!("a clock is wrong, and that could not be written down: {error}")])
    }

    async fn deliver_and_pass(&self) -> Result<Vec<String>, SettingsError> {
        let destinations = self.variables.destinations()?;
        let policy = self.variables.packing()?;
        // Run both: a destination that hangs must not delay compaction.
        let (delivered, (_, packing)) = join(self.deliver_now(), self.compact_if_due(&policy, &destinations)).await;
        Ok(delivered?.into_iter().chain(packing).collect())
    }

    /// What a pass did if one was due, and lines for the log if something is wrong.
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
                let line = unreadable.map(|one| format!("packing left {} where it is: {}", one.key, one.reason));
                let clocks = self.report(due.clock_faults.clone()).await;
                (due, line.into_iter().chain(paused).chain(clocks).collect())
            }
            Err(error) => {
                let broke_off = format!("packing broke off: {error}");
                (DueOutcome::default(), paused.into_iter().chain([broke_off]).collect())
            }
        }
    }

    /// What a pass deleted is taken out of the lists of refused events. The lists are for people: that this failed costs no more than a stale
    /// line, and the next pass that deletes something tries again.
    pub(super) async fn forget_removed(&self, report: &CompactionReport) {
        if report.dropped > 0 {
            let _ = refused::forget_removed(self.platform, |_| true).await;
        }
    }

    /// Delivery runs, unless a scheduler begins them, or there is no destination: most need no more settings than these.
    async fn deliver_now(&self) -> Result<Vec<String>, SettingsError> {
        if self.variables.rounds()? == Begin::OnTicks || self.variables.destinations()?.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.deliver(self.variables.all()?).await)
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
