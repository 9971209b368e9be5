//! Log lines that a client could cause thousands of times.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// The least time between two lines.
const EVERY: Duration = Duration::from_secs(10);

/// Logs one kind of line at most every ten seconds and counts the lines left out.
#[derive(Debug, Default)]
pub struct RateLimitedLog(Mutex<LastLogged>);

#[derive(Debug, Default)]
struct LastLogged {
    last: Option<Instant>,
    unsaid: u64,
}

impl RateLimitedLog {
    /// Calls `line` if the last one was long enough ago, with the number of lines left out since.
    pub fn say(&self, line: impl FnOnce(u64)) {
        let unsaid = {
            let mut said = self.0.lock();
            if said.last.is_some_and(|last| last.elapsed() < EVERY) {
                said.unsaid += 1;
                return;
            }
            said.last = Some(Instant::now());
            std::mem::take(&mut said.unsaid)
        };
        line(unsaid);
    }
}
