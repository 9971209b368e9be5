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

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::client::ApplianceClient;
use super::error::ApiError;
use super::fetched::{FetchedSessions, ReportedSession};
use super::setting::Appliance;
use crate::archive::account::{Account, AccountFault};
use crate::archive::reported::{Markers, ReportedSessions, StoredSession, StoredSessions, stored_sessions};
use crate::archive::{self, Listing, View};
use crate::deadline::Deadline;
use crate::event::{Lsid, Timestamp};
use crate::platform::Platform;
use crate::record::Record;
use crate::report::FetchedReport;
use crate::store::{Store, StoreError};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The longest time for which sessions are listed at once, in seconds.
const WINDOW: u64 = HOUR;

/// The appliance's last minutes never count as complete: a session that has just ended may not be listed yet.
const UNSETTLED: u64 = 2 * MINUTE;

/// The sessions whose reports are fetched at once.
const AT_ONCE: usize = 20;

/// The longest wait after failures.
const LONGEST_BACKOFF: Duration = Duration::from_secs(HOUR);

/// After this time a check begins no new request. The next one continues.
const LONGEST_CHECK: Duration = Duration::from_secs(20);

/// How long a check keeps others away if it dies: longer than its last request can take.
const RUNNING: Duration = Duration::from_secs(120);

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
enum CheckError {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether work remains, since the time was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
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
                Progress::Done => Duration::from_secs(u64::from(appliance.check_minutes) * MINUTE),
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

/// A running check.
struct Check<'c, P> {
    platform: &'c P,
    appliance: &'c Appliance,
    retention_days: Option<u32>,
    /// Start time by the monotonic clock.
    began: Duration,
    account: Account,
    outcome: CheckOutcome,
}

/// The sessions that a window of time lists, and what to do with them.
struct Window<'w> {
    /// When it was asked for, by the recipient's clock.
    asked: DateTime<Utc>,
    lsids: &'w [Lsid],
    /// No report of a session that ended before this is stored: retention would have deleted it.
    oldest: Timestamp,
}

