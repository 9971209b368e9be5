//! The rate limit: so many requests within a second.

use std::collections::VecDeque;

use crate::occurrence::Millis;

/// The requests of the last second.
#[derive(Default)]
pub struct RequestRate(VecDeque<Millis>);

impl RequestRate {
    /// Counts a request at `now`. Returns whether it is one of the first `most` within a second; 0 is no limit.
    /// Refused requests do not count.
    pub fn allows(&mut self, now: Millis, most: u32) -> bool {
        // A clock that was set back must not block for long.
        self.0.retain(|at| (now - 999..=now).contains(at));
        if most > 0 && self.0.len() >= most as usize {
            return false;
        }
        self.0.push_back(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::RequestRate;

    #[test]
    fn a_second_has_so_many_requests() {
        let mut rate = RequestRate::default();
        let allowed: Vec<_> = [0, 0, 500, 999, 1_000, 1_499, 1_500].map(|now| rate.allows(now, 2)).into();
        assert_eq!(allowed, [true, true, false, false, true, true, false]);
        assert!((0..1_000).all(|_| rate.allows(5_000, 0)));
        assert!(rate.allows(4_000, 2), "the clock was set back");
    }
}
