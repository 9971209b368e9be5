//! When a generated session happens: the times in its events, and the machine's times at which they are known.
//!
//! The two differ. `appliance run` can run sessions faster than real time, while their timestamps keep the length of a
//! real session, and the appliance's clock can be wrong.

use crate::session::SupportSession;

/// Milliseconds since 1970, by the machine's clock.
pub type Millis = i64;

/// One generated session in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionOccurrence {
    /// The seed of the session.
    pub seed: u64,
    /// The session's number.
    pub number: u64,
    /// When it started, in Unix seconds, by the appliance's clock.
    pub started: u64,
    /// When its first step is known.
    pub first_due: Millis,
    /// When its last step is known.
    pub last_due: Millis,
}

impl SessionOccurrence {
    /// The session.
    pub fn session(&self) -> SupportSession {
        SupportSession::generate(self.seed, self.number)
    }

    /// When something that happens `after` seconds into `session` is known.
    pub fn due(&self, session: &SupportSession, after: u64) -> Millis {
        let length = session.length().max(1) as f64;
        self.first_due + ((self.last_due - self.first_due) as f64 * after as f64 / length) as Millis
    }

    /// How much of `session` is known at `now`: seconds since its start. `None` before the first step.
    pub fn known_after(&self, session: &SupportSession, now: Millis) -> Option<u64> {
        let passed = u64::try_from(now - self.first_due).ok()?;
        let whole = (self.last_due - self.first_due).max(0).unsigned_abs();
        if passed >= whole {
            return Some(session.length());
        }
        Some((passed as f64 * session.length() as f64 / whole as f64) as u64)
    }
}
