//! The store, the clocks and the receivers.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use super::given::{DESTINATIONS, MILLISECOND, ModelEvent, Scenario, destinations};
use super::history::{History, Moment, RunNumber};
use super::receiver::ModelReceiver;
use super::simulation::Time;
use crate::support::now;
use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use outbound_events::forward::destination::Destination;

/// The number of machines, each with a clock: two for runs, one for the administrator.
pub(super) const MACHINES: usize = 3;

/// The possible errors of a clock, in seconds.
const WRONG_BY: [i64; 9] = [0, 0, -10, 10, 3_600, -3_600, 864_000, 400 * 86_400, -300 * 86_400];

pub(super) struct ForwardingWorld {
    pub(super) scenario: Scenario,
    pub(super) events: Vec<ModelEvent>,
    pub(super) destinations: Vec<Destination>,
    pub(super) time: Time,
    pub(super) random: RefCell<Rng>,
    pub(super) values: RefCell<BTreeMap<String, Vec<u8>>>,
    pub(super) receivers: RefCell<[ModelReceiver; 2]>,
    pub(super) history: RefCell<History>,
    /// The error of each machine's clock, in seconds.
    wrong_by: RefCell<[i64; MACHINES]>,
    runs: Cell<RunNumber>,
}

impl ForwardingWorld {
    pub(super) fn new(scenario: Scenario, events: Vec<ModelEvent>, random: Rng) -> Self {
        Self {
            scenario,
            events,
            destinations: destinations(&scenario),
            time: Time::default(),
            random: RefCell::new(random),
            values: RefCell::default(),
            receivers: RefCell::new([ModelReceiver::new(), ModelReceiver::new()]),
            history: RefCell::default(),
            wrong_by: RefCell::default(),
            runs: Cell::new(0),
        }
    }

    /// A new number for a run.
    pub(super) fn next_run(&self) -> RunNumber {
        self.runs.set(self.runs.get() + 1);
        self.runs.get()
    }

    /// The reading of a machine's clock.
    pub(super) fn clock(&self, machine: usize) -> DateTime<Utc> {
        let passed = TimeDelta::microseconds(i64::try_from(self.time.now()).unwrap());
        now() + passed + TimeDelta::seconds(self.wrong_by.borrow()[machine])
    }

    /// Steps the clock of a random machine.
    pub(super) fn set_clock(&self, random: &mut Rng) {
        if self.scenario.clocks_step {
            self.wrong_by.borrow_mut()[random.usize(..MACHINES)] = *random.choice(&WRONG_BY).unwrap();
        }
    }

    pub(super) fn set_all_clocks_right(&self) {
        *self.wrong_by.borrow_mut() = [0; MACHINES];
    }

    /// When the stored wait of a destination ends, by a right clock, if it waits.
    pub(super) fn rests_until(&self, destination: usize) -> Option<u64> {
        let values = self.values.borrow();
        let state = values.get(&format!("round.{}", DESTINATIONS[destination]))?;
        let state: serde_json::Value = serde_json::from_slice(state).ok()?;
        let end = state["rest"]["at"].as_i64()?.checked_add(state["rest"]["wait"].as_i64()?)?;
        u64::try_from(end - now().timestamp_millis()).ok().map(|end| end * MILLISECOND)
    }

    pub(super) fn event(&self, id: &str) -> &ModelEvent {
        self.events.iter().find(|event| event.id == id).unwrap()
    }

    /// The pending events of a destination, oldest first.
    pub(super) fn pending(&self, destination: usize) -> Vec<&ModelEvent> {
        let (values, receivers) = (self.values.borrow(), self.receivers.borrow());
        let is_pending = |event: &&ModelEvent| {
            event.is_wanted[destination]
                && values.contains_key(&event.key)
                && !receivers[destination].taken.contains_key(&event.id)
                && !values.contains_key(&format!("refused.{}.{}", DESTINATIONS[destination], event.id))
        };
        self.events.iter().filter(is_pending).collect()
    }

    /// An event arrives.
    pub(super) fn takes(&self, event: &ModelEvent) {
        self.history.borrow_mut().arrives(event, self.time.now());
        self.values.borrow_mut().insert(event.key.clone(), event.value.clone());
    }

    /// Whether an event has arrived.
    pub(super) fn has(&self, event: &ModelEvent) -> bool {
        self.values.borrow().contains_key(&event.key)
    }

    pub(super) fn moment(&self, run: RunNumber, destination: usize, machine: usize) -> Moment<'_> {
        let clock = self.clock(machine).timestamp_millis();
        Moment { scenario: &self.scenario, run, destination, now: self.time.now(), clock }
    }
}
