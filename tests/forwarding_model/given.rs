//! The parameters of a schedule: the speed of its store, the errors of its clocks, its destinations and events.

use crate::support::now;
use fastrand::Rng;
use outbound_events::forward::destination::Destination;
use outbound_events::identity::Site;
use outbound_events::record::Record;
use serde_json::{Value, json};

/// All times of the model are microseconds since its beginning.
pub(super) const MILLISECOND: u64 = 1_000;
pub(super) const SECOND: u64 = 1_000 * MILLISECOND;
pub(super) const MINUTE: u64 = 60 * SECOND;
pub(super) const HOUR: u64 = 60 * MINUTE;
pub(super) const DAY: u64 = 24 * HOUR;

/// The parameters of a schedule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scenario {
    pub(super) pace: StorePace,
    /// Whether clocks step, either way and at any time.
    pub(super) clocks_step: bool,
    /// Whether an administrator pauses, resumes, skips, retries and replays.
    pub(super) administrator: bool,
    /// Whether there are some hundred loose events, few of which pass the filters.
    pub(super) filtered: bool,
    /// Whether the destinations get batches.
    pub(super) batches: bool,
}

/// The duration of a call to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StorePace {
    /// Whole milliseconds, at most three, so that runs that begin together stay together.
    Quick,
    /// 20 to 60 ms.
    Even,
    /// 5 to 20 ms, and sometimes up to two seconds.
    Slow,
}

pub(super) const QUICK: Scenario =
    Scenario { pace: StorePace::Quick, clocks_step: false, administrator: false, filtered: false, batches: false };
pub(super) const ADMINISTERED: Scenario = Scenario { administrator: true, ..QUICK };
pub(super) const STEPPING_CLOCKS: Scenario = Scenario { clocks_step: true, ..ADMINISTERED };
pub(super) const SLOW: Scenario = Scenario { pace: StorePace::Slow, ..STEPPING_CLOCKS };
pub(super) const FILTERED: Scenario = Scenario { pace: StorePace::Even, filtered: true, ..QUICK };
pub(super) const BATCHES: Scenario = Scenario { batches: true, ..QUICK };
pub(super) const ADMINISTERED_BATCHES: Scenario = Scenario { batches: true, ..SLOW };

impl StorePace {
    /// The time of one call.
    pub(super) fn call(self, random: &mut Rng) -> u64 {
        match self {
            Self::Quick => random.u64(0..=3) * MILLISECOND,
            Self::Even => random.u64(20 * MILLISECOND..60 * MILLISECOND),
            Self::Slow if random.u8(..24) == 0 => random.u64(20 * MILLISECOND..2 * SECOND),
            Self::Slow => random.u64(5 * MILLISECOND..20 * MILLISECOND),
        }
    }

    /// The longest time of one call.
    pub(super) fn slowest(self) -> u64 {
        match self {
            Self::Quick => 3 * MILLISECOND,
            Self::Even => 60 * MILLISECOND,
            Self::Slow => 2 * SECOND,
        }
    }
}

impl Scenario {
    /// Whether calls are quick enough, and clocks right enough, that two runs must never have the lease at once.
    pub(super) fn is_exact(&self) -> bool {
        self.pace == StorePace::Quick && !self.clocks_step && !self.administrator
    }
}

/// The names of the destinations, by number.
pub(super) const DESTINATIONS: [&str; 2] = ["first", "second"];

/// The prefix filter of each destination, if they have filters.
const PREFIXES: [&str; 2] = ["INC-", "INC-1"];

/// The setting `destinations`.
pub(super) fn setting(scenario: &Scenario) -> String {
    let destination = |number: usize| {
        let name = DESTINATIONS[number];
        let mut destination = json!({ "name": name, "url": format!("https://{name}.example/in") });
        if scenario.filtered {
            destination["external_key"] = Value::from(PREFIXES[number]);
        }
        if scenario.batches {
            destination["batch"] = json!({ "max_events": 4 + 3 * number, "max_wait_seconds": number });
        }
        destination
    };
    json!([destination(0), destination(1)]).to_string()
}

pub(super) fn destinations(scenario: &Scenario) -> Vec<Destination> {
    Destination::read_all(&setting(scenario)).unwrap()
}

/// An event, and its expected outcome at each destination.
#[derive(Clone, Debug)]
pub(super) struct ModelEvent {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) value: Vec<u8>,
    /// Which destinations get it.
    pub(super) is_wanted: [bool; 2],
    /// Which destinations always answer 500 to it.
    pub(super) is_poison: [bool; 2],
    /// Which destinations always answer 400 to it, or to a batch that has it.
    pub(super) is_wrong: [bool; 2],
    /// Whether its record cannot be read.
    pub(super) is_damaged: bool,
}

impl ModelEvent {
    /// Whether a destination accepts it when it is well.
    pub(super) fn is_healthy(&self, destination: usize) -> bool {
        !self.is_poison[destination] && !self.is_wrong[destination]
    }
}

/// The events of a schedule in the order of their times, which all differ. The last [`FRESH`] arrive after the faults
/// have ended.
pub(super) fn events(scenario: &Scenario, random: &mut Rng) -> Vec<ModelEvent> {
    let many = if scenario.filtered { random.usize(300..600) } else { random.usize(8..50) };
    let has_poison = random.bool();
    let mut events: Vec<ModelEvent> = Vec::new();
    for number in 0..many + FRESH {
        let is_fresh = number >= many;
        let external_key = match () {
            () if is_fresh => format!("INC-1{number}"),
            () if random.u8(..40) == 0 => format!("INC-{number}"),
            () => format!("CHG-{number}"),
        };
        let time = now().timestamp().unsigned_abs() - 100_000 + 10 * number as u64;
        let form = format!(
            "event=support_conference_begin&version=1&timestamp={time}&lsid=s{number}&external_key={external_key}"
        );
        let (key, value) = Record::from_form(form.as_bytes(), &Site::parse("hq").unwrap(), now()).unwrap();
        let is_damaged = !is_fresh && random.u8(..16) == 0;
        let is_wanted = PREFIXES.map(|prefix| !is_damaged && (!scenario.filtered || external_key.starts_with(prefix)));
        let (mut is_poison, mut is_wrong) = ([false; 2], [false; 2]);
        for destination in 0..2 {
            // Two in a row could not be told apart: the second attempt has no comparison.
            let before = events.iter().rev().find(|event| event.is_wanted[destination]);
            let is_alone = before.is_none_or(|event| event.is_healthy(destination));
            is_poison[destination] =
                has_poison && !is_fresh && is_wanted[destination] && is_alone && random.u8(..12) == 0;
            is_wrong[destination] = scenario.batches
                && !is_fresh
                && is_wanted[destination]
                && is_alone
                && !is_poison[destination]
                && random.u8(..8) == 0;
        }
        let value = if is_damaged { b"{}".to_vec() } else { value };
        events.push(ModelEvent {
            id: key.id.to_string(),
            key: key.to_string(),
            value,
            is_wanted,
            is_poison,
            is_wrong,
            is_damaged,
        });
    }
    events
}

/// The number of events that arrive after the faults have ended. All pass the filters, and none is poison.
pub(super) const FRESH: usize = 4;
