//! A receiver with moods. What it decided is what counts, whether anybody heard of it or not.

use std::collections::{BTreeMap, BTreeSet};

use super::given::{DAY, HOUR, MINUTE, ModelEvent, SECOND};
use fastrand::Rng;
use serde_json::Value;

/// How it takes what comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// It takes everything but poison.
    Well,
    /// It answers this to everything.
    Status(u16),
    /// It answers this to everything, and that it wants to be left alone for so many seconds.
    Later(u16, u64),
    NoConnection,
    /// It never answers.
    Hangs,
    /// It takes an event, and never answers.
    TakesAndHangs,
    /// It takes everything, after so many seconds.
    Late(u64),
}

/// What it makes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReceiverReply {
    Status(u16),
    Later(u16, u64),
    NoConnection,
    Nothing,
}

/// How often in a row an event failed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Failures {
    pub(super) count: u32,
    /// Whether the last failure lets the next event be tried: it was an answer that is about this event, perhaps.
    pub(super) may_be_its_own: bool,
    /// Whether another event was tried since.
    pub(super) is_probed: bool,
    /// Whether another event was taken since the sixth failure.
    pub(super) is_outdone: bool,
}

#[derive(Debug)]
pub(super) struct ModelReceiver {
    mood: Mood,
    /// When the mood ends, if it does not end before.
    until: u64,
    /// After how many more requests a bad mood ends: so that it ends between two attempts, too.
    requests: u32,
    /// How often it took each event.
    pub(super) taken: BTreeMap<String, u32>,
    /// How often it took each event and nobody heard of it.
    pub(super) unheard: BTreeMap<String, u32>,
    /// Events that it refused by a status that says so.
    pub(super) rejected: BTreeSet<String>,
    pub(super) failures: BTreeMap<String, Failures>,
    /// When a stored state said last that it does not fail, or when it was asked first. A run that dies before it stores that the receiver
    /// took an event leaves the older state.
    pub(super) well: Option<u64>,
    /// Whether it ever said that it wants nothing any more.
    pub(super) is_gone: bool,
}

/// The least time that it is well. A probe and what follows from it are over by then.
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

    /// It is well, and stays so.
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

    /// What it makes of an event that comes now, and after what time it says so.
    pub(super) fn takes(
        &mut self,
        event: &ModelEvent,
        number: usize,
        now: u64,
        random: &mut Rng,
    ) -> (ReceiverReply, u64) {
        self.well.get_or_insert(now);
        let poison = event.is_poison[number];
        let (says, after) = match self.mood(now, random) {
            Mood::Well | Mood::Late(_) | Mood::TakesAndHangs if poison => (ReceiverReply::Status(500), 0),
            Mood::Well => (ReceiverReply::Status(200), 0),
            Mood::Late(seconds) => (ReceiverReply::Status(200), seconds * SECOND),
            Mood::TakesAndHangs => {
                self.succeeds(event);
                *self.unheard.entry(event.id.clone()).or_default() += 1;
                return (ReceiverReply::Nothing, 0);
            }
            Mood::Status(status) => (ReceiverReply::Status(status), 0),
            Mood::Later(status, seconds) => (ReceiverReply::Later(status, seconds), 0),
            Mood::NoConnection => (ReceiverReply::NoConnection, 0),
            Mood::Hangs => (ReceiverReply::Nothing, 0),
        };
        match says {
            ReceiverReply::Status(200) => self.succeeds(event),
            ReceiverReply::Status(410) => self.is_gone = true,
            ReceiverReply::Status(400 | 404 | 413 | 422) => _ = self.rejected.insert(event.id.clone()),
            ReceiverReply::Status(408 | 425 | 429)
            | ReceiverReply::Later(..)
            | ReceiverReply::NoConnection
            | ReceiverReply::Nothing => self.fails(event, false),
            ReceiverReply::Status(_) => self.fails(event, true),
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

    fn fails(&mut self, event: &ModelEvent, may_be_its_own: bool) {
        let failures = self.failures.entry(event.id.clone()).or_default();
        failures.count += 1;
        (failures.may_be_its_own, failures.is_probed) = (may_be_its_own, false);
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
