//! The history of a schedule, and the rules that are checked while it grows. Violations are collected; the schedule
//! continues.

use std::collections::{BTreeMap, BTreeSet};

use super::given::{DAY, DESTINATIONS, ModelEvent, SECOND, Scenario};
use super::receiver::ModelReceiver;
use serde_json::Value;

/// The number of a run to one destination.
pub(super) type RunNumber = usize;

/// The lease in a destination's state, as a run read it.
#[derive(Clone, Debug)]
struct Look {
    /// When it was read, by the clock of the run.
    at: i64,
    /// The owner of the lease.
    owner: Value,
    /// When the lease was written and how long it holds, by clocks that can be wrong.
    held: Value,
    /// Whether the run has read its clock since, and the lease was over by it. The clock may have stepped back later.
    seemed_over: bool,
}

#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) broken: BTreeSet<String>,
    /// When each event arrived.
    arrived: BTreeMap<String, u64>,
    /// When a run last listed all keys.
    listed: BTreeMap<RunNumber, u64>,
    /// What a run last read of a state and has not yet written.
    looks: BTreeMap<RunNumber, Look>,
    /// When a run last read the state.
    looked: BTreeMap<RunNumber, u64>,
    /// The run that wrote the lease as an owner.
    owners: BTreeMap<(usize, String), RunNumber>,
    /// The owner as which a run writes.
    own: BTreeMap<RunNumber, String>,
    /// The runs whose last answer was a failure, and that have refused nothing since.
    heard_failure: BTreeSet<RunNumber>,
    /// The duration of the longest request of a run.
    pub(super) longest: BTreeMap<RunNumber, u64>,
    /// Events that an administrator skipped.
    pub(super) skipped: BTreeSet<(usize, String)>,
    /// The number of runs that reported each unreadable record.
    pub(super) reports: BTreeMap<(usize, String), u32>,
}

/// An observation: the run, and the time.
#[derive(Clone, Copy)]
pub(super) struct Moment<'m> {
    pub(super) scenario: &'m Scenario,
    pub(super) run: RunNumber,
    pub(super) destination: usize,
    pub(super) now: u64,
    /// The clock of the run, in Unix milliseconds.
    pub(super) clock: i64,
}

/// The longest time that a run sends without reading its lease.
const LOOKS: u64 = SECOND;

/// A run begins nothing after this time.
const BUDGET: u64 = 10 * SECOND;

/// The number of calls to the store that can follow after a run's time: for receipts, the state and refused events.
const CALLS_AFTER: u64 = 24;

/// A failing destination is paused after this time.
const GIVEN_UP: u64 = 3 * DAY;

impl History {
    fn broke(&mut self, moment: Moment<'_>, what: &str) {
        let name = DESTINATIONS[moment.destination];
        self.broken.insert(format!("run {} to {name} at {} µs: {what}", moment.run, moment.now));
    }

    pub(super) fn arrives(&mut self, event: &ModelEvent, now: u64) {
        self.arrived.entry(event.id.clone()).or_insert(now);
    }

    pub(super) fn lists(&mut self, run: RunNumber, now: u64) {
        self.listed.insert(run, now);
    }

    /// A run reads a state.
    pub(super) fn reads_state(&mut self, moment: Moment<'_>, value: Option<&[u8]>) {
        let state = json(value);
        let lease = &state["lease"];
        let look =
            Look { at: moment.clock, owner: lease["owner"].clone(), held: lease["held"].clone(), seemed_over: false };
        self.looks.insert(moment.run, look);
        self.looked.insert(moment.run, moment.now);
    }

    /// A run reads its clock.
    pub(super) fn reads_clock(&mut self, run: RunNumber, clock: i64) {
        if let Some(look) = self.looks.get_mut(&run) {
            look.seemed_over |= !look.is_alive(clock);
        }
    }

    /// A run writes a state. It must have read it before, without a live lease of another run, and its owner must be
    /// its own.
    pub(super) fn writes_state(&mut self, moment: Moment<'_>, value: &[u8]) {
        let owner = json(Some(value))["lease"]["owner"].clone();
        match self.looks.remove(&moment.run) {
            None => self.broke(moment, "it wrote the state and had not looked at the lease"),
            Some(look)
                if Some(&look.owner.to_string()) != self.own.get(&moment.run)
                    && look.is_alive(look.at)
                    && !look.seemed_over
                    && look.is_alive(moment.clock) =>
            {
                self.broke(moment, &format!("it overwrote a lease that it knew to be alive: {look:?}"));
            }
            Some(_) => {}
        }
        if owner.is_null() {
            if self.heard_failure.contains(&moment.run) && json(Some(value))["rest"].is_null() {
                self.broke(moment, "its last request failed, and the next run need not wait");
            }
            return;
        }
        let owner = owner.to_string();
        self.own.insert(moment.run, owner.clone());
        if *self.owners.entry((moment.destination, owner.clone())).or_insert(moment.run) != moment.run {
            self.broke(moment, &format!("another run is {owner}, too"));
        }
    }

    /// A run receives an answer, or waits for it.
    pub(super) fn hears(&mut self, run: RunNumber, fails: bool) {
        if fails {
            self.heard_failure.insert(run)
        } else {
            self.heard_failure.remove(&run)
        };
    }

