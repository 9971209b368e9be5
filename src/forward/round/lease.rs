//! The lease of a round: `begin` takes it, `renew` extends it while events are sent, and `end` gives it back. After a failure `end` extends it
//! instead, so that no round begins before the wait is over.

use std::time::Duration;

use super::{End, Round};
use crate::clock_faults::{self, ClockFault, Kind};
use crate::deadline::Deadline;
use crate::forward::outcome::{self, Failure};
use crate::forward::owed::Receipt;
use crate::forward::standing::{self, Failing, LEASE, Standing};
use crate::http_client::HttpClient;
use crate::platform::Platform;
use crate::store::StoreError;

/// How long who takes the lease waits to see whether it is its own.
const SETTLE: Duration = Duration::from_millis(40);

/// What requests are counted in, where the platform allows only so many.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// After how much time that was waited for it a destination that fails is paused.
const MOST_FAILING: Duration = Duration::from_secs(3 * 24 * 60 * 60);

impl<P: Platform> Round<'_, P> {
    /// Takes the lease, if nobody has it.
    pub(super) async fn begin(&mut self) -> Result<bool, StoreError> {
        let (store, name) = (self.store(), &self.destination.name);
        self.standing = Standing::of(store, name).await?;
        let now = self.now();
        let rests = self.standing.rest.is_some_and(|rest| rest.holds(now));
        if rests || standing::paused(store, name).await?.is_some() {
            return Ok(false);
        }
        if self.standing.rest.is_some_and(|rest| rest.is_ahead(now)) {
            let fault = ClockFault::of_recipient(Kind::DeadlineAhead);
            self.log.extend(clock_faults::report(store, now, vec![fault]).await?);
        }
        if !self.standing.window.is_some_and(|hour| hour.holds(now)) {
            (self.standing.window, self.standing.requests) = (Some(Deadline::new(now, HOUR)), 0);
        }
        self.standing.owner = now.timestamp_nanos_opt().unwrap_or_default();
        self.renew().await?;
        self.http_client().wait(SETTLE).await;
        if self.is_overtaken().await? {
            return Ok(false);
        }
        let receipt = self.standing.receipt.as_ref().and_then(|id| id.parse().ok());
        self.receipt = Receipt::resumed(self.store(), self.destination.name.clone(), receipt).await?;
        Ok(true)
    }

    pub(super) async fn renew(&mut self) -> Result<(), StoreError> {
        self.renewed = self.rounds.platform.monotonic();
        self.standing.rest = Some(Deadline::new(self.now(), LEASE));
        self.standing.write(self.store(), &self.destination.name).await
    }

    /// Whether the lease is somebody else's by now: this one was slow, and taken for dead, or an administrator has taken it away.
    pub(super) async fn is_overtaken(&self) -> Result<bool, StoreError> {
        let standing = Standing::of(self.store(), &self.destination.name).await?;
        Ok(standing.owner != self.standing.owner)
    }

    /// Gives the lease back, or keeps everyone away until it is time to try again.
    pub(super) async fn end(&mut self, end: End) -> Result<(), StoreError> {
        let (store, name, now) = (self.store(), &self.destination.name, self.now());
        if matches!(end, End::Overtaken) || self.is_overtaken().await? {
            return Ok(());
        }
        self.standing.rest = None;
        self.standing.receipt = self.receipt.id().map(|id| id.to_string());
        match end {
            End::Idle => self.standing.failing = None,
            End::Over | End::Paused | End::Overtaken => {
                if self.sent {
                    self.standing.failing = None;
                }
            }
            End::Allowance => {
                let end = self.standing.window.map_or(0, |hour| hour.end());
                let left = u64::try_from(end.saturating_sub(now.timestamp_millis())).unwrap_or(0);
                // No longer than an hour, whatever a clock that stepped back makes of it.
                self.standing.rest = Some(Deadline::new(now, Duration::from_millis(left).min(HOUR)));
            }
            End::Failing(Failure { reason, retry_after, .. }) => {
                let before = self.standing.failing.take().filter(|_| !self.sent);
                let mut failing = before.unwrap_or_else(|| Failing::new(now));
                let wait = outcome::wait(failing.failures.saturating_add(1), retry_after);
                failing.again(now, wait);
                self.standing.rest = Some(Deadline::new(now, wait));
                if failing.waited.is(MOST_FAILING) {
                    standing::pause(store, name, &format!("it has failed for three days: {reason}"), now).await?;
                }
                let words = format!("{reason}; failure {}, tried again in {} s", failing.failures, wait.as_secs());
                self.standing.failing = Some(failing);
                self.standing.error = Some(reason);
                self.note(&words);
            }
        }
        self.sent = false;
        self.standing.write(store, &self.destination.name).await
    }
}
