//! One schedule, from an empty store to a store at rest.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use super::actors::{AccountActor, POLICY, Removals, announcer, checker, compactor, eraser, pruner, site, turn};
use super::plan::{HOUR, MINUTE, PlannedSession, sessions};
use super::world::{AccountView, AccountWorld};
use crate::support::{AnyStore, Memory, Trouble, appliances, at, compact};
use fastrand::Rng;
use outbound_events::appliance_api::Checks;
use outbound_events::archive::account::Account;
use outbound_events::archive::compaction::Bound;
use outbound_events::archive::events::{self, EventsQuery};
use outbound_events::archive::pack::RecordEntry;
use outbound_events::archive::unannounced::count_unannounced;
use outbound_events::archive::{self, View};
use outbound_events::event::{EventKind, EventName};
use outbound_events::report::SessionReport;

/// What can be wrong with the appliance for a while.
const TROUBLES: [Trouble; 8] = [
    Trouble::Down,
    Trouble::WrongSecret,
    Trouble::Html,
    Trouble::Busy(30),
    Trouble::BreaksOff,
    Trouble::ForgetsSessions,
    Trouble::OtherSessions,
    Trouble::DateAhead,
];

/// Runs one schedule. Panics if a promise is broken.
pub(super) fn run(seed: u64, clocks_are_wrong: bool) {
    let mut random = Rng::with_seed(seed);
    let planned = sessions(&mut random);
    let world = AccountWorld::new(planned, clocks_are_wrong, random.fork());
    let (removals, delivered) = (RefCell::new(Removals::default()), Cell::new(0));
    let view = |actor| AccountView { world: &world, actor };
    let deadly = random.bool();
    let mut actors: Vec<(usize, AccountActor)> = vec![(0, announcer(view(0), &delivered))];
    let mut removes = random.u8(..4);
    while world.time.get() < 6 * HOUR || actors.iter().any(|(actor, _)| *actor == 0) {
        start_some(&world, &mut actors, &mut removes, &removals, &mut random);
        let next = random.usize(..actors.len());
        for _ in 0..random.usize(1..12) {
            let (actor, work) = &mut actors[next];
            let dies = deadly && random.u8(..150) == 0;
            if turn(&world, work) || dies {
                let actor = *actor;
                drop(actors.swap_remove(next));
                if actor == 0 && dies {
                    actors.push((0, announcer(view(0), &delivered)));
                }
                break;
            }
        }
        change(&world, &mut random);
    }
    // Those that are left die.
    drop(actors);
    come_to_rest(&world);
    hold(&world, &removals.borrow(), seed);
}

/// Starts actors that are not there: checkers often, removals once or twice.
fn start_some<'w>(
    world: &'w AccountWorld,
    actors: &mut Vec<(usize, AccountActor<'w>)>,
    removes: &mut u8,
    removals: &'w RefCell<Removals>,
    random: &mut Rng,
) {
    let view = |actor| AccountView { world, actor };
    let is_there =
        |actors: &Vec<(usize, AccountActor)>, number: usize| actors.iter().any(|(actor, _)| *actor == number);
    for number in [1, 2] {
        if !is_there(actors, number) && (actors.is_empty() || random.u8(..10) == 0) {
            actors.push((number, checker(view(number), random.usize(1..4))));
        }
    }
    if !is_there(actors, 3) && random.u8(..60) == 0 {
        actors.push((3, compactor(view(3), random.fork())));
    }
    if *removes > 0 && !is_there(actors, 4) && random.u16(..800) == 0 {
        *removes -= 1;
        let lsid = format!("s{}", random.usize(..world.sessions.len()));
        actors.push((4, eraser(view(4), lsid, removals)));
    }
    if *removes == 3 && !is_there(actors, 5) && random.u16(..4_000) == 0 {
        *removes -= 1;
        let before = world.now().timestamp() - random.i64(0..7_200);
        actors.push((5, pruner(view(5), before, removals)));
    }
}

/// Lets time pass, and changes what is wrong.
fn change(world: &AccountWorld, random: &mut Rng) {
    match random.u8(..100) {
        0..8 => world.pass(random.i64(0..3 * MINUTE)),
        8..10 => world.set_clock(random),
        10 => world.appliance.trouble.set(*random.choice(&TROUBLES).unwrap()),
        11..20 => world.appliance.trouble.set(Trouble::None),
        20 if random.u8(..20) == 0 => _ = world.values.borrow_mut().remove("account.hq"),
        _ => {}
    }
}

