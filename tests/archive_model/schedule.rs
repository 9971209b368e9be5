//! One schedule, from an empty store to one that has settled.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use super::actors::{Actor, Ledger, eraser, passer, pruner, rounder, taker, turn};
use super::given::{
    BOUND, DAMAGED, DAY, DESTINATIONS, EVENTS, OLD_EVENTS, is_damaged, is_old, is_refused, policy, session, site,
};
use super::promises::{hold, is_sent_once, visible};
use super::seen::Seen;
use super::world::{ACTORS, AGREES, Kind, Removed, Values, World, copy, settled};
use crate::support::{at, now};
use fastrand::Rng;
use outbound_events::archive;
use outbound_events::archive::compaction::compact_if_due;
use outbound_events::archive::pack::RecordEntry;
use outbound_events::forward::backlogs::Backlogs;
use outbound_events::keys::EventKey;
use outbound_events::record::Record;
use outbound_events::store::Store;

/// One schedule. Panics where something was lost, came back, or is there twice.
pub(super) fn run(seed: u64, kind: Kind) {
    let mut random = Rng::with_seed(seed);
    let world = World::new(kind, seed);
    let (ledger, busy) = (RefCell::new(Ledger::default()), Cell::new(0));
    // A store is not empty when it gets old. Forty days ago clocks were right.
    let first = Seen { world: &world, actor: 0 };
    world.time.set(-40 * DAY);
    let old = EVENTS..EVENTS + OLD_EVENTS;
    let warm_up: [Actor; 2] =
        [taker(first, &ledger, old, random.fork(), &busy), passer(first, 1, random.fork(), &busy)];
    warm_up.into_iter().for_each(|mut actor| while !turn(&world, &mut actor) {});
    world.time.set(0);
    for key in DAMAGED.iter().filter(|_| random.u8(..4) == 0) {
        world.write(0, key, Some(b"{"));
    }
    world.set_clock(0, &mut random);
    let warm_up: [Actor; 2] =
        [taker(first, &ledger, 0..EVENTS, random.fork(), &busy), passer(first, 1, random.fork(), &busy)];
    warm_up.into_iter().for_each(|mut actor| while !turn(&world, &mut actor) {});
    let erased = session(random.u64(..4));
    let cutoff = now().timestamp().unsigned_abs() - 10_000 + random.u64(..8) * 10;
    let mut actors: Vec<Actor> = Vec::new();
    let store = |actor| Seen { world: &world, actor };
    (1..ACTORS).for_each(|actor| world.set_clock(actor, &mut random));
    actors.push(taker(store(1), &ledger, 0..EVENTS, random.fork(), &busy));
    actors.push(taker(store(2), &ledger, 0..EVENTS, random.fork(), &busy));
    actors.push(passer(store(3), 2, random.fork(), &busy));
    actors.push(passer(store(4), 2, random.fork(), &busy));
    actors.push(eraser(store(5), erased.clone(), &busy));
    if world.forwards {
        actors.push(rounder(store(7), 3));
    }
    let overlap = world.forwards && random.bool();
    if overlap {
        actors.push(rounder(store(8), 3));
    }
    if random.bool() {
        actors.push(pruner(store(6), cutoff, &busy));
    }
    let deadly = random.bool();
    while !actors.is_empty() {
        let next = random.usize(..actors.len());
        // Some begin late, some run for a while without the others.
        for _ in 0..random.usize(1..6) {
            if turn(&world, &mut actors[next]) || (deadly && random.u8(..120) == 0) {
                drop(actors.swap_remove(next));
                break;
            }
        }
        if random.u8(..20) == 0 {
            world.set_clock(random.usize(1..ACTORS), &mut random);
        }
        if random.u8(..40) == 0 {
            hold(&world, &ledger.borrow(), seed);
        }
    }
    hold(&world, &ledger.borrow(), seed);
    if kind.late == 0 && !kind.wrong_clocks && !deadly && !overlap {
        is_sent_once(&world, seed);
    }
    settle(&world, &ledger.borrow(), seed);
    erase_at_last(&world, &erased, &mut random, seed);
}

