//! Clocks that are visibly wrong: this one, another machine's on the same store, an appliance's. Nothing is lost because of them, and
//! somebody should set them; so what was seen is stored for a day under one key, for the log (once an hour each), `/health`, `/api/stats`
//! and the host's metrics.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::deadline::{Deadline, millis};
use crate::event::Timestamp;
use crate::identity::Site;
use crate::keys;
use crate::store::{Store, StoreError};

/// For how long a fault is told of after it was seen.
const CURRENT: Duration = Duration::from_secs(24 * 60 * 60);

/// For how long there is no second log line of one fault.
const LOGGED: Duration = Duration::from_secs(60 * 60);

/// So many are stored: a site is whatever a sender calls itself.
const MOST: usize = 64;

/// What was seen of a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockFaultKind {
    /// An event's own time was more than a day after this clock.
    EventAhead,
    /// A record's time of recording is later than this clock: it went back, or another machine's is ahead.
    RecordedAhead,
    /// A deadline was written at a time that is yet to come. It counts for nothing.
    DeadlineAhead,
    /// Retention's effective now is more than two days behind this clock.
    RetentionBehind,
}

/// A clock that is visibly wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClockFault {
    /// What was seen: a [`ClockFaultKind`] by its name.
    pub fault: &'static str,
    /// The site whose events it was seen by, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// What is wrong and what to do.
    pub detail: &'static str,
}

/// What was seen of clocks, each once.
pub type ClockFaults = Vec<ClockFault>;

/// Adds what was seen.
pub fn add_fault(faults: &mut ClockFaults, fault: ClockFault) {
    if !faults.contains(&fault) {
        faults.push(fault);
    }
}

impl ClockFault {
    fn new(kind: ClockFaultKind, site: Option<String>) -> Self {
        Self { fault: kind.name(), site, detail: kind.detail() }
    }

    /// It was seen by events of a site.
    pub fn of_site(kind: ClockFaultKind, site: &Site) -> Self {
        Self::new(kind, Some(site.as_str().to_owned()))
    }

    /// It was seen, and no site with it.
    pub fn of_recipient(kind: ClockFaultKind) -> Self {
        Self::new(kind, None)
    }

    /// That an event of this time comes from the future, if it does.
    pub fn of_event(site: &Site, own: Timestamp, now: DateTime<Utc>) -> Option<Self> {
        let latest = now.timestamp().saturating_add(24 * 60 * 60);
        let is_ahead = i64::try_from(own.seconds()).is_ok_and(|own| own > latest);
        is_ahead.then(|| Self::of_site(ClockFaultKind::EventAhead, site))
    }
}

impl ClockFaultKind {
    const ALL: [Self; 4] = [Self::EventAhead, Self::RecordedAhead, Self::DeadlineAhead, Self::RetentionBehind];

    /// Its name, in the API and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::EventAhead => "event-ahead",
            Self::RecordedAhead => "recorded-ahead",
            Self::DeadlineAhead => "deadline-ahead",
            Self::RetentionBehind => "retention-behind",
        }
    }

    /// What is wrong and what to do, without the site: `/health` needs no token.
    pub fn detail(self) -> &'static str {
        match self {
            Self::EventAhead => "an event's time is more than a day after this clock; set the wrong one",
            Self::RecordedAhead => "recordedtime is later than this clock; set the clocks of this store's machines",
            Self::DeadlineAhead => "a stored time is later than this clock; set the clocks of this store's machines",
            Self::RetentionBehind => "no event confirms this clock, and retention is behind; if events come, set it",
        }
    }
}

impl fmt::Display for ClockFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.site {
            Some(site) => write!(f, "clock: site {site}: {}", self.detail),
            None => write!(f, "clock: {}", self.detail),
        }
    }
}

/// One fault as it is stored: a line of its name, its site or `-`, and when it was seen last, in Unix milliseconds.
struct StoredFault {
    fault: ClockFault,
    at: i64,
}

impl StoredFault {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let (name, site, at) = (words.next()?, words.next()?, words.next()?);
        let kind = ClockFaultKind::ALL.into_iter().find(|kind| kind.name() == name)?;
        let site = Some(site).filter(|site| *site != NO_SITE).map(str::to_owned);
        Some(Self { fault: ClockFault::new(kind, site), at: at.parse().ok()? })
    }

    fn line(&self) -> String {
        [self.fault.fault, " ", self.fault.site.as_deref().unwrap_or(NO_SITE), " ", &self.at.to_string(), "\n"].concat()
    }

    fn is_within(&self, time: Duration, now: DateTime<Utc>) -> bool {
        Deadline { at: self.at, wait: millis(time) }.holds(now)
    }
}

/// Stands where there is no site.
const NO_SITE: &str = "-";

/// What was seen within a day.
async fn load_stored(store: &impl Store, now: DateTime<Utc>) -> Result<Vec<StoredFault>, StoreError> {
    let value = store.get(keys::CLOCK_FAULTS).await?.unwrap_or_default();
    let lines = str::from_utf8(&value).unwrap_or_default().lines();
    Ok(lines.filter_map(StoredFault::parse).filter(|stored| stored.is_within(CURRENT, now)).collect())
}

/// Keeps what was seen, and gives a line for the log of each that had none within an hour. Where nothing was seen, no store is asked.
pub async fn report(store: &impl Store, now: DateTime<Utc>, faults: ClockFaults) -> Result<Vec<String>, StoreError> {
    if faults.is_empty() {
        return Ok(Vec::new());
    }
    let (mut all, mut lines) = (load_stored(store, now).await?, Vec::new());
    for fault in faults {
        let is_known = all.iter().any(|stored| stored.fault == fault);
        let is_told = all.iter().any(|stored| stored.fault == fault && stored.is_within(LOGGED, now));
        if is_told || (!is_known && all.len() >= MOST && fault.site.is_some()) {
            continue;
        }
        all.retain(|stored| stored.fault != fault);
        all.push(StoredFault { fault: fault.clone(), at: now.timestamp_millis() });
        lines.push(fault.to_string());
    }
    if !lines.is_empty() {
        let value: String = all.iter().map(StoredFault::line).collect();
        store.set(keys::CLOCK_FAULTS, value.as_bytes()).await?;
    }
    Ok(lines)
}

/// What was seen within a day.
pub async fn current(store: &impl Store, now: DateTime<Utc>) -> Result<ClockFaults, StoreError> {
    Ok(load_stored(store, now).await?.into_iter().map(|stored| stored.fault).collect())
}
