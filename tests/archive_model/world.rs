//! All versions of the store, the clocks, and the removed records.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::given::{DAY, DESTINATIONS, is_damaged, is_old, is_refused};
use crate::support::now;
use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use outbound_events::archive::covers::Marker;
use outbound_events::archive::pack::RecordEntry;
use outbound_events::keys::{CutoffKey, EventKey};

/// A kind of store and clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoreKind {
    /// The most versions by which a read is late.
    pub(super) late: usize,
    /// Whether lists are late even for an actor's own writes.
    pub(super) blind: bool,
    /// Whether clocks are wrong.
    pub(super) wrong_clocks: bool,
}

pub(super) const AGREES: StoreKind = StoreKind { late: 0, blind: false, wrong_clocks: false };
pub(super) const LATE: StoreKind = StoreKind { late: 30, blind: false, wrong_clocks: false };
pub(super) const WRONG_CLOCKS: StoreKind = StoreKind { late: 0, blind: false, wrong_clocks: true };
pub(super) const LATE_WRONG_CLOCKS: StoreKind = StoreKind { late: 30, blind: false, wrong_clocks: true };
pub(super) const BLIND_WRONG_CLOCKS: StoreKind = StoreKind { late: 30, blind: true, wrong_clocks: true };

/// Seconds by which a clock is wrong: ten seconds, an hour, ten days and a year either way, and 1970.
const WRONG_BY: [i64; 9] = [0, -10, 3_600, -3_600, 864_000, -864_000, 400 * 86_400, -300 * 86_400, -1_767_323_000];

pub(super) type StoredValues = BTreeMap<String, Vec<u8>>;

/// A write: the version that it made, the actor, the key, and the value. `None` if the key was deleted.
pub(super) type StoreWrite = (usize, usize, String, Option<Vec<u8>>);

/// A delivery that a destination accepted: its number, and the event's id.
pub(super) type AcceptedDelivery = (usize, String);

/// The store with all its versions, the deliveries, and the time.
pub(super) struct ArchiveWorld {
    pub(super) versions: RefCell<Vec<Rc<StoredValues>>>,
    pub(super) writes: RefCell<Vec<StoreWrite>>,
    pub(super) sent: RefCell<Vec<AcceptedDelivery>>,
    /// The keys that each actor listed last.
    pub(super) listed: RefCell<BTreeMap<usize, Vec<String>>>,
    /// The broken promises.
    pub(super) broken: RefCell<Vec<String>>,
    /// Whether every destination accepts everything at once.
    pub(super) calm: Cell<bool>,
    /// Whether there are destinations. With destinations, nearly all events are pending when passes run, so little is
    /// packed.
    pub(super) forwards: bool,
    pub(super) kind: StoreKind,
    pub(super) random: RefCell<Rng>,
    /// The right time, in milliseconds after the test's now.
    pub(super) time: Cell<i64>,
    /// Seconds by which the clock of each actor is wrong.
    pub(super) wrong_by: RefCell<[i64; ACTORS]>,
    /// Whether the current actor can still make a call.
    pub(super) turn: Cell<bool>,
}

/// The most actors of a schedule.
pub(super) const ACTORS: usize = 10;

impl ArchiveWorld {
    pub(super) fn new(kind: StoreKind, seed: u64) -> Self {
        Self {
            versions: RefCell::new(vec![Rc::default()]),
            writes: RefCell::default(),
            sent: RefCell::default(),
            listed: RefCell::default(),
            broken: RefCell::default(),
            calm: Cell::new(false),
            forwards: seed.is_multiple_of(2),
            kind,
            random: RefCell::new(Rng::with_seed(seed ^ 0x5eed)),
            time: Cell::new(0),
            wrong_by: RefCell::default(),
            turn: Cell::new(false),
        }
    }

    /// The right time.
    pub(super) fn now(&self) -> DateTime<Utc> {
        now() + TimeDelta::milliseconds(self.time.get())
    }

    /// Sets the clock of an actor.
    pub(super) fn set_clock(&self, actor: usize, random: &mut Rng) {
        if self.kind.wrong_clocks {
            self.wrong_by.borrow_mut()[actor] = *random.choice(&WRONG_BY).unwrap();
        }
    }

    pub(super) fn values(&self) -> Rc<StoredValues> {
        Rc::clone(self.versions.borrow().last().unwrap())
    }

    pub(super) fn write(&self, actor: usize, key: &str, value: Option<&[u8]>) {
        if value.is_none() && key.starts_with("event.") {
            self.deletes(key);
        }
        let mut values = (*self.values()).clone();
        match value {
            Some(value) => _ = values.insert(key.to_owned(), value.to_vec()),
            None => _ = values.remove(key),
        }
        self.versions.borrow_mut().push(Rc::new(values));
        let version = self.versions.borrow().len() - 1;
        self.writes.borrow_mut().push((version, actor, key.to_owned(), value.map(<[u8]>::to_vec)));
    }

    /// Checks a delete: no loose record that is pending for a destination is deleted, unless it was removed or has
    /// aged.
    pub(super) fn deletes(&self, key: &str) {
        if !self.values().contains_key(key) {
            return;
        }
        let removed = Removed::by_markers(self);
        let key: EventKey = key.parse().unwrap();
        let can_go = !self.forwards || removed.can_concern(&key) || self.can_age(&key);
        for (number, name) in DESTINATIONS.iter().enumerate() {
            let is_delivered =
                self.sent.borrow().contains(&(number, key.id.to_string())) || is_refused(number, &key.id.to_string());
            if !can_go && !is_delivered {
                self.broken.borrow_mut().push(format!("{key} was deleted while pending for {name}"));
            }
        }
    }