impl<'c, P: Platform> Check<'c, P> {
    fn is_over(&self) -> bool {
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
            account.revised = account.through;
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

    /// Fetches the reports of sessions that ended a day ago once more, at most an hour of them at once.
    async fn revise(
        &mut self,
        client: &mut ApplianceClient<'c, P>,
        appliance_now: Timestamp,
        oldest: Timestamp,
    ) -> Result<Progress, CheckError> {
        let day_ago = before(appliance_now, DAY);
        let mut step = WINDOW;
        // Less than an hour is left for a later check: each window is a request.
        while after(self.account.revised, HOUR) <= day_ago {
            if self.is_over() {
                return Ok(Progress::Remaining);
            }
            let from = self.account.revised.max(before(oldest, HOUR));
            let asked = self.platform.now();
            let lsids = match client.list_ended(from, step).await {
                Err(ApiError::TooLarge) if step > 1 => {
                    step /= 2;
                    continue;
                }
                listed => listed?,
            };
            if self.fetch(client, &Window { asked, lsids: &lsids, oldest }).await? == Progress::Remaining {
                return Ok(Progress::Remaining);
            }
            self.account.revised = after(from, step);
            self.save_progress(!lsids.is_empty()).await?;
        }
        Ok(Progress::Done)
    }

    /// Stores how far the check is, if that was work.
    async fn save_progress(&self, was_work: bool) -> Result<(), StoreError> {
        if was_work { self.account.save(self.platform.store(), &self.appliance.site).await } else { Ok(()) }
    }

    /// Fetches and stores the reports of a window.
    async fn fetch(
        &mut self,
        client: &mut ApplianceClient<'c, P>,
        window: &Window<'_>,
    ) -> Result<Progress, CheckError> {
        let lsids = self.not_erased(window.lsids).await?;
        let (mut rest, mut at_once) = (lsids.as_slice(), AT_ONCE);
        while !rest.is_empty() {
            if self.is_over() {
                return Ok(Progress::Remaining);
            }
            let (some, after) = rest.split_at_checked(at_once).unwrap_or((rest, &[]));
            match client.reports(some).await {
                Err(ApiError::TooLarge) if some.len() > 1 => {
                    at_once = some.len() / 2;
                    continue;
                }
                Err(error @ ApiError::TooLarge) => {
                    some.iter().for_each(|lsid| self.account.note_unreadable(lsid, &error.to_string()));
                }
                fetched => self.take(some, fetched?, window).await?,
            }
            (rest, at_once) = (after, AT_ONCE);
        }
        Ok(Progress::Done)
    }

    /// Leaves out sessions of which nothing is here but a tombstone.
    async fn not_erased(&mut self, lsids: &[Lsid]) -> Result<Vec<Lsid>, StoreError> {
        let (store, site) = (self.platform.store(), &self.appliance.site);
        let markers = Markers::of_listing(&Listing::load(store).await?, site);
        let (erased, mut kept): (Vec<Lsid>, Vec<Lsid>) =
            lsids.iter().cloned().partition(|lsid| markers.have_erased(lsid));
        if erased.is_empty() {
            return Ok(kept);
        }
        let here = self.stored(&erased).await?.sessions;
        for (lsid, here) in erased.into_iter().zip(here) {
            self.account.unreadable.remove(lsid.as_str());
            kept.extend(here.newest.is_some().then_some(lsid));
        }
        Ok(kept)
    }

    async fn stored(&self, lsids: &[Lsid]) -> Result<StoredSessions, StoreError> {
        let site = &self.appliance.site;
        let find = async |view: &mut View<'_, P::Store>| stored_sessions(view, site, lsids).await;
        archive::read_view(self.platform, find).await
    }

    /// Notes what an answer lacks, and stores its reports.
    async fn take(
        &mut self,
        asked_for: &[Lsid],
        fetched: FetchedSessions,
        window: &Window<'_>,
    ) -> Result<(), CheckError> {
        for one in fetched.unreadable {
            if let Some(lsid) = one.lsid.filter(|lsid| asked_for.contains(lsid)) {
                self.account.note_unreadable(&lsid, &one.reason);
            }
        }
        for lsid in &fetched.not_ready {
            self.account.note_unreadable(lsid, "its report is not ready yet");
        }
        let is_there = |lsid: &Lsid| fetched.sessions.iter().any(|session| session.lsid == *lsid);
        for lsid in asked_for.iter().filter(|lsid| !is_there(lsid)) {
            if !self.account.unreadable.contains_key(lsid.as_str()) {
                self.account.note_unreadable(lsid, "the appliance lists it, and has no report of it");
            }
        }
        // An appliance can answer with sessions that nobody asked for.
        let sessions: Vec<_> =
            fetched.sessions.into_iter().filter(|session| asked_for.contains(&session.lsid)).collect();
        self.store_reports(sessions, window).await
    }

    /// Stores reports that are not here, unless their sessions were removed.
    async fn store_reports(&mut self, sessions: Vec<ReportedSession>, window: &Window<'_>) -> Result<(), CheckError> {
        let (store, site) = (self.platform.store(), &self.appliance.site);
        let lsids: Vec<_> = sessions.iter().map(|session| session.lsid.clone()).collect();
        let here = self.stored(&lsids).await?;
        let mut written = Vec::new();
        for (session, stored) in sessions.into_iter().zip(&here.sessions) {
            let ReportedSession { lsid, external_key, report } = session;
            self.account.unreadable.remove(lsid.as_str());
            if self.is_removed(report.end, stored, &here, window.oldest) {
                continue;
            }
            let (end, fetched) = (report.end, FetchedReport { fetched: seconds_of(self.platform.now()), report });
            let recorded = stored.newest.and_then(of_micros).unwrap_or(window.asked);
            match Record::of_report(site, &lsid, external_key, fetched, recorded) {
                Ok((key, _)) if stored.contains(key.id) => {}
                Ok((key, value)) => {
                    let key = key.to_string();
                    store.set(&key, &value).await?;
                    written.push((key, lsid, end));
                }
                Err(problems) => self.account.note_unreadable(&lsid, &problems.to_string()),
            }
        }
        self.outcome.stored += written.len();
        self.take_back(&written, &here.markers).await?;
        Ok(())
    }

    /// Whether a session of which nothing is here was removed, by an administrator or by retention.
    fn is_removed(&self, end: Timestamp, stored: &StoredSession, here: &StoredSessions, oldest: Timestamp) -> bool {
        let made = |unix_millis| self.account.appliance_seconds(unix_millis);
        stored.newest.is_none() && (stored.is_erased || end < oldest || here.covers.cuts(end, made))
    }

    /// Deletes the reports that were just written of sessions that were removed meanwhile: whoever removed them cannot
    /// have found these.
    async fn take_back(&mut self, written: &[(String, Lsid, Timestamp)], before: &Markers) -> Result<(), StoreError> {
        if written.is_empty() {
            return Ok(());
        }
        let store = self.platform.store();
        let now = Markers::of_listing(&Listing::load(store).await?, &self.appliance.site);
        for (key, ..) in written.iter().filter(|(_, lsid, end)| now.have_removed(before, lsid, *end)) {
            store.delete(key).await?;
            self.outcome.stored -= 1;
        }
        Ok(())
    }
}

fn before(time: Timestamp, seconds: u64) -> Timestamp {
    Timestamp::from_seconds(time.seconds().saturating_sub(seconds)).unwrap_or_default()
}

fn after(time: Timestamp, seconds: u64) -> Timestamp {
    Timestamp::from_seconds(time.seconds().saturating_add(seconds)).unwrap_or(time)
}

fn seconds_of(time: DateTime<Utc>) -> Timestamp {
    u64::try_from(time.timestamp()).ok().and_then(Timestamp::from_seconds).unwrap_or_default()
}

fn of_micros(micros: u64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(i64::try_from(micros).ok()?)
}
