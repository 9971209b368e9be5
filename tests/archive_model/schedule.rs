//! One schedule, from an empty store to a store at rest.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use super::actors::{AnswerLedger, ArchiveActor, compactor, eraser, forwarder, pruner, sender, turn};
use super::given::{
    BOUND, DAMAGED, DAY, DESTINATIONS, EVENTS, OLD_EVENTS, is_damaged, is_old, is_refused, policy, session, site,
};
use super::promises::{hold, is_sent_once, visible};
use super::seen::ActorView;
use super::world::{ACTORS, AGREES, ArchiveWorld, Removed, StoreKind, StoredValues, copy, settled};
use crate::support::{at, now};
use fastrand::Rng;
use outbound_events::archive;
use outbound_events::archive::compaction::compact_if_due;
use outbound_events::archive::pack::RecordEntry;
use outbound_events::forward::backlogs::Backlogs;
use outbound_events::keys::EventKey;
use outbound_events::record::Record;
use outbound_events::store::Store;

/// Runs one schedule. Panics if an event is lost, comes back, or is shown twice.
pub(super) fn run(seed: u64, kind: StoreKind) {
    let mut random = Rng::with_seed(seed);
    let world = ArchiveWorld::new(kind, seed);
    let (ledger, busy) = (RefCell::new(AnswerLedger::default()), Cell::new(0));
    // The store already has events from forty days ago, when clocks were right.
    let first = ActorView { world: &world, actor: 0 };
    world.time.set(-40 * DAY);
    let old = EVENTS..EVENTS + OLD_EVENTS;
    let warm_up: [ArchiveActor; 2] =
        [sender(first, &ledger, old, random.fork(), &busy), compactor(first, 1, random.fork(), &busy)];
    warm_up.into_iter().for_each(|mut actor| while !turn(&world, &mut actor) {});
    world.time.set(0);
    for key in DAMAGED.iter().filter(|_| random.u8(..4) == 0) {
        world.write(0, key, Some(b"{"));
    }
    world.set_clock(0, &mut random);
    let warm_up: [ArchiveActor; 2] =
        [sender(first, &ledger, 0..EVENTS, random.fork(), &busy), compactor(first, 1, random.fork(), &busy)];
    warm_up.into_iter().for_each(|mut actor| while !turn(&world, &mut actor) {});
    let erased = session(random.u64(..4));
    let cutoff = now().timestamp().unsigned_abs() - 10_000 + random.u64(..8) * 10;
    let mut actors: Vec<ArchiveActor> = Vec::new();
    let store = |actor| ActorView { world: &world, actor };
    (1..ACTORS).for_each(|actor| world.set_clock(actor, &mut random));
    actors.push(sender(store(1), &ledger, 0..EVENTS, random.fork(), &busy));
    actors.push(sender(store(2), &ledger, 0..EVENTS, random.fork(), &busy));
    actors.push(compactor(store(3), 2, random.fork(), &busy));
    actors.push(compactor(store(4), 2, random.fork(), &busy));
    actors.push(eraser(store(5), erased.clone(), &busy));
    if world.forwards {
        actors.push(forwarder(store(7), 3));
    }
    let overlap = world.forwards && random.bool();
    if overlap {
        actors.push(forwarder(store(8), 3));
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
    come_to_rest(&world, &ledger.borrow(), seed);
    erase_alone(&world, &erased, &mut random, seed);
}

/// Erases a session while no other actor is at work, with a clock that can be wrong. All its records must be gone, and
/// events that arrive later, with another clock, must be shown.
fn erase_alone(world: &ArchiveWorld, erased: &str, random: &mut Rng, seed: u64) {
    let world = ArchiveWorld { kind: StoreKind { late: 0, blind: false, ..world.kind }, ..copy(world, seed) };
    let (ledger, busy) = (RefCell::new(AnswerLedger::default()), Cell::new(0));
    let run = |mut actor: ArchiveActor| while !turn(&world, &mut actor) {};
    // One clock for posting, another for erasing.
    world.set_clock(1, random);
    run(sender(ActorView { world: &world, actor: 1 }, &ledger, 0..EVENTS, random.fork(), &busy));
    world.set_clock(1, random);
    run(eraser(ActorView { world: &world, actor: 1 }, erased.to_owned(), &busy));
    let of_session = |entry: &RecordEntry| entry.key.lsid.as_ref().is_some_and(|lsid| lsid.as_str() == erased);
    let shown: Vec<_> = visible(&world).into_iter().filter(of_session).collect();
    assert!(shown.is_empty(), "seed {seed}: {shown:?} was erased and is shown");
    world.set_clock(1, random);
    let ledger = RefCell::new(AnswerLedger::default());
    run(sender(ActorView { world: &world, actor: 1 }, &ledger, 0..EVENTS, random.fork(), &busy));
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

/// Undisturbed delivery runs with right clocks: every pending event reaches its destinations. Returns the values stored
/// then.
fn forward_all(world: &ArchiveWorld, ledger: &AnswerLedger, seed: u64) -> StoredValues {
    world.calm.set(true);
    let agrees = ArchiveWorld { kind: AGREES, ..copy(world, seed) };
    // A deadline written by a clock that was an hour ahead holds again an hour later: so there are several runs.
    for _ in 0..3 {
        agrees.time.set(agrees.time.get() + 4_000_000);
        let mut last = forwarder(ActorView { world: &agrees, actor: 9 }, 2);
        while !turn(&agrees, &mut last) {}
    }
    world.time.set(agrees.time.get());
    let removed = Removed::by_markers(world);
    for (key, ..) in ledger.taken.iter().filter(|_| world.forwards) {
        let key: EventKey = key.parse().unwrap();
        let gone = removed.can_concern(&key) || world.can_age(&key);
        for (number, name) in DESTINATIONS.iter().enumerate() {
            let id = key.id.to_string();
            let got = is_refused(number, &id) || agrees.sent.borrow().contains(&(number, id));
            assert!(gone || got, "seed {seed}: {name} never got {key}");
        }
    }
    (*agrees.values()).clone()
}

/// Undisturbed passes with a right clock for more than two days: readers see the same, removed records and their
/// markers are deleted, and so are aged records.
fn come_to_rest(world: &ArchiveWorld, ledger: &AnswerLedger, seed: u64) {
    let values = forward_all(world, ledger, seed);
    world.versions.borrow_mut().push(Rc::new(values));
    let store = settled(world);
    for _ in 0..36 {
        let platform = at(&store, world.now());
        pollster::block_on(compact_if_due(&platform, &policy(), &mut Backlogs::new(&[]), &BOUND)).unwrap();
        // Events keep arriving, with right clocks.
        let form = format!("event=noon&version=1&timestamp={}", world.now().timestamp());
        let (key, record) = Record::from_form(form.as_bytes(), &site(), world.now()).unwrap();
        pollster::block_on(store.set(&key.to_string(), &record)).unwrap();
        world.time.set(world.time.get() + 2 * 3_600_000);
    }
    world.versions.borrow_mut().push(Rc::new(store.values.borrow().clone()));
    hold(world, ledger, seed);
    let keys = store.keys();
    let removals = |key: &&String| (key.starts_with("erased.") || key.starts_with("cutoff.")) && !is_damaged(key);
    // Markers of records that an unreadable pack can hold stay.
    if !DAMAGED[1..2].iter().all(|pack| keys.contains(&(*pack).to_owned())) {
        assert_eq!(keys.iter().find(removals), None, "seed {seed}: {keys:?}");
    }
    let loose = keys.iter().filter(|key| key.starts_with("event.") && !is_damaged(key)).count();
    assert!(loose <= policy().loose_events + 1, "seed {seed}: {loose} are still loose: {keys:?}");
    let aged = visible(world).into_iter().find(|entry| is_old(&entry.key));
    assert_eq!(aged.map(|entry| entry.key.to_string()), None, "seed {seed}: it has aged and is shown");
    let checked = pollster::block_on(archive::check::check_store(&store, |_, _| ())).unwrap();
    let faults: Vec<_> = checked.faults.iter().filter(|fault| !is_damaged(&fault.key)).collect();
    assert!(faults.is_empty(), "seed {seed}: {faults:?}");
}
