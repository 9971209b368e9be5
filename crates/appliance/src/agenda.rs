//! The events of many sessions, ordered by time. They are generated on demand, so memory is needed only for the
//! sessions that overlap.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;

use crate::occurrence::{Millis, SessionOccurrence};
use crate::session::SupportSession;

/// The start of the first session: 2026-01-05T08:00:00Z. A constant, so that a seed gives the same events on every day.
const FIRST_START: u64 = 1_767_600_000;

/// Average seconds between the starts of two sessions. Sessions take minutes, so they overlap.
const SPACING: u64 = 40;

/// When the sessions of an agenda start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgendaTimes {
    seed: u64,
    /// The earliest start, in Unix seconds.
    first_start: u64,
}

impl AgendaTimes {
    /// The first session starts on 2026-01-05 at 8:00 UTC.
    pub fn of_january(seed: u64) -> Self {
        Self { seed, first_start: FIRST_START }
    }

    /// The last event of the first `sessions` sessions is at `until`, in Unix seconds.
    pub fn until(seed: u64, sessions: u64, until: u64) -> Self {
        let times = Self::of_january(seed);
        let end = |number| times.start(number) + SupportSession::generate(seed, number).length();
        let last = (0..sessions).map(end).max().unwrap_or(FIRST_START);
        Self { seed, first_start: until.saturating_sub(last - FIRST_START) }
    }

    /// The start of a session in Unix seconds, not before that of the session with the number below it.
    fn start(&self, number: u64) -> u64 {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed ^ number.rotate_left(32));
        self.first_start + number * SPACING + rng.random_range(0..SPACING)
    }

    /// A session in time. `clock_skew` is how many seconds the appliance's clock is fast.
    pub fn occurrence(&self, number: u64, clock_skew: i64) -> SessionOccurrence {
        let started = self.start(number);
        let known = |seconds: u64| Millis::try_from(seconds).unwrap_or_default().saturating_sub(clock_skew) * 1_000;
        let length = SupportSession::generate(self.seed, number).length();
        let (first_due, last_due) = (known(started), known(started + length));
        SessionOccurrence { seed: self.seed, number, started, first_due, last_due }
    }
}

/// An event of an agenda.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgendaEvent {
    /// The session's number.
    pub session: u64,
    /// The index of the step in the session.
    pub step: usize,
    /// The body of the POST.
    pub form: String,
}

/// The events that one appliance sends, oldest first, as bodies of POSTs.
pub struct Agenda {
    times: AgendaTimes,
    custom_fields: bool,
    /// Numbers of the sessions that have not started yet.
    sessions: std::iter::StepBy<std::ops::Range<u64>>,
    next: Option<u64>,
    /// Events of the sessions that have started: time, session and step (the order), and the body.
    coming: BinaryHeap<Reverse<(u64, u64, usize, String)>>,
}

impl Agenda {
    /// The share of appliance number `index`, from 0. The first `sessions` sessions of `seed` are distributed
    /// round-robin over `appliances`.
    pub fn new(seed: u64, sessions: u64, index: u64, appliances: usize, custom_fields: bool) -> Self {
        let mut sessions = (index.min(sessions)..sessions).step_by(appliances.max(1));
        let next = sessions.next();
        Self { times: AgendaTimes::of_january(seed), custom_fields, sessions, next, coming: BinaryHeap::new() }
    }

    /// The same with other times.
    pub fn at(self, times: AgendaTimes) -> Self {
        Self { times, ..self }
    }

    fn start(&mut self, number: u64) {
        let started = self.times.start(number);
        for (index, step) in SupportSession::generate(self.times.seed, number).steps.iter().enumerate() {
            let time = started + step.after;
            self.coming.push(Reverse((time, number, index, step.form(time, self.custom_fields))));
        }
        self.next = self.sessions.next();
    }

    /// The next event.
    pub fn next_event(&mut self) -> Option<AgendaEvent> {
        while let Some(number) = self.next {
            let first_coming = self.coming.peek().map(|Reverse((time, ..))| *time);
            if first_coming.is_some_and(|time| time < self.times.start(number)) {
                break;
            }
            self.start(number);
        }
        self.coming.pop().map(|Reverse((_, session, step, form))| AgendaEvent { session, step, form })
    }
}

impl Iterator for Agenda {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        self.next_event().map(|event| event.form)
    }
}

#[cfg(test)]
mod tests {
    use outbound_events::identity::{Id, Site};
    use outbound_events::parse::parse;

    use super::{Agenda, AgendaTimes, FIRST_START};

    #[test]
    fn events_are_ordered_by_time_and_sessions_overlap() {
        let events: Vec<_> = Agenda::new(7, 300, 0, 1, true).map(|form| parse(form.as_bytes()).unwrap()).collect();
        assert!(events.iter().is_sorted_by_key(|event| event.timestamp()));
        let changes = events.windows(2).filter(|pair| pair[0].lsid() != pair[1].lsid()).count();
        assert!(changes > events.len() / 2, "{changes} of {}", events.len());
    }

    #[test]
    fn every_session_belongs_to_exactly_one_appliance() {
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
    fn the_last_event_is_at_the_given_time() {
        let times = |agenda: Agenda| {
            agenda.map(|form| parse(form.as_bytes()).unwrap().timestamp().seconds()).collect::<Vec<_>>()
        };
        let (unmoved, until) = (Agenda::new(7, 50, 0, 1, false), AgendaTimes::until(7, 50, FIRST_START + 1_000_000));
        let moved = times(Agenda::new(7, 50, 0, 1, false).at(until));
        let unmoved = times(unmoved);
        let by = FIRST_START + 1_000_000 - unmoved.last().unwrap();
        assert_eq!(moved, unmoved.iter().map(|time| time + by).collect::<Vec<_>>());
        let occurrence = until.occurrence(3, 0);
        assert!(moved.contains(&occurrence.started));
        assert_eq!(until.occurrence(3, 5).first_due, occurrence.first_due - 5_000);
    }

    #[test]
    fn a_seed_gives_the_same_bytes_on_every_machine() {
        let all: Vec<_> = Agenda::new(7, 100, 0, 1, true).collect();
        assert!(all[0].starts_with(
            "event=support_conference_begin&external_key=INC3644641&lsid=2865533423d743bb2b0159d32e9b293a&"
        ));
        // A hash of all bodies. A change here changes sessions whose ids people have written down.
        let id = Id::of_body(&Site::default(), all.join("\n").as_bytes());
        assert_eq!((all.len(), id.to_string().as_str()), (1133, "9a6377f1d42b6238cb126572a8b8bd2b"));
    }
}
