//! Log lines that a client could cause by the thousand.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How long after a line there is no other.
const EVERY: Duration = Duration::from_secs(10);

/// Says a thing now and then, and how often it went unsaid meanwhile.
#[derive(Debug, Default)]
pub struct RateLimitedLog(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    last: Option<Instant>,
    unsaid: u64,
}

impl RateLimitedLog {
    /// Has `line` logged if the last one was long enough ago. It is given how many were not logged since.
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
