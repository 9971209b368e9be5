//! The budget of a delivery run: its time, the requests of an hour, and how long a delivery may stay unwritten. The lease counts as well,
//! which has a file of its own.

use std::time::Duration;

use chrono::{DateTime, Utc};

use super::receipts::Receipt;
use super::state::DestinationState;
use crate::deadline::Deadline;
use crate::platform::Platform;

/// After this time a run begins nothing new. With a request's time-out it ends within the 30 seconds that platforms give.
const TIME: Duration = Duration::from_secs(10);

/// So many deliveries are repeated at most if the process dies.
const MAX_UNWRITTEN: usize = 64;

/// For how long at most a delivery is not written down.
const MAX_UNWRITTEN_TIME: Duration = Duration::from_millis(200);

/// What requests are counted in, where the platform allows only so many.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// What a run has left. Times are by the monotonic clock.
#[derive(Debug)]
pub(super) struct Budget {
    began: Duration,
    /// When the receipt was written last.
    written: Duration,
    /// The number of requests that an hour may have.
    allowed: u32,
}

/// What a run has no more of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutOf {
    Time,
    Requests,
    /// Another run has the lease.
    Lease,
}

impl Budget {
    /// The budget of a run that begins now.
    pub(super) fn begin(platform: &impl Platform, allowed: u32, state: &mut DestinationState) -> Self {
        let now = platform.now();
        if !state.window.is_some_and(|hour| hour.holds(now)) {
            (state.window, state.requests) = (Some(Deadline::new(now, HOUR)), 0);
        }
        Self { began: platform.monotonic(), written: platform.monotonic(), allowed }
    }

    /// Whether there is time to begin something.
    pub(super) fn has_time(&self, platform: &impl Platform) -> bool {
        platform.elapsed(self.began) < TIME
    }

    /// Whether so many more requests may be sent in this hour.
    pub(super) fn has_requests(&self, more: u32, state: &DestinationState) -> bool {
        state.requests.saturating_add(more) <= self.allowed
    }

    /// Whether the receipt is to be written.
    pub(super) fn is_receipt_due(&self, platform: &impl Platform, receipt: &Receipt) -> bool {
        receipt.unwritten() >= MAX_UNWRITTEN || platform.elapsed(self.written) >= MAX_UNWRITTEN_TIME
    }

    /// The receipt is written.
    pub(super) fn receipt_written(&mut self, platform: &impl Platform) {
        self.written = platform.monotonic();
    }

    /// The rest of the hour whose requests are used up: an hour at most, whatever the clock does.
    pub(super) fn until_next_hour(state: &DestinationState, now: DateTime<Utc>) -> Deadline {
        let end = state.window.map_or(0, |hour| hour.end());
        let left = u64::try_from(end.saturating_sub(now.timestamp_millis())).unwrap_or(0);
        Deadline::new(now, Duration::from_millis(left).min(HOUR))
    }
}
