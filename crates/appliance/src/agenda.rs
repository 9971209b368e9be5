//! The events of many sessions in the order of time, made as they are needed: a million sessions take no more memory
//! than those that overlap.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;

use crate::session::SupportSession;

/// When the first session starts: 2026-01-05T08:00:00Z. Not today, or the same seed would not give the same events.
const FIRST_START: u64 = 1_767_600_000;

/// Seconds between the starts of two sessions, on average. Sessions take minutes, so they overlap.
const SPACING: u64 = 40;

/// The events that one appliance sends, oldest first: the bodies of their POSTs.
pub struct Agenda {
    seed: u64,
    custom_fields: bool,
    /// The sessions that have not started yet.
    sessions: std::iter::StepBy<std::ops::Range<u64>>,
    next: Option<u64>,
    /// What is to come of those that have: time, session and step, which make the order, and the body.
    coming: BinaryHeap<Reverse<(u64, u64, usize, String)>>,
}

impl Agenda {
    /// The share of appliance `index`, from 0, of the first `sessions` sessions that `seed` makes, dealt out in turn to
    /// `appliances` of them.
    pub fn new(seed: u64, sessions: u64, index: u64, appliances: usize, custom_fields: bool) -> Self {
        let mut sessions = (index.min(sessions)..sessions).step_by(appliances.max(1));
        let next = sessions.next();
        Self { seed, custom_fields, sessions, next, coming: BinaryHeap::new() }
    }

    fn start(&mut self, number: u64) {
        let started = started(self.seed, number);
        for (index, step) in SupportSession::make(self.seed, number).steps.iter().enumerate() {
            let time = started + step.after;
            self.coming.push(Reverse((time, number, index, step.form(time, self.custom_fields))));
        }
        self.next = self.sessions.next();
    }
}

/// When a session starts: never before the one with the number below it.
fn started(seed: u64, number: u64) -> u64 {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ number.rotate_left(32));
    FIRST_START + number * SPACING + rng.random_range(0..SPACING)
}

impl Iterator for Agenda {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        while let Some(number) = self.next {
            let first_coming = self.coming.peek().map(|Reverse((time, ..))| *time);
            if first_coming.is_some_and(|time| time < started(self.seed, number)) {
                break;
            }
            self.start(number);
        }
        self.coming.pop().map(|Reverse((.., form))| form)
    }
}

#[cfg(test)]
mod tests {
    use outbound_events::identity::{Id, Site};
    use outbound_events::parse::parse;

    use super::Agenda;

    #[test]
    fn events_come_in_the_order_of_time_and_sessions_overlap() {
        let events: Vec<_> = Agenda::new(7, 300, 0, 1, true).map(|form| parse(form.as_bytes()).unwrap()).collect();
        assert!(events.iter().is_sorted_by_key(|event| event.timestamp()));
        let changes = events.windows(2).filter(|pair| pair[0].lsid() != pair[1].lsid()).count();
        assert!(changes > events.len() / 2, "{changes} of {}", events.len());
    }

    #[test]
    fn appliances_share_the_sessions_without_a_rest() {
        let all = |appliances: usize| {
            let mut all: Vec<_> =
                (0..appliances as u64).flat_map(|index| Agenda::new(7, 50, index, appliances, false)).collect();
            all.sort();
            all
        };
        assert_eq!(all(1), all(7));
        assert_eq!(all(1), all(60));
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_on_every_machine() {
        let all: Vec<_> = Agenda::new(7, 100, 0, 1, true).collect();
        assert!(all[0].starts_with(
            "event=support_conference_begin&external_key=INC3644641&lsid=2865533423d743bb2b0159d32e9b293a&"
        ));
        // Of all of them, joined by line breaks. Who changes it changes the sessions that others have noted.
        let id = Id::of_body(&Site::default(), all.join("\n").as_bytes());
        assert_eq!((all.len(), id.to_string().as_str()), (1133, "9a6377f1d42b6238cb126572a8b8bd2b"));
    }
}
