//! The store in all its versions, the clocks, and what was removed.

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

/// What a schedule runs on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// How many versions late a read may be.
    pub(super) late: usize,
    /// Whether lists are late even for one's own writes.
    pub(super) blind: bool,
    /// Whether clocks are wrong.
    pub(super) wrong_clocks: bool,
}

pub(super) const AGREES: Kind = Kind { late: 0, blind: false, wrong_clocks: false };
pub(super) const LATE: Kind = Kind { late: 30, blind: false, wrong_clocks: false };
pub(super) const WRONG_CLOCKS: Kind = Kind { late: 0, blind: false, wrong_clocks: true };
pub(super) const LATE_WRONG_CLOCKS: Kind = Kind { late: 30, blind: false, wrong_clocks: true };
pub(super) const BLIND_WRONG_CLOCKS: Kind = Kind { late: 30, blind: true, wrong_clocks: true };

/// By how many seconds a clock may be wrong: a step back of ten seconds, an hour, a zone, weeks and years either way, and 1970.
const WRONG_BY: [i64; 9] = [0, -10, 3_600, -3_600, 864_000, -864_000, 400 * 86_400, -300 * 86_400, -1_767_323_000];

pub(super) type Values = BTreeMap<String, Vec<u8>>;

/// The version that a write made, who wrote, the key, and the value; none where it was deleted.
pub(super) type Write = (usize, usize, String, Option<Vec<u8>>);

/// A destination got an event, and said so: its number, and the event's id.
pub(super) type Sent = (usize, String);

/// The store, all that it ever was, what destinations got, and the time.
pub(super) struct World {
    pub(super) versions: RefCell<Vec<Rc<Values>>>,
    pub(super) writes: RefCell<Vec<Write>>,
    pub(super) sent: RefCell<Vec<Sent>>,
    /// The keys that each actor has listed last.
    pub(super) listed: RefCell<BTreeMap<usize, Vec<String>>>,
    /// What was broken, if anything was.
    pub(super) broken: RefCell<Vec<String>>,
    /// Whether every destination takes everything at once.
    pub(super) calm: Cell<bool>,
    /// Whether there are destinations. Where there are, nearly everything is still pending when passes run, and so nothing is packed.
    pub(super) forwards: bool,
    pub(super) kind: Kind,
    pub(super) random: RefCell<Rng>,
    /// What a right clock reads, in milliseconds after the test's now.
    pub(super) time: Cell<i64>,
    /// By how many seconds the clock of each actor is wrong.
    pub(super) wrong_by: RefCell<[i64; ACTORS]>,
    /// Whether the actor that has its turn may still make a call.
    pub(super) turn: Cell<bool>,
}

/// How many actors there are at most.
pub(super) const ACTORS: usize = 10;

impl World {
    pub(super) fn new(kind: Kind, seed: u64) -> Self {
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

    /// What a right clock reads.
    pub(super) fn now(&self) -> DateTime<Utc> {
        now() + TimeDelta::milliseconds(self.time.get())
    }

    /// Sets the clock of an actor.
    pub(super) fn set_clock(&self, actor: usize, random: &mut Rng) {
        if self.kind.wrong_clocks {
            self.wrong_by.borrow_mut()[actor] = *random.choice(&WRONG_BY).unwrap();
        }
    }

    pub(super) fn values(&self) -> Rc<Values> {
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

    /// No loose record may go that a destination is owed, but if it was removed or has aged.
    pub(super) fn deletes(&self, key: &str) {
        if !self.values().contains_key(key) {
            return;
        }
        let removed = Removed::by_markers(self);
        let key: EventKey = key.parse().unwrap();
        let may_go = !self.forwards || removed.may_concern(&key) || self.may_age(&key);
        for (number, name) in DESTINATIONS.iter().enumerate() {
            let is_settled =
                self.sent.borrow().contains(&(number, key.id.to_string())) || is_refused(number, &key.id.to_string());
            if !may_go && !is_settled {
                self.broken.borrow_mut().push(format!("{key} went, and {name} is owed it"));
            }
        }
    }

    /// Nothing is sent before what is older, was listed too and is still owed.
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
            let gone = is_damaged || removed.may_concern(older) || self.may_age(older);
            if !gone && !is_refused(number, &other) && !self.sent.borrow().contains(&(number, other)) {
                self.broken.borrow_mut().push(format!("{id} was sent to {} before {older}", DESTINATIONS[number]));
            }
        }
    }

    /// What an actor sees: the store as it was a while ago, and all that it wrote itself; in a list perhaps not even that.
    pub(super) fn seen(&self, actor: usize, in_a_list: bool) -> Values {
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

impl World {
    /// Whether retention may delete what was ever taken under a key: what is old, and what neither time says anything of, since its
    /// appliance has no clock or comes from the future, and the clock that recorded it was a month behind or days ahead. On a store that is
    /// late by clocks that are wrong it may be any event of an appliance without a clock: a store that looks as it was forty days ago, to a
    /// clock that reads a year ahead again and again, confirms that it is old.
    pub(super) fn may_age(&self, key: &EventKey) -> bool {
        let (own, now) = (key.timestamp.seconds(), now().timestamp_millis());
        let has_no_clock = own < 1_000_001_000;
        let says_nothing = has_no_clock || own > (now / 1_000).unsigned_abs() + 366 * 86_400;
        let right = now - 30 * DAY..now + DAY;
        let text = key.to_string();
        let is_wrong = |(_, _, of, value): &Write| {
            let entry = value.clone().filter(|_| *of == text).and_then(|value| RecordEntry::under(of, value).ok());
            entry.is_some_and(|entry| !right.contains(&(entry.recorded as i64)))
        };
        let is_blurred = has_no_clock && self.kind.wrong_clocks && self.kind.late > 0;
        is_old(key) || is_blurred || (says_nothing && self.writes.borrow().iter().any(is_wrong))
    }
}

/// A world that is as another, and where nothing more happens there.
pub(super) fn copy(world: &World, seed: u64) -> World {
    let copy = World::new(world.kind, seed);
    copy.versions.replace(vec![world.values()]);
    copy.writes.replace(world.writes.borrow().clone());
    copy.sent.replace(world.sent.borrow().clone());
    copy.calm.set(world.calm.get());
    copy.time.set(world.time.get());
    copy
}

/// The store as it is, without turns and without being late.
pub(super) fn settled(world: &World) -> crate::support::Memory {
    crate::support::Memory { values: RefCell::new((*world.values()).clone()), calls: RefCell::default() }
}

/// What was removed, by all tombstones and cutoffs that were ever written.
pub(super) struct Removed {
    pub(super) records: BTreeSet<(String, String, u64)>,
    pub(super) cutoffs: Vec<CutoffKey>,
}

impl Removed {
    pub(super) fn by_markers(world: &World) -> Self {
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

    /// Whether some of a session was removed.
    pub(super) fn has_some_of(&self, key: &EventKey) -> bool {
        self.records.iter().any(|(lsid, ..)| key.lsid.as_ref().is_some_and(|of| of.as_str() == lsid))
    }

    /// Whether a record of that key may have been removed.
    pub(super) fn may_concern(&self, key: &EventKey) -> bool {
        self.has_some_of(key) || self.cutoffs.iter().any(|cutoff| key.timestamp < cutoff.before)
    }
}
