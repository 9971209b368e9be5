//! Reconciliation: compares what an appliance lists as ended with what is here, and stores the reports that are missing.
//! One algorithm fetches reports, fills in sessions that were never announced, and covers an appliance that posts
//! nothing.
//!
//! A *check* asks for the sessions that ended since an hour before [`Account::through`], in windows of at most an hour.
//! When the reports of a window are stored, `through` moves to its end. A day after a session's end its report is
//! fetched again (a *revision*), and stored again if it differs: surveys and notes can be added.
//!
//! What may never happen (`tests/account_model/`):
//!
//! 1. A session that was announced counts as missed in the end, or one that was dropped does not.
//! 2. `through` passes a session whose report is neither here nor listed as unreadable.
//! 3. A removed session comes back. A report's recording time is that of the session's newest record, so what covers
//!    the session covers its report. Markers are read before a report is stored and again afterwards. A session of
//!    which nothing is here but a marker is not fetched.
//! 4. A report is stored twice without a difference.

use std::num::NonZeroU32;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::client::ApplianceClient;
use super::error::ApiError;
use super::setting::Appliance;
use crate::archive::account::{Account, AccountFault};
use crate::archive::reported::ReportedSessions;
use crate::archive::{self, View};
use crate::deadline::Deadline;
use crate::event::{Lsid, Timestamp};
use crate::platform::Platform;
use crate::store::StoreError;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The longest time for which sessions are listed at once, in seconds.
const WINDOW: u64 = HOUR;

/// The appliance's last minutes never count as complete: a session that has just ended may not be listed yet.
const UNSETTLED: u64 = 2 * MINUTE;

/// The longest wait after failures.
const LONGEST_BACKOFF: Duration = Duration::from_secs(HOUR);

/// After this time a check begins no new request. The next one continues. Platforms end a request after 30 s, and the
/// last request can take half of that.
const LONGEST_CHECK: Duration = Duration::from_secs(10);

/// How long a check keeps others away if it dies.
const RUNNING: Duration = Duration::from_secs(45);

/// The result of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckOutcome {
    /// The number of reports that were stored.
    pub stored: usize,
    /// Lines for the log: only what has changed.
    pub log: Vec<String>,
}

/// Why a check broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum CheckError {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether work remains, since the time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Done,
    Remaining,
}

/// Checks a site, whether or not a check is due. An error is one of the store; what the appliance does wrong is stored
/// in the site's [`Account`].
pub(super) async fn check_site<P: Platform>(
    platform: &P,
    appliance: &Appliance,
    retention_days: Option<u32>,
) -> Result<CheckOutcome, StoreError> {
    let (store, now) = (platform.store(), platform.now());
    let mut account = Account::load(store, &appliance.site).await?.unwrap_or_else(Account::unknown);
    account.checked = now.timestamp_millis();
    account.running = Some(Deadline::new(now, RUNNING));
    account.save(store, &appliance.site).await?;
    let mut check = Check {
        platform,
        appliance,
        retention_days,
        began: platform.monotonic(),
        account,
        outcome: CheckOutcome::default(),
    };
    let result = check.reconcile().await;
    let Check { mut account, mut outcome, .. } = check;
    account.running = None;
    let now = platform.now();
    match result {
        Ok(progress) => {
            outcome.log.extend(account.recover(appliance));
            let wait = match progress {
                Progress::Done => {
                    account.at_once = None;
                    Duration::from_secs(u64::from(appliance.check_minutes) * MINUTE)
                }
                Progress::Remaining => Duration::from_secs(1),
            };
            account.next = Some(Deadline::new(now, wait));
        }
        Err(CheckError::Api(error)) => outcome.log.extend(account.fail(appliance, &error, now)),
        Err(CheckError::Store(error)) => {
            account.next = Some(Deadline::new(now, Duration::from_secs(MINUTE)));
            // The store has just failed: its first error is the one to report.
            let _ = account.save(store, &appliance.site).await;
            return Err(error);
        }
    }
    account.save(store, &appliance.site).await?;
    Ok(outcome)
}

impl Account {
    /// Notes a success. Returns a line for the log if there was a fault.
    fn recover(&mut self, appliance: &Appliance) -> Option<String> {
        self.failures = 0;
        let fault = self.fault.take()?;
        let (site, through) = (appliance.site.as_str(), self.through.rfc3339());
        Some(format!("appliance {site}: checks work again (they were {}); complete through {through}", fault.state))
    }

    /// Notes a failure. Returns a line for the log if it is another one than before.
    fn fail(&mut self, appliance: &Appliance, error: &ApiError, now: DateTime<Utc>) -> Option<String> {
        self.failures = self.failures.saturating_add(1);
        let backoff = Duration::from_secs(MINUTE << self.failures.saturating_sub(1).min(10));
        let wait = error.wait().unwrap_or(backoff).min(LONGEST_BACKOFF);
        self.next = Some(Deadline::new(now, wait));
        let (state, detail) = (error.state().to_owned(), error.to_string());
        let before = self.fault.take().filter(|fault| fault.state == state);
        let line = before.is_none().then(|| format!("appliance {}: {detail}", appliance.site.as_str()));
        let since = before.map_or(now.timestamp_millis(), |fault| fault.since);
        self.fault = Some(AccountFault { state, detail, since });
        line
    }
}

/// A running check. `store_reports.rs` has its other half.
pub(super) struct Check<'c, P> {
    pub(super) platform: &'c P,
    pub(super) appliance: &'c Appliance,
    retention_days: Option<u32>,
    /// Start time by the monotonic clock.
    began: Duration,
    pub(super) account: Account,
    pub(super) outcome: CheckOutcome,
}

