//! What is left to do after an answer: delivery runs, a pass if one is due, and reports of clocks.

use futures_util::future::join;

use super::answer::{After, Service};
use crate::archive::compaction::{self, Bound, Due, Policy};
use crate::clock_faults::{self, ClockFaults};
use crate::forward::backlogs::Backlogs;
use crate::forward::destination::Destination;
use crate::forward::round::Rounds;
use crate::platform::Platform;
use crate::settings::{Begin, Settings, SettingsError};

impl<P: Platform> Service<'_, P> {
    /// Does what is left to do after an answer, once the response is on its way: who sent the event does not wait for it. Bounded,
    /// and harmless if it breaks off. Gives lines for the log.
    pub async fn go_on(&self, after: After) -> Vec<String> {
        let went_on = match after {
            After { pass: true, .. } => self.rounds_now_and_pass().await,
            After { round: true, .. } => self.rounds_now().await,
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

    async fn rounds_now_and_pass(&self) -> Result<Vec<String>, SettingsError> {
        let destinations = self.variables.destinations()?;
        let policy = self.variables.packing()?;
        // What hangs holds up no pass.
        let (rounds, (_, packing)) = join(self.rounds_now(), self.pass_if_due(&policy, &destinations)).await;
        Ok(rounds?.into_iter().chain(packing).collect())
    }

    /// What a pass did if one was due, and lines for the log if something is wrong.
    pub(super) async fn pass_if_due(&self, policy: &Policy, destinations: &[Destination]) -> (Due, Vec<String>) {
        match compaction::pass_if_due(self.platform, policy, &mut Backlogs::new(destinations), &Bound::default()).await
        {
            Ok(due) => {
                let unreadable = due.report.as_ref().and_then(|report| report.unreadable.first());
                let line = unreadable.map(|one| format!("packing left {} where it is: {}", one.key, one.reason));
                let clocks = self.report(due.clock_faults.clone()).await;
                (due, line.into_iter().chain(clocks).collect())
            }
            Err(error) => (Due::default(), vec![format!("packing broke off: {error}")]),
        }
    }

    /// Rounds, unless somebody who ticks sees to them, or there is nobody to send to: most need no more settings than these.
    async fn rounds_now(&self) -> Result<Vec<String>, SettingsError> {
        if self.variables.rounds()? == Begin::OnTicks || self.variables.destinations()?.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.rounds(self.variables.all()?).await)
    }

    pub(super) async fn rounds(&self, settings: &Settings) -> Vec<String> {
        let rounds = Rounds {
            platform: self.platform,
            destinations: &settings.destinations,
            max_requests_per_hour: settings.max_requests_per_hour,
        };
        rounds.run().await
    }
}
