//! Clock faults: the recipient's clock, the clock of another machine with the same store, or an appliance's clock is
//! visibly wrong. No event is lost because of them, but an administrator should correct the clock. So faults are
//! stored for a day under one key, for the log (once an hour each), `/health`, `/api/stats` and the host's metrics.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::deadline::{Deadline, millis};
use crate::event::Timestamp;
use crate::identity::Site;
use crate::keys;
use crate::store::{Store, StoreError};

/// A fault is reported for this long after it was last seen.
const CURRENT: Duration = Duration::from_secs(24 * 60 * 60);

/// A fault is logged at most once in this time.
const LOGGED: Duration = Duration::from_secs(60 * 60);

/// The largest number of stored faults: senders choose the names of sites.
const MOST: usize = 64;

/// The kinds of clock faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockFaultKind {
    /// An event's own time was more than a day ahead of this clock.
    EventAhead,
    /// A record's time of recording is later than this clock: it stepped back, or another machine's clock is ahead.
    RecordedAhead,
    /// A stored deadline begins in the future. It is ignored.
    DeadlineAhead,
    /// The effective time of retention is more than two days behind this clock.
    RetentionBehind,
}

/// A clock fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClockFault {
    /// The name of its [`ClockFaultKind`].
    pub fault: &'static str,
    /// The site whose events showed it, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The fault, and what to do.
    pub detail: &'static str,
}

/// Clock faults, each once.
pub type ClockFaults = Vec<ClockFault>;

/// Adds a fault, unless it is there.
pub fn add_fault(faults: &mut ClockFaults, fault: ClockFault) {
    if !faults.contains(&fault) {
        faults.push(fault);
    }
}

impl ClockFault {
    fn new(kind: ClockFaultKind, site: Option<String>) -> Self {
        Self { fault: kind.name(), site, detail: kind.detail() }
    }

    /// A fault that events of a site showed.
    pub fn of_site(kind: ClockFaultKind, site: &Site) -> Self {
        Self::new(kind, Some(site.as_str().to_owned()))
    }

    /// A fault without a site.
    pub fn of_recipient(kind: ClockFaultKind) -> Self {
        Self::new(kind, None)
    }

    /// The fault of an event whose time is more than a day ahead, if it is.
    pub fn of_event(site: &Site, own: Timestamp, now: DateTime<Utc>) -> Option<Self> {
        let latest = now.timestamp().saturating_add(24 * 60 * 60);
        let is_ahead = i64::try_from(own.seconds()).is_ok_and(|own| own > latest);
        is_ahead.then(|| Self::of_site(ClockFaultKind::EventAhead, site))
    }
}

impl ClockFaultKind {
    const ALL: [Self; 4] = [Self::EventAhead, Self::RecordedAhead, Self::DeadlineAhead, Self::RetentionBehind];

    /// The name in the API and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::EventAhead => "event-ahead",
            Self::RecordedAhead => "recorded-ahead",
            Self::DeadlineAhead => "deadline-ahead",
            Self::RetentionBehind => "retention-behind",
        }
    }

    /// The fault and what to do. Names no site: clients of `/health` are not authenticated.
    pub fn detail(self) -> &'static str {
        match self {
            Self::EventAhead => "an event's time is more than a day ahead of this clock; correct the wrong clock",
            Self::RecordedAhead => "recordedtime is later than this clock; correct the clocks of this store's machines",
            Self::DeadlineAhead => {
                "a stored time is later than this clock; correct the clocks of this store's machines"
            }
            Self::RetentionBehind => {
                "no event confirms this clock, so retention is behind; if events arrive, correct it"
            }
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

/// A stored fault: a line with its name, its site or `-`, and when it was last seen, in Unix milliseconds.
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

/// Replaces a missing site.
const NO_SITE: &str = "-";

/// The stored faults of the last day.
async fn load_stored(store: &impl Store, now: DateTime<Utc>) -> Result<Vec<StoredFault>, StoreError> {
    let value = store.get(keys::CLOCK_FAULTS).await?.unwrap_or_default();
    let lines = str::from_utf8(&value).unwrap_or_default().lines();
    Ok(lines.filter_map(StoredFault::parse).filter(|stored| stored.is_within(CURRENT, now)).collect())
}

/// Stores faults, and returns a log line for each that was not logged within an hour. Without faults it makes no call
/// to the store.
pub async fn report(store: &impl Store, now: DateTime<Utc>, faults: ClockFaults) -> Result<Vec<String>, StoreError> {
    if faults.is_empty() {
        return Ok(Vec::new());
    }
    let (mut all, mut lines) = (load_stored(store, now).await?, Vec::new());
    for fault in faults {
        let is_known = all.iter().any(|stored| stored.fault == fault);
        let is_logged = all.iter().any(|stored| stored.fault == fault && stored.is_within(LOGGED, now));
        if is_logged || (!is_known && all.len() >= MOST && fault.site.is_some()) {
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

/// The faults of the last day.
pub async fn current(store: &impl Store, now: DateTime<Utc>) -> Result<ClockFaults, StoreError> {
    Ok(load_stored(store, now).await?.into_iter().map(|stored| stored.fault).collect())
}