/// The sessions that a window of time lists, and what to do with them.
pub(super) struct Window<'w> {
    /// When it was asked for, by the recipient's clock.
    pub(super) asked: DateTime<Utc>,
    pub(super) lsids: &'w [Lsid],
    /// No report of a session that ended before this is stored: retention would have deleted it.
    pub(super) oldest: Timestamp,
}

impl<'c, P: Platform> Check<'c, P> {
    pub(super) fn is_over(&self) -> bool {
        self.platform.elapsed(self.began) >= LONGEST_CHECK
    }

    async fn reconcile(&mut self) -> Result<Progress, CheckError> {
        let mut client = ApplianceClient::connect(self.platform, self.appliance).await?;
        let appliance_now = client.appliance_now()?;
        self.begin(appliance_now);
        let oldest =
            self.retention_days.map_or(Timestamp::default(), |days| before(appliance_now, u64::from(days) * DAY));
        if self.fill_in(&mut client, appliance_now, oldest).await? == Progress::Remaining {
            return Ok(Progress::Remaining);
        }
        self.revise(&mut client, appliance_now, oldest).await
    }

    /// Sets the bounds of what is complete. Neither is later than the appliance's clock allows: that clock can have been
    /// ahead at an earlier check.
    fn begin(&mut self, appliance_now: Timestamp) {
        let (settled, day_ago) = (before(appliance_now, UNSETTLED), before(appliance_now, DAY));
        let account = &mut self.account;
        let appliance_millis = i64::try_from(appliance_now.seconds()).unwrap_or(i64::MAX).saturating_mul(1_000);
        account.ahead = appliance_millis.saturating_sub(self.platform.now().timestamp_millis());
        if !account.begun {
            account.begun = true;
            account.through = self.appliance.since.unwrap_or(day_ago);
            // What is fetched now of earlier sessions is more than a day old, and needs no revision.
            account.revised = day_ago;
        }
        account.through = account.through.min(settled);
        account.revised = account.revised.min(day_ago);
    }

    /// Stores the reports of sessions that have none, and moves `through`.
    async fn fill_in(
        &mut self,
        client: &mut ApplianceClient<'c, P>,
        appliance_now: Timestamp,
        oldest: Timestamp,
    ) -> Result<Progress, CheckError> {
        let mut from = before(self.account.through, HOUR).max(oldest);
        let site = &self.appliance.site;
        let load = async |view: &mut View<'_, P::Store>| ReportedSessions::load(view, site, from).await;
        let reported = archive::read_view(self.platform, load).await?;
        self.account.announces |= reported.has_end_event;
        let mut step = WINDOW;
        while from < appliance_now {
            if self.is_over() {
                return Ok(Progress::Remaining);
            }
            let seconds = step.min(appliance_now.seconds() - from.seconds()).max(1);
            let asked = self.platform.now();
            let mut lsids = match client.list_ended(from, seconds).await {
                Err(ApiError::TooLarge) if seconds > 1 => {
                    step = seconds / 2;
                    continue;
                }
                listed => listed?,
            };
            lsids.retain(|lsid| !reported.contains(lsid));
            if self.fetch(client, &Window { asked, lsids: &lsids, oldest }).await? == Progress::Remaining {
                return Ok(Progress::Remaining);
            }
            from = after(from, seconds);
            let settled = from.min(before(appliance_now, UNSETTLED));
            self.account.through = self.account.through.max(settled);
            self.save_progress(!lsids.is_empty()).await?;
        }
        Ok(Progress::Done)
    }

    /// Fetches the reports of sessions that ended a day ago once more, at most an hour of them at once. If a check has
    /// not the time for a window, the next one tries half of it: nothing shows how far it came.
    async fn revise(
        &mut self,
        client: &mut ApplianceClient<'c, P>,
        appliance_now: Timestamp,
        oldest: Timestamp,
    ) -> Result<Progress, CheckError> {
        let day_ago = before(appliance_now, DAY);
        // Less than an hour is left for a later check: each window is a request.
        while after(self.account.revised, HOUR) <= day_ago {
            if self.is_over() {
                return Ok(Progress::Remaining);
            }
            let from = self.account.revised.max(before(oldest, HOUR));
            let step = self.account.revision_seconds.map_or(WINDOW, |seconds| u64::from(seconds.get()));
            let halve = |account: &mut Account| {
                account.revision_seconds = u32::try_from(step / 2).ok().and_then(NonZeroU32::new);
            };
            let asked = self.platform.now();
            let lsids = match client.list_ended(from, step).await {
                Err(ApiError::TooLarge) if step > 1 => {
                    halve(&mut self.account);
                    continue;
                }
                listed => listed?,
            };
            if self.fetch(client, &Window { asked, lsids: &lsids, oldest }).await? == Progress::Remaining {
                halve(&mut self.account);
                return Ok(Progress::Remaining);
            }
            self.account.revised = after(from, step);
            let longer = u32::try_from(step * 2).ok().filter(|seconds| u64::from(*seconds) < WINDOW);
            self.account.revision_seconds = longer.and_then(NonZeroU32::new);
            self.save_progress(!lsids.is_empty()).await?;
        }
        Ok(Progress::Done)
    }

    /// Stores how far the check is, if that was work.
    async fn save_progress(&self, was_work: bool) -> Result<(), StoreError> {
        if was_work { self.account.save(self.platform.store(), &self.appliance.site).await } else { Ok(()) }
    }
}

fn before(time: Timestamp, seconds: u64) -> Timestamp {
    Timestamp::from_seconds(time.seconds().saturating_sub(seconds)).unwrap_or_default()
}

fn after(time: Timestamp, seconds: u64) -> Timestamp {
    Timestamp::from_seconds(time.seconds().saturating_add(seconds)).unwrap_or(time)
}
