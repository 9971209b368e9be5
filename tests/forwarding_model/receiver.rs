//! A receiver with moods. Its decisions count, even if no answer arrives.

use std::collections::{BTreeMap, BTreeSet};

use super::given::{DAY, HOUR, MINUTE, ModelEvent, SECOND};
use fastrand::Rng;
use serde_json::Value;

/// The behaviour of a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// Accepts everything except poison.
    Well,
    /// Answers everything with this status.
    Status(u16),
    /// Answers everything with this status, and `Retry-After` in seconds.
    Later(u16, u64),
    NoConnection,
    /// Never answers.
    Hangs,
    /// Accepts an event, and never answers.
    TakesAndHangs,
    /// Accepts everything, after this many seconds.
    Late(u64),
}

/// The answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReceiverReply {
    Status(u16),
    Later(u16, u64),
    NoConnection,
    Nothing,
}

/// The consecutive failures of an event.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Failures {
    pub(super) count: u32,
    /// Whether the last failure allows a probe: it was an answer that can be about this event.
    pub(super) may_be_its_own: bool,
    /// Whether another event was tried since.
    pub(super) is_probed: bool,
    /// Whether another event was accepted since the sixth failure.
    pub(super) is_outdone: bool,
}

#[derive(Debug)]
pub(super) struct ModelReceiver {
    mood: Mood,
    /// When the mood ends at the latest.
    until: u64,
    /// The requests after which a bad mood ends, so that it can end between two attempts.
    requests: u32,
    /// How often it accepted each event.
    pub(super) taken: BTreeMap<String, u32>,
    /// How often it accepted each event without an answer that arrived.
    pub(super) unheard: BTreeMap<String, u32>,
    /// The events that it refused by a status that means refusal.
    pub(super) rejected: BTreeSet<String>,
    pub(super) failures: BTreeMap<String, Failures>,
    /// When a stored state last said that it does not fail, or when it got its first request. If a run dies before it
    /// stores a success, the older state remains.
    pub(super) well: Option<u64>,
    /// Whether it ever answered 410.
    pub(super) is_gone: bool,
}

/// The shortest time of a good mood: a probe and its consequences fit in it.
const LEAST_WELL: u64 = 2 * MINUTE;

impl ModelReceiver {
    pub(super) fn new() -> Self {
        Self {
            mood: Mood::Well,
            until: 0,
            requests: 0,
            taken: BTreeMap::new(),
            unheard: BTreeMap::new(),
            rejected: BTreeSet::new(),
            failures: BTreeMap::new(),
            well: None,
            is_gone: false,
        }
    }

    /// A state is stored.
    pub(super) fn is_said_to(&mut self, state: &[u8], now: u64) {
        let state: Value = serde_json::from_slice(state).unwrap();
        if state["failing"].is_null() {
            self.well = Some(now);
        }
    }

    /// The receiver is well, and stays so.
    pub(super) fn calm_down(&mut self) {
        (self.mood, self.until) = (Mood::Well, u64::MAX);
    }

    fn mood(&mut self, now: u64, random: &mut Rng) -> Mood {
        if self.mood != Mood::Well {
            self.requests = self.requests.saturating_sub(1);
            if self.requests == 0 {
                self.until = self.until.min(now);
            }
        }
        while self.until <= now {
            if self.mood == Mood::Well {
                self.mood = moods(random);
                self.requests = if random.bool() { random.u32(2..12) } else { u32::MAX };
                self.until += random.choice([SECOND, 10 * SECOND, MINUTE, HOUR, 6 * HOUR, 4 * DAY]).unwrap_or(SECOND);
            } else {
                self.mood = Mood::Well;
                self.until += LEAST_WELL + random.choice([0, MINUTE, HOUR]).unwrap_or(0);
            }
            self.until += random.u64(..MINUTE);
        }
        self.mood
    }

    /// The answer to a request with these events, and the time until it is sent.
    pub(super) fn takes(
        &mut self,
        events: &[&ModelEvent],
        number: usize,
        now: u64,
        random: &mut Rng,
    ) -> (ReceiverReply, u64) {
        self.well.get_or_insert(now);
        let poison = events.iter().any(|event| event.is_poison[number]);
        let wrong = events.iter().any(|event| event.is_wrong[number]);
        let (says, after) = match self.mood(now, random) {
            Mood::Well | Mood::Late(_) | Mood::TakesAndHangs if poison => (ReceiverReply::Status(500), 0),
            Mood::Well | Mood::Late(_) | Mood::TakesAndHangs if wrong => (ReceiverReply::Status(400), 0),
            Mood::Well => (ReceiverReply::Status(200), 0),
            Mood::Late(seconds) => (ReceiverReply::Status(200), seconds * SECOND),
            Mood::TakesAndHangs => {
                for event in events {
                    self.succeeds(event);
                    *self.unheard.entry(event.id.clone()).or_default() += 1;
                }
                return (ReceiverReply::Nothing, 0);
            }
            Mood::Status(status) => (ReceiverReply::Status(status), 0),
            Mood::Later(status, seconds) => (ReceiverReply::Later(status, seconds), 0),
            Mood::NoConnection => (ReceiverReply::NoConnection, 0),
            Mood::Hangs => (ReceiverReply::Nothing, 0),
        };
        match says {
            ReceiverReply::Status(200) => events.iter().for_each(|event| self.succeeds(event)),
            ReceiverReply::Status(410) => self.is_gone = true,
            ReceiverReply::Status(400 | 404 | 413 | 422) => {
                // An answer to several says nothing about one of them.
                if let [event] = events {
                    self.rejected.insert(event.id.clone());
                }
            }
            ReceiverReply::Status(408 | 425 | 429)
            | ReceiverReply::Later(..)
            | ReceiverReply::NoConnection
            | ReceiverReply::Nothing => self.fail(events, false),
            ReceiverReply::Status(_) => self.fail(events, true),
        }
        (says, after)
    }

    fn succeeds(&mut self, event: &ModelEvent) {
        *self.taken.entry(event.id.clone()).or_default() += 1;
        self.failures.remove(&event.id);
        for failures in self.failures.values_mut() {
            failures.is_outdone |= failures.count >= 6;
        }
    }

    fn fail(&mut self, events: &[&ModelEvent], may_be_its_own: bool) {
        let counts = events.iter().filter_map(|event| self.failures.get(&event.id)).map(|failures| failures.count);
        let count = counts.max().unwrap_or(0) + 1;
        for event in events {
            let failures = self.failures.entry(event.id.clone()).or_default();
            (failures.count, failures.may_be_its_own, failures.is_probed) = (count, may_be_its_own, false);
        }
    }
}

fn moods(random: &mut Rng) -> Mood {
    match random.u8(..13) {
        0 => Mood::Status(500),
        1 => Mood::Status(503),
        2 => Mood::Status(429),
        3 => Mood::Status(401),
        4 => Mood::Status(308),
        5 => Mood::Status(400),
        6 => Mood::Later(503, random.u64(1..100_000)),
        7 => Mood::Later(500, random.u64(1..100)),
        8 => Mood::NoConnection,
        9 => Mood::Hangs,
        10 => Mood::TakesAndHangs,
        11 => Mood::Late(random.u64(1..14)),
        _ if random.u8(..4) == 0 => Mood::Status(410),
        _ => Mood::Status(502),
    }
}
