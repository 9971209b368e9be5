//! The register of sessions that reports are written of.

use std::collections::{BTreeMap, HashMap};

use parking_lot::Mutex;

use crate::occurrence::{Millis, SessionOccurrence};
use crate::session::SupportSession;

use super::account::EmulatedSession;
use super::generated::{KnownPart, account};

/// The most sessions that are kept: 200,000. The oldest go first.
const MOST_SESSIONS: usize = 200_000;

/// The moment of a report.
#[derive(Clone, Copy, Debug)]
pub struct ReportMoment {
    /// The machine's time.
    pub now: Millis,
    /// How long after it a session's end is not known yet.
    pub lag: Millis,
}

/// Which of a session's times a window is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowSide {
    /// Its start. Running sessions are found, too.
    Start,
    /// Its end.
    End,
}

/// A window of time, in Unix seconds by the appliance's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportWindow {
    /// The time that must be in the window.
    pub side: WindowSide,
    /// The first second.
    pub from: i64,
    /// The second after the last.
    pub until: i64,
}

/// The sessions of an appliance. Safe to change while it is read.
#[derive(Default)]
pub struct SessionRegister(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    next: u64,
    /// By the order in which they were added.
    by_order: BTreeMap<u64, RegisteredSession>,
    order: HashMap<String, u64>,
}

#[derive(Clone)]
struct RegisteredSession {
    started: u64,
    ended: Option<u64>,
    /// When the session is known. The machine's time.
    start_known: Millis,
    /// When its end is known, without lag. The machine's time.
    end_known: Option<Millis>,
    source: AccountSource,
}

#[derive(Clone)]
enum AccountSource {
    /// Written anew for each report: that needs less memory, and the account grows while the session runs.
    Generated(SessionOccurrence),
    Given(Box<EmulatedSession>),
}

impl SessionRegister {
    /// Adds a generated session, or replaces it.
    pub fn add_generated(&self, occurrence: SessionOccurrence) {
        let session = occurrence.session();
        let end = session.ended_after();
        let entry = RegisteredSession {
            started: occurrence.started,
            ended: Some(occurrence.started + end),
            start_known: occurrence.first_due,
            end_known: Some(occurrence.due(&session, end)),
            source: AccountSource::Generated(occurrence),
        };
        self.0.lock().insert(&session.lsid, entry);
    }

    /// Adds a session, or replaces the one with its lsid. `start_known` and `end_known` are the machine's times at which
    /// its start and its end are known. A session without an end is a running one.
    pub fn add(&self, session: EmulatedSession, start_known: Millis, end_known: Millis) {
        let lsid = session.lsid.clone();
        let entry = RegisteredSession {
            started: session.started,
            ended: session.ended,
            start_known,
            end_known: session.ended.map(|_| end_known),
            source: AccountSource::Given(Box::new(session)),
        };
        self.0.lock().insert(&lsid, entry);
    }

    /// Removes a session. Returns whether it was there.
    pub fn remove(&self, lsid: &str) -> bool {
        let mut entries = self.0.lock();
        let Some(order) = entries.order.remove(lsid) else { return false };
        entries.by_order.remove(&order).is_some()
    }

    /// How many sessions it has.
    pub fn len(&self) -> usize {
        self.0.lock().by_order.len()
    }

    /// Whether it has no session.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sessions with these lsids, in this order, as they are known at `moment`. Unknown ones are left out.
    pub fn find<'a>(&self, lsids: impl IntoIterator<Item = &'a str>, moment: ReportMoment) -> Vec<EmulatedSession> {
        let found: Vec<_> = {
            let entries = self.0.lock();
            let entry = |lsid| entries.by_order.get(entries.order.get(lsid)?).cloned();
            lsids.into_iter().filter_map(entry).collect()
        };
        found.iter().filter_map(|entry| entry.account(moment)).collect()
    }

    /// The sessions of a window, in the order in which they were added, as they are known at `moment`.
    pub fn within(&self, window: ReportWindow, moment: ReportMoment) -> Vec<EmulatedSession> {
        let found: Vec<_> = {
            let entries = self.0.lock();
            entries.by_order.values().filter(|entry| entry.is_within(window, moment)).cloned().collect()
        };
        found.iter().filter_map(|entry| entry.account(moment)).collect()
    }
}

impl Entries {
    fn insert(&mut self, lsid: &str, entry: RegisteredSession) {
        if let Some(order) = self.order.get(lsid) {
            self.by_order.insert(*order, entry);
            return;
        }
        self.order.insert(lsid.to_owned(), self.next);
        self.by_order.insert(self.next, entry);
        self.next += 1;
        while self.by_order.len() > MOST_SESSIONS
            && let Some((_, oldest)) = self.by_order.pop_first()
        {
            self.order.remove(&oldest.lsid());
        }
    }
}

impl RegisteredSession {
    fn lsid(&self) -> String {
        match &self.source {
            AccountSource::Generated(occurrence) => occurrence.session().lsid,
            AccountSource::Given(session) => session.lsid.clone(),
        }
    }

    fn is_ended(&self, moment: ReportMoment) -> bool {
        self.end_known.is_some_and(|known| moment.now >= known.saturating_add(moment.lag))
    }

    fn is_within(&self, window: ReportWindow, moment: ReportMoment) -> bool {
        let time = match window.side {
            WindowSide::Start => Some(self.started),
            WindowSide::End => self.ended.filter(|_| self.is_ended(moment)),
        };
        let time = time.and_then(|time| i64::try_from(time).ok());
        time.is_some_and(|time| (window.from..window.until).contains(&time))
    }

    fn account(&self, moment: ReportMoment) -> Option<EmulatedSession> {
        if moment.now < self.start_known {
            return None;
        }
        let ended = self.is_ended(moment);
        match &self.source {
            AccountSource::Generated(occurrence) => {
                let session: SupportSession = occurrence.session();
                let after = occurrence.known_after(&session, moment.now)?;
                // Rounding must not hide the end.
                let after = if ended { after.max(session.ended_after()) } else { after };
                Some(account(&session, occurrence.started, KnownPart { after, ended }))
            }
            AccountSource::Given(session) if ended => Some((**session).clone()),
            AccountSource::Given(session) => Some((**session).clone().while_running()),
        }
    }
}