/// A day and a half with right clocks and an appliance that answers.
fn come_to_rest(world: &AccountWorld) {
    world.set_all_clocks_right();
    world.appliance.trouble.set(Trouble::None);
    let appliances = appliances(None);
    for step in 0..36 * 3 {
        world.pass(20 * MINUTE);
        let view = AccountView { world, actor: 1 };
        let checks = async {
            for _ in 0..2 {
                Checks { platform: &view, appliances: &appliances, retention_days: None }.run_due().await.unwrap();
            }
        };
        drive(world, Box::pin(checks));
        if step % 6 == 0 {
            drive(world, Box::pin(async { _ = compact(&view, &POLICY, &Bound::WIDE).await.unwrap() }));
        }
    }
}

fn drive<'w>(world: &'w AccountWorld, mut work: AccountActor<'w>) {
    while !turn(world, &mut work) {}
}

/// Checks the promises at rest.
fn hold(world: &AccountWorld, removals: &Removals, seed: u64) {
    let store = Memory { values: RefCell::new(world.values.borrow().clone()), calls: RefCell::default() };
    let records = visible(world, &store);
    let of = |session: &PlannedSession| records.get(&session.lsid).map(Vec::as_slice).unwrap_or_default();
    let mut missed = 0;
    for session in &world.sessions {
        let records = of(session);
        let reports: Vec<_> = records.iter().filter(|entry| entry.key.event == EventName::Report).collect();
        let contents: BTreeSet<_> = reports.iter().map(|entry| content(entry)).collect();
        assert_eq!(contents.len(), reports.len(), "seed {seed}: {} has a report twice", session.lsid);
        let came_later = |erased: &i64| world.arrived.borrow().get(&session.lsid).is_some_and(|at| at >= erased);
        let erased = removals.erased.iter().filter(|(lsid, _)| *lsid == session.lsid).map(|(_, at)| at).max();
        let end = world.labels.borrow()[&(session.lsid.clone(), "end")];
        let is_cut = removals.cutoffs.iter().any(|before| end < *before);
        let is_unclear = is_cut || removals.perhaps.contains(&session.lsid) || erased.is_some_and(came_later);
        if let Some(erased) = erased.filter(|erased| !came_later(erased)) {
            let keys: Vec<_> = records.iter().map(|entry| entry.key.to_string()).collect();
            assert!(keys.is_empty(), "seed {seed}: {} was erased at {erased}, and came back: {keys:?}", session.lsid);
        } else if !is_unclear {
            assert_eq!(reports.len(), 1, "seed {seed}: {session:?} has no report, or several");
        }
        let has_end = records.iter().any(|entry| entry.key.event == EventName::End);
        missed += usize::from(!reports.is_empty() && !has_end);
        if !is_unclear && erased.is_none() {
            assert_eq!(has_end, session.is_announced(), "seed {seed}: {session:?}");
        }
    }
    let account = pollster::block_on(Account::load(&store, &site())).unwrap().unwrap();
    let Some(before) = account.missed_before() else { return };
    let platform = at(&store, world.now());
    let count = async |view: &mut View<'_, AnyStore<'_>>| count_unannounced(view, &site(), before).await;
    let counted = pollster::block_on(archive::read_view(&platform, count)).unwrap();
    assert_eq!(counted, missed, "seed {seed}: missed");
}

/// A report without when it was fetched, and its links.
fn content(entry: &RecordEntry) -> String {
    let EventKind::Report(fetched) = entry.event().unwrap().kind().clone() else { unreachable!() };
    let mut report: SessionReport = serde_json::from_str(fetched.json.text()).unwrap();
    report.links = Default::default();
    serde_json::to_string(&report).unwrap()
}

/// Every record that a reader sees, by its session.
fn visible(world: &AccountWorld, store: &Memory) -> BTreeMap<String, Vec<RecordEntry>> {
    let query = EventsQuery {
        site: None,
        event: None,
        from: None,
        to: None,
        after: None,
        limit: 10_000,
        max_bytes: usize::MAX,
    };
    let platform = at(store, world.now());
    let list = async |view: &mut View<'_, AnyStore<'_>>| events::list_events(view, &query).await;
    let page = pollster::block_on(archive::read_view(&platform, list)).unwrap();
    let mut records: BTreeMap<String, Vec<RecordEntry>> = BTreeMap::new();
    for entry in page.events {
        records.entry(entry.key.lsid.as_ref().unwrap().as_str().to_owned()).or_default().push(entry);
    }
    records
}
