//! Times that are stored to be compared later, perhaps by another machine, when the clock may have been set.
//!
//! A stored *until* is a trap: one that a clock 400 days ahead wrote holds for 400 days after the clock is right again. So a
//! [`Deadline`] has the moment it was written and how long it holds, and holds within that time alone. A [`Waited`] adds up time that was
//! really waited, in small steps, so that one wrong reading counts as one step.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Holds for `wait` from `at` on, and not before: a clock that reads less than `at` was ahead then or is behind now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// When it was written, in Unix milliseconds.
    pub at: i64,
    /// For how long it holds, in milliseconds.
    pub wait: u64,
}

impl Deadline {
    /// Holds from `now` on.
    pub fn new(now: DateTime<Utc>, wait: Duration) -> Self {
        Self { at: now.timestamp_millis(), wait: millis(wait) }
    }

    /// Whether it holds.
    pub fn holds(&self, now: DateTime<Utc>) -> bool {
        let now = now.timestamp_millis();
        self.at <= now && now < self.end()
    }

    /// Whether it was written at a time that is yet to come, by more than clocks differ that are right.
    pub fn is_ahead(&self, now: DateTime<Utc>) -> bool {
        is_ahead(self.at, now)
    }

    /// When it no longer holds, in Unix milliseconds.
    pub fn end(&self) -> i64 {
        self.at.saturating_add_unsigned(self.wait)
    }
}

/// How long something was waited for, added up by whoever looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waited {
    /// When it was looked at last, in Unix milliseconds.
    pub at: i64,
    /// What was waited until then, in milliseconds.
    #[serde(default)]
    pub waited: u64,
}

impl Waited {
    /// Nothing was waited yet.
    pub fn since(now: DateTime<Utc>) -> Self {
        Self { at: now.timestamp_millis(), waited: 0 }
    }

    /// Adds the time since the last look, but not more than twice what was `planned`, and nothing where the clock went back.
    pub fn add(&mut self, now: DateTime<Utc>, planned: Duration) {
        let now = now.timestamp_millis();
        let since = u64::try_from(now.saturating_sub(self.at)).unwrap_or(0);
        self.waited = self.waited.saturating_add(since.min(millis(planned).saturating_mul(2)));
        self.at = now;
    }

    /// Whether it was waited for so long.
    pub fn has_reached(&self, time: Duration) -> bool {
        self.waited >= millis(time)
    }
}

/// Whether a stored time, in Unix milliseconds, is later than the clock by more than clocks differ that are right.
pub fn is_ahead(at: i64, now: DateTime<Utc>) -> bool {
    const AGREE_WITHIN: i64 = 5_000;
    at > now.timestamp_millis().saturating_add(AGREE_WITHIN)
}

/// A duration in milliseconds.
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