    /// Checks a request: no event is sent before an older one that was listed too and is still pending.
    pub(super) fn sends(&self, actor: usize, number: usize, id: &str) {
        if self.kind.late > 0 {
            return;
        }
        let removed = Removed::by_markers(self);
        let now = self.values();
        let listed: Vec<EventKey> = self.listed.borrow()[&actor].iter().filter_map(|key| key.parse().ok()).collect();
        let Some(time) = listed.iter().find(|key| key.id.to_string() == id).map(|key| key.timestamp) else { return };
        for older in listed.iter().filter(|key| key.timestamp < time && now.contains_key(&key.to_string())) {
            let other = older.id.to_string();
            let key = older.to_string();
            let is_damaged = RecordEntry::under(&key, now[&key].clone()).is_err();
            let gone = is_damaged || removed.can_concern(older) || self.can_age(older);
            if !gone && !is_refused(number, &other) && !self.sent.borrow().contains(&(number, other)) {
                self.broken.borrow_mut().push(format!("{id} was sent to {} before {older}", DESTINATIONS[number]));
            }
        }
    }

    /// What an actor sees: an older version of the store with the actor's own writes. If lists are blind, they lack
    /// these writes.
    pub(super) fn seen(&self, actor: usize, in_a_list: bool) -> StoredValues {
        let last = self.versions.borrow().len() - 1;
        let version = last - self.random.borrow_mut().usize(..=self.kind.late).min(last);
        let mut values = (*self.versions.borrow()[version]).clone();
        if in_a_list && self.kind.blind {
            return values;
        }
        for (_, _, key, value) in self.writes.borrow().iter().filter(|(v, a, ..)| *v > version && *a == actor) {
            match value {
                Some(value) => _ = values.insert(key.clone(), value.clone()),
                None => _ = values.remove(key),
            }
        }
        values
    }
}

impl ArchiveWorld {
    /// Whether retention can delete a record under this key. It can if the event is old. It also can if neither of its
    /// times is believable: the appliance has no clock or is in the future, and the recording clock was a month behind
    /// or days ahead. On a late store with wrong clocks it can delete any event of an appliance without a clock: a view
    /// from forty days ago and a clock that reads a year ahead again and again confirm that the event is old.
    pub(super) fn can_age(&self, key: &EventKey) -> bool {
        let (own, now) = (key.timestamp.seconds(), now().timestamp_millis());
        let has_no_clock = own < 1_000_001_000;
        let says_nothing = has_no_clock || own > (now / 1_000).unsigned_abs() + 366 * 86_400;
        let right = now - 30 * DAY..now + DAY;
        let text = key.to_string();
        let is_wrong = |(_, _, of, value): &StoreWrite| {
            let entry = value.clone().filter(|_| *of == text).and_then(|value| RecordEntry::under(of, value).ok());
            entry.is_some_and(|entry| !right.contains(&(entry.recorded as i64)))
        };
        let is_blurred = has_no_clock && self.kind.wrong_clocks && self.kind.late > 0;
        is_old(key) || is_blurred || (says_nothing && self.writes.borrow().iter().any(is_wrong))
    }
}

/// A copy of a world in its last version.
pub(super) fn copy(world: &ArchiveWorld, seed: u64) -> ArchiveWorld {
    let copy = ArchiveWorld::new(world.kind, seed);
    copy.versions.replace(vec![world.values()]);
    copy.writes.replace(world.writes.borrow().clone());
    copy.sent.replace(world.sent.borrow().clone());
    copy.calm.set(world.calm.get());
    copy.time.set(world.time.get());
    copy
}

/// The last version of the store, without turns and delays.
pub(super) fn settled(world: &ArchiveWorld) -> crate::support::Memory {
    crate::support::Memory { values: RefCell::new((*world.values()).clone()), calls: RefCell::default() }
}

/// The removed records, according to all tombstones and cutoffs ever written.
pub(super) struct Removed {
    pub(super) records: BTreeSet<(String, String, u64)>,
    pub(super) cutoffs: Vec<CutoffKey>,
}

impl Removed {
    pub(super) fn by_markers(world: &ArchiveWorld) -> Self {
        let mut removed = Self { records: BTreeSet::new(), cutoffs: Vec::new() };
        for (_, _, key, value) in world.writes.borrow().iter().filter(|(_, _, key, _)| !is_damaged(key)) {
            let Some(value) = value else { continue };
            removed.cutoffs.extend(key.parse::<CutoffKey>());
            if let Some(session) = key.strip_prefix("erased.hq.").and_then(|rest| rest.split('.').next()) {
                for (id, recorded) in Marker::parse(value).unwrap().records.unwrap() {
                    removed.records.insert((session.to_owned(), id, recorded));
                }
            }
        }
        removed
    }

    /// Whether a record was removed.
    pub(super) fn covers(&self, entry: &RecordEntry) -> bool {
        self.has_listed(&entry.key, entry.recorded)
            || self.cutoffs.iter().any(|cutoff| entry.key.timestamp < cutoff.before && entry.delivered <= cutoff.until)
    }

    pub(super) fn has_listed(&self, key: &EventKey, recorded: u64) -> bool {
        let lsid = key.lsid.as_ref().map(|lsid| lsid.as_str().to_owned()).unwrap_or_default();
        self.records.contains(&(lsid, key.id.to_string(), recorded))
    }

    /// Whether a record of this key's session was removed.
    pub(super) fn has_some_of(&self, key: &EventKey) -> bool {
        self.records.iter().any(|(lsid, ..)| key.lsid.as_ref().is_some_and(|of| of.as_str() == lsid))
    }

    /// Whether a record under this key can have been removed.
    pub(super) fn can_concern(&self, key: &EventKey) -> bool {
        self.has_some_of(key) || self.cutoffs.iter().any(|cutoff| key.timestamp < cutoff.before)
    }
}