    /// A run sends events in one request. It must have the lease, and no earlier event must be pending.
    pub(super) fn sends(
        &mut self,
        moment: Moment<'_>,
        sent: &[&ModelEvent],
        events: &[ModelEvent],
        receiver: &mut ModelReceiver,
        values: &BTreeMap<String, Vec<u8>>,
    ) {
        let name = DESTINATIONS[moment.destination];
        let since = moment.now - self.looked.get(&moment.run).copied().unwrap_or(0);
        if since > LOOKS + 4 * moment.scenario.pace.slowest() {
            self.broke(moment, &format!("it sends and has not looked at its lease for {since} µs"));
        }
        let owner = json(values.get(&format!("round.{name}")).map(Vec::as_slice))["lease"]["owner"].to_string();
        if moment.scenario.is_exact() && self.own.get(&moment.run) != Some(&owner) {
            self.broke(moment, &format!("it sends, and {owner} has the lease"));
        }
        for event in sent {
            if !event.is_wanted[moment.destination] {
                self.broke(moment, &format!("it sends {}, which is not wanted", event.id));
            }
            self.is_in_order(moment, event, sent, events, receiver, values);
        }
    }

    fn is_in_order(
        &mut self,
        moment: Moment<'_>,
        event: &ModelEvent,
        sent: &[&ModelEvent],
        events: &[ModelEvent],
        receiver: &mut ModelReceiver,
        values: &BTreeMap<String, Vec<u8>>,
    ) {
        let name = DESTINATIONS[moment.destination];
        // Delivered or refused events are sent again on request.
        if values.keys().any(|key| key.starts_with(&format!("replay.{name}."))) {
            return;
        }
        let Some(listed) = self.listed.get(&moment.run) else { return };
        let is_listed = |older: &ModelEvent| self.arrived.get(&older.id).is_some_and(|arrived| arrived <= listed);
        let is_done = |older: &ModelEvent| {
            let id = &older.id;
            !older.is_wanted[moment.destination]
                || receiver.taken.contains_key(id)
                || values.contains_key(&format!("refused.{name}.{id}"))
                || self.skipped.contains(&(moment.destination, id.clone()))
        };
        let is_with_it = |older: &ModelEvent| sent.iter().any(|with| with.id == older.id);
        let before = events.iter().take_while(|older| older.id != event.id).filter(|older| !is_with_it(older));
        let passed: Vec<_> = before.filter(|older| is_listed(older) && !is_done(older)).collect();
        let [first] = passed.as_slice() else {
            if let Some(first) = passed.first() {
                let more = passed.len();
                self.broke(moment, &format!("it sends {} before {}, and {more} are passed over", event.id, first.id));
            }
            return;
        };
        let failures = receiver.failures.entry(first.id.clone()).or_default();
        let allowed =
            failures.count >= 6 && failures.may_be_its_own && !(failures.is_probed && moment.scenario.is_exact());
        let seen = *failures;
        failures.is_probed = true;
        if !allowed {
            self.broke(moment, &format!("it sends {} before {}: {seen:?}", event.id, first.id));
        }
    }

    /// A run refuses an event. The answer must say so, or the event must have failed seven times while another was
    /// accepted.
    pub(super) fn refuses(&mut self, moment: Moment<'_>, event: &ModelEvent, receiver: &ModelReceiver) {
        self.hears(moment.run, false);
        let skipped = self.skipped.contains(&(moment.destination, event.id.clone()));
        let rejected = receiver.rejected.contains(&event.id);
        let failures = receiver.failures.get(&event.id).copied().unwrap_or_default();
        let outdone = failures.count >= 7 && failures.is_outdone;
        if !skipped && !rejected && !outdone {
            self.broke(moment, &format!("it refuses {}: {failures:?}", event.id));
        }
        if !skipped && !rejected && !event.is_poison[moment.destination] {
            self.broke(moment, &format!("it refuses {}, which is healthy: {failures:?}", event.id));
        }
    }

    /// A run pauses a destination. It must have refused a hundred events, answered 410, or failed for three days.
    pub(super) fn pauses(&mut self, moment: Moment<'_>, receiver: &ModelReceiver, value: &[u8]) {
        let failed = moment.now - receiver.well.unwrap_or(moment.now);
        let many = receiver.rejected.len() >= 100;
        // A clock that steps forward makes each wait count twice and end at once.
        let too_early = failed < GIVEN_UP && !moment.scenario.clocks_step;
        if !receiver.is_gone && !many && too_early {
            let why = String::from_utf8_lossy(value);
            self.broke(moment, &format!("it pauses, and it has failed for {failed} µs: {why}"));
        }
    }

    /// A run ends. It must not have exceeded its time by much.
    pub(super) fn ends(&mut self, moment: Moment<'_>, took: u64, log: &[String], events: &[ModelEvent]) {
        let longest = self.longest.get(&moment.run).copied().unwrap_or(0);
        let most = BUDGET + longest + CALLS_AFTER * moment.scenario.pace.slowest() + 2 * SECOND;
        if took > most {
            self.broke(moment, &format!("it went on for {took} µs, of which its longest request took {longest}"));
        }
        for event in events.iter().filter(|event| event.is_damaged) {
            let lines = log.iter().filter(|line| line.contains(&event.id)).count();
            let reports = self.reports.entry((moment.destination, event.id.clone())).or_default();
            *reports += u32::try_from(lines).unwrap();
            if moment.scenario.is_exact() && *reports > 1 {
                self.broke(moment, &format!("{} cannot be read, which is said again: {log:?}", event.id));
            }
        }
    }
}

impl Look {
    fn is_alive(&self, clock: i64) -> bool {
        let (at, wait) = (self.held["at"].as_i64(), self.held["wait"].as_i64());
        at.zip(wait).is_some_and(|(at, wait)| at <= clock && clock < at.saturating_add(wait))
    }
}

fn json(value: Option<&[u8]>) -> Value {
    value.and_then(|value| serde_json::from_slice(value).ok()).unwrap_or_default()
}
