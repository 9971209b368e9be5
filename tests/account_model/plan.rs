//! The sessions of a schedule, and what becomes of their events.

use fastrand::Rng;

pub(super) const SECOND: i64 = 1_000;
pub(super) const MINUTE: i64 = 60 * SECOND;
pub(super) const HOUR: i64 = 60 * MINUTE;

/// The time in which sessions begin.
const DAY_OF_WORK: i64 = 4 * HOUR;

/// What becomes of the events of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Announced,
    /// The `end` event is delivered after this time.
    Late(i64),
    EndLost,
    AllLost,
}

/// A session. Times are milliseconds of the right clock, from the start.
#[derive(Clone, Debug)]
pub(super) struct PlannedSession {
    pub(super) lsid: String,
    pub(super) begins: i64,
    pub(super) ends: i64,
    pub(super) fate: Fate,
    /// Milliseconds from its end until its report is ready.
    pub(super) lag: i64,
}

impl PlannedSession {
    fn new(number: usize, random: &mut Rng) -> Self {
        let begins = random.i64(0..DAY_OF_WORK);
        let fate = match random.u8(..10) {
            0..5 => Fate::Announced,
            5..7 => Fate::Late(random.i64(0..50 * MINUTE)),
            7 => Fate::AllLost,
            _ => Fate::EndLost,
        };
        Self {
            lsid: format!("s{number}"),
            begins,
            ends: begins + random.i64(SECOND..40 * MINUTE),
            fate,
            lag: random.i64(0..3 * MINUTE),
        }
    }

    /// Whether an `end` event arrives in the end.
    pub(super) fn is_announced(&self) -> bool {
        matches!(self.fate, Fate::Announced | Fate::Late(_))
    }

    /// The events that arrive, each with when it happens and when it is delivered.
    pub(super) fn events(&self) -> Vec<(&'static str, i64, i64)> {
        let begin = ("begin", self.begins, self.begins);
        let end = |late: i64| ("end", self.ends, self.ends + late);
        match self.fate {
            Fate::Announced => vec![begin, end(0)],
            Fate::Late(late) => vec![begin, end(late)],
            Fate::EndLost => vec![begin],
            Fate::AllLost => Vec::new(),
        }
    }
}

pub(super) fn sessions(random: &mut Rng) -> Vec<PlannedSession> {
    (0..random.usize(3..12)).map(|number| PlannedSession::new(number, random)).collect()
}
