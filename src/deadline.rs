//! Stored times that are compared later, perhaps by another machine, when clocks may have changed.
//!
//! Storing only an end time is dangerous: an end written by a clock 400 days ahead would hold for 400 days after the
//! clock is corrected. So a [`Deadline`] stores when it was written and how long it holds, and holds only within that
//! time. A [`Waited`] adds up waited time in small steps, so that one wrong reading counts as one step.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Holds from `at` for `wait`, and not before `at`: an earlier reading means that the clock was ahead then or is
/// behind now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// When it was written, in Unix milliseconds.
    pub at: i64,
    /// How long it holds, in milliseconds.
    pub wait: u64,
}

impl Deadline {
    /// A deadline that begins now.
    pub fn new(now: DateTime<Utc>, wait: Duration) -> Self {
        Self { at: now.timestamp_millis(), wait: millis(wait) }
    }

    /// Whether it holds.
    pub fn holds(&self, now: DateTime<Utc>) -> bool {
        let now = now.timestamp_millis();
        self.at <= now && now < self.end()
    }

    /// Whether it begins in the future, by more than correct clocks can differ.
    pub fn is_ahead(&self, now: DateTime<Utc>) -> bool {
        is_ahead(self.at, now)
    }

    /// When it ends, in Unix milliseconds.
    pub fn end(&self) -> i64 {
        self.at.saturating_add_unsigned(self.wait)
    }
}

/// A waited time, added up in steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waited {
    /// The last step, in Unix milliseconds.
    pub at: i64,
    /// The time waited until then, in milliseconds.
    #[serde(default)]
    pub waited: u64,
}

impl Waited {
    /// No time waited yet.
    pub fn since(now: DateTime<Utc>) -> Self {
        Self { at: now.timestamp_millis(), waited: 0 }
    }

    /// Adds the time since the last step, but at most twice the `planned` time, and nothing if the clock went back.
    pub fn add(&mut self, now: DateTime<Utc>, planned: Duration) {
        let now = now.timestamp_millis();
        let since = u64::try_from(now.saturating_sub(self.at)).unwrap_or(0);
        self.waited = self.waited.saturating_add(since.min(millis(planned).saturating_mul(2)));
        self.at = now;
    }

    /// Whether the waited time has reached `time`.
    pub fn has_reached(&self, time: Duration) -> bool {
        self.waited >= millis(time)
    }
}

/// Whether a stored time, in Unix milliseconds, is ahead of the clock by more than correct clocks can differ.
pub fn is_ahead(at: i64, now: DateTime<Utc>) -> bool {
    const AGREE_WITHIN: i64 = 5_000;
    at > now.timestamp_millis().saturating_add(AGREE_WITHIN)
}

/// A duration in milliseconds.
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
