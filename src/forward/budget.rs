//! The budget of a delivery run: its time, the hourly allowance of requests, and how long a delivery can stay
//! unwritten. The lease limits a run as well: see `lease.rs`.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::receipts::Receipt;
use super::state::DestinationState;
use crate::deadline::Deadline;
use crate::platform::Platform;

/// A run begins nothing new after this time. Together with the timeout of a request it ends within the 30 seconds
/// that platforms give.
const TIME: Duration = Duration::from_secs(10);

/// About this many deliveries are repeated if the process dies, or those of [`REQUESTS`] if that is more.
const MAX_UNWRITTEN: usize = 64;

/// Requests with batches between two writes: a write takes about as long as a request.
const REQUESTS: usize = 4;

/// A delivery is written down after at most this time.
const MAX_UNWRITTEN_TIME: Duration = Duration::from_millis(200);

/// The period for which a platform limits requests.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// The budget of one run. Times are readings of the monotonic clock.
#[derive(Debug)]
pub(super) struct Budget {
    began: Duration,
    written: Duration,
    /// The number of requests allowed in an hour.
    allowed: u32,
    /// The number of deliveries that can stay unwritten.
    max_unwritten: usize,
}

/// The part of the budget that is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutOf {
    Time,
    Requests,
    /// Another run has the lease.
    Lease,
}

impl Budget {
    /// Begins the budget of a run, and a new hour if the last one is over. `of_request` is the most events of a
    /// request.
    pub(super) fn begin(
        platform: &impl Platform,
        allowed: u32,
        of_request: usize,
        state: &mut DestinationState,
    ) -> Self {
        let now = platform.now();
        if !state.window.is_some_and(|hour| hour.holds(now)) {
            (state.window, state.requests) = (Some(Deadline::new(now, HOUR)), 0);
        }
        let (began, written) = (platform.monotonic(), platform.monotonic());
        Self { began, written, allowed, max_unwritten: MAX_UNWRITTEN.max(REQUESTS * of_request) }
    }

    /// Whether the run can begin another item.
    pub(super) fn has_time(&self, platform: &impl Platform) -> bool {
        !self.time_left(platform).is_zero()
    }

    /// The time in which the run can begin another item.
    pub(super) fn time_left(&self, platform: &impl Platform) -> Duration {
        TIME.saturating_sub(platform.elapsed(self.began))
    }

    /// Whether `more` requests can still be sent in this hour.
    pub(super) fn has_requests(&self, more: u32, state: &DestinationState) -> bool {
        state.requests.saturating_add(more) <= self.allowed
    }

    /// Whether the receipt must be written now.
    pub(super) fn is_receipt_due(&self, platform: &impl Platform, receipt: &Receipt) -> bool {
        receipt.unwritten() >= self.max_unwritten || platform.elapsed(self.written) >= MAX_UNWRITTEN_TIME
    }

    pub(super) fn receipt_written(&mut self, platform: &impl Platform) {
        self.written = platform.monotonic();
    }

    /// The rest of an hour whose requests are used up: at most an hour, even after a step of the clock.
    pub(super) fn until_next_hour(state: &DestinationState, now: DateTime<Utc>) -> Deadline {
        let end = state.window.map_or(0, |hour| hour.end());
        let left = u64::try_from(end.saturating_sub(now.timestamp_millis())).unwrap_or(0);
        Deadline::new(now, Duration::from_millis(left).min(HOUR))
    }
}
