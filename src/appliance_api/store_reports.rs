//! The half of a check that fetches reports and stores them: only what is missing, and nothing that was removed.

use std::num::NonZeroU32;

use chrono::{DateTime, Utc};

use super::check::{Check, CheckError, Progress, Window};
use super::client::ApplianceClient;
use super::error::ApiError;
use super::fetched::{FetchedSessions, ReportedSession};
use crate::archive::reported::{Markers, StoredSession, StoredSessions, stored_sessions};
use crate::archive::{self, Listing, View};
use crate::event::{Lsid, Timestamp};
use crate::platform::Platform;
use crate::report::FetchedReport;
use crate::store::{Store, StoreError};

/// The sessions whose reports are fetched at once.
const AT_ONCE: usize = 20;

impl<'c, P: Platform> Check<'c, P> {
    /// Fetches and stores the reports of a window.
    pub(super) async fn fetch(
        &mut self,
        client: &mut ApplianceClient<'c, P>,
        window: &Window<'_>,
    ) -> Result<Progress, CheckError> {
        if window.lsids.is_empty() {
            return Ok(Progress::Done);
        }
        let lsids = self.not_erased(window.lsids).await?;
        let mut rest = lsids.as_slice();
        while !rest.is_empty() {
            if self.is_over() {
                return Ok(Progress::Remaining);
            }
            let at_once = self.account.at_once.map_or(AT_ONCE, |fewer| fewer.get() as usize);
            let (some, after) = rest.split_at_checked(at_once).unwrap_or((rest, &[]));
            match client.reports(some).await {
                Err(ApiError::TooLarge) if some.len() > 1 => {
                    // Kept for the next check, since this one may have no time left.
                    self.account.at_once = u32::try_from(some.len() / 2).ok().and_then(NonZeroU32::new);
                    continue;
                }
                Err(error @ ApiError::TooLarge) => {
                    some.iter().for_each(|lsid| self.account.note_unreadable(lsid, &error.to_string()));
                }
                fetched => self.take(some, fetched?, window).await?,
            }
            rest = after;
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
            match fetched.record(site, &lsid, external_key, recorded) {
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

fn seconds_of(time: DateTime<Utc>) -> Timestamp {
    u64::try_from(time.timestamp()).ok().and_then(Timestamp::from_seconds).unwrap_or_default()
}

fn of_micros(micros: u64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(i64::try_from(micros).ok()?)
}