/// A session is erased by a clock that may be wrong, and nothing else is under way: all that was there is gone, and what arrives then, by
/// another clock, is there.
fn erase_at_last(world: &World, erased: &str, random: &mut Rng, seed: u64) {
    let world = World { kind: Kind { late: 0, blind: false, ..world.kind }, ..copy(world, seed) };
    let (ledger, busy) = (RefCell::new(Ledger::default()), Cell::new(0));
    let run = |mut actor: Actor| while !turn(&world, &mut actor) {};
    // The first to take it, and the one to erase it.
    world.set_clock(1, random);
    run(taker(Seen { world: &world, actor: 1 }, &ledger, 0..EVENTS, random.fork(), &busy));
    world.set_clock(1, random);
    run(eraser(Seen { world: &world, actor: 1 }, erased.to_owned(), &busy));
    let of_session = |entry: &RecordEntry| entry.key.lsid.as_ref().is_some_and(|lsid| lsid.as_str() == erased);
    let left: Vec<_> = visible(&world).into_iter().filter(of_session).collect();
    assert!(left.is_empty(), "seed {seed}: {left:?} was erased, and is there");
    world.set_clock(1, random);
    let ledger = RefCell::new(Ledger::default());
    run(taker(Seen { world: &world, actor: 1 }, &ledger, 0..EVENTS, random.fork(), &busy));
    let shown: BTreeSet<_> = visible(&world).iter().map(|entry| entry.key.to_string()).collect();
    let (removed, values) = (Removed::by_markers(&world), world.values());
    for (key, recorded, _) in &ledger.borrow().taken {
        let is_cut = removed.covers(&RecordEntry::under(key, values[key].clone()).unwrap());
        assert!(
            is_cut || shown.contains(key),
            "seed {seed}: {key}, recorded {recorded} after the erasing, is not shown"
        );
    }
}

/// Rounds that nothing disturbs, by clocks that are right again: what is owed reaches everyone. What is stored then.
fn sent_on(world: &World, ledger: &Ledger, seed: u64) -> Values {
    world.calm.set(true);
    let agrees = World { kind: AGREES, ..copy(world, seed) };
    // What a clock that was ahead by an hour has put off holds when that hour has come.
    for _ in 0..3 {
        agrees.time.set(agrees.time.get() + 4_000_000);
        let mut last = rounder(Seen { world: &agrees, actor: 9 }, 2);
        while !turn(&agrees, &mut last) {}
    }
    world.time.set(agrees.time.get());
    let removed = Removed::by_markers(world);
    for (key, ..) in ledger.taken.iter().filter(|_| world.forwards) {
        let key: EventKey = key.parse().unwrap();
        let gone = removed.may_concern(&key) || world.may_age(&key);
        for (number, name) in DESTINATIONS.iter().enumerate() {
            let id = key.id.to_string();
            let got = is_refused(number, &id) || agrees.sent.borrow().contains(&(number, id));
            assert!(gone || got, "seed {seed}: {name} never got {key}");
        }
    }
    (*agrees.values()).clone()
}

/// Passes that nothing disturbs, by a clock that is right, for two days and more: still the same, nothing that was removed is left, what
/// has aged is gone.
fn settle(world: &World, ledger: &Ledger, seed: u64) {
    let values = sent_on(world, ledger, seed);
    world.versions.borrow_mut().push(Rc::new(values));
    let store = settled(world);
    for _ in 0..36 {
        let platform = at(&store, world.now());
        pollster::block_on(compact_if_due(&platform, &policy(), &mut Backlogs::new(&[]), &BOUND)).unwrap();
        // Life goes on, by clocks that are right.
        let form = format!("event=noon&version=1&timestamp={}", world.now().timestamp());
        let (key, record) = Record::of_form(form.as_bytes(), &site(), world.now()).unwrap();
        pollster::block_on(store.set(&key.to_string(), &record)).unwrap();
        world.time.set(world.time.get() + 2 * 3_600_000);
    }
    world.versions.borrow_mut().push(Rc::new(store.values.borrow().clone()));
    hold(world, ledger, seed);
    let keys = store.keys();
    let removals = |key: &&String| (key.starts_with("erased.") || key.starts_with("cutoff.")) && !is_damaged(key);
    // Those of what a pack may hold that cannot be read stay.
    if !DAMAGED[1..2].iter().all(|pack| keys.contains(&(*pack).to_owned())) {
        assert_eq!(keys.iter().find(removals), None, "seed {seed}: {keys:?}");
    }
    let loose = keys.iter().filter(|key| key.starts_with("event.") && !is_damaged(key)).count();
    assert!(loose <= policy().loose_events + 1, "seed {seed}: {loose} are still loose: {keys:?}");
    let aged = visible(world).into_iter().find(|entry| is_old(&entry.key));
    assert_eq!(aged.map(|entry| entry.key.to_string()), None, "seed {seed}: it has aged, and is there");
    let checked = pollster::block_on(archive::check::check_store(&store, |_, _| ())).unwrap();
    let faults: Vec<_> = checked.faults.iter().filter(|fault| !is_damaged(&fault.key)).collect();
    assert!(faults.is_empty(), "seed {seed}: {faults:?}");
}
