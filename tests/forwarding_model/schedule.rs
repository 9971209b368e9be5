//! One schedule, from a store with some events to the end of all faults.

use std::cell::RefCell;

use super::actors::{administrator, asks, retry, run_once, skip, taker, ticker};
use super::given::{DAY, DESTINATIONS, FRESH, HOUR, MINUTE, ModelEvent, SECOND, Scenario, events};
use super::simulation::{ActorSlot, act};
use super::world::ForwardingWorld;
use fastrand::Rng;

/// Runs one schedule. Panics if a rule is broken.
pub(super) fn run(seed: u64, scenario: Scenario) {
    let mut random = Rng::with_seed(seed);
    let events = events(&scenario, &mut random);
    let world = ForwardingWorld::new(scenario, events, random.fork());
    let old = world.events.len() - FRESH;
    let times = [2 * MINUTE, 2 * MINUTE, HOUR, HOUR, 3 * HOUR, 12 * HOUR, 5 * DAY];
    let time = *random.choice(&times).unwrap();
    let deadly = *random.choice(&[0, 100, 1_000]).unwrap();
    let (there, mut coming): (Vec<usize>, Vec<usize>) = (0..old).partition(|_| scenario.filtered || random.bool());
    there.iter().for_each(|number| world.takes(&world.events[*number]));
    if random.u8(..4) == 0 {
        random.shuffle(&mut coming);
    }
    let forks = RefCell::new(random.fork());
    let (world_of_all, forks) = (&world, &forks);
    let ticking = |machine| ActorSlot::mortal(move || ticker(world_of_all, machine, forks.borrow_mut().fork()));
    let mut roles = vec![ticking(0), ticking(1)];
    roles.push(ActorSlot::lasting(taker(&world, coming, time, random.fork())));
    if scenario.administrator {
        roles.push(ActorSlot::lasting(administrator(&world, time, random.fork())));
    }
    act(&world.time, &mut roles, time, &mut random, deadly, |random| world.set_clock(random));
    // Everything under way dies.
    drop(roles);
    holds(&world, seed);
    if scenario.is_exact() && deadly == 0 {
        is_sent_once(&world, seed);
    }
    calm_down(&world, &mut random, seed);
}

fn holds(world: &ForwardingWorld, seed: u64) {
    let broken = &world.history.borrow().broken;
    assert!(broken.is_empty(), "seed {seed}: {broken:#?}");
}

/// No event is sent twice, unless the first answer did not arrive.
fn is_sent_once(world: &ForwardingWorld, seed: u64) {
    for (receiver, name) in world.receivers.borrow().iter().zip(DESTINATIONS) {
        for (id, times) in &receiver.taken {
            let unheard = receiver.unheard.get(id).copied().unwrap_or(0);
            assert!(*times <= 1 + unheard, "seed {seed}: {name} got {id} {times} times");
        }
    }
}

/// Receivers are well, clocks are right, and nothing dies: all events must arrive, and nothing must fail.
fn calm_down(world: &ForwardingWorld, random: &mut Rng, seed: u64) {
    world.set_all_clocks_right();
    world.receivers.borrow_mut().iter_mut().for_each(|receiver| receiver.calm_down());
    world.events.iter().filter(|event| !world.has(event)).for_each(|event| world.takes(event));
    let alone = |actor| act(&world.time, &mut [ActorSlot::lasting(actor)], u64::MAX, &mut random.clone(), 0, |_| ());
    alone(Box::pin(settles(world, seed)));
    holds(world, seed);
    let reports = world.history.borrow().reports.clone();
    let refused = |event: &ModelEvent, number: usize| {
        world.values.borrow().contains_key(&format!("refused.{}.{}", DESTINATIONS[number], event.id))
    };
    for (number, name) in DESTINATIONS.iter().enumerate() {
        for event in world.events.iter().filter(|event| event.is_wanted[number]) {
            let is_taken = world.receivers.borrow()[number].taken.contains_key(&event.id);
            let is_skipped = world.history.borrow().skipped.contains(&(number, event.id.clone()));
            let is_refused = refused(event, number);
            assert!(is_taken || is_refused || is_skipped, "seed {seed}: {name} never got {}", event.key);
        }
    }
    // It now accepts the events that it refused in a bad mood.
    alone(Box::pin(async move {
        for number in 0..2 {
            for event in world.events.iter().filter(|event| event.is_healthy(number) && refused(event, number)) {
                retry(world, number, &event.id).await;
            }
        }
        settles(world, seed).await;
    }));
    holds(world, seed);
    for (number, name) in DESTINATIONS.iter().enumerate() {
        for event in world.events.iter().filter(|event| event.is_wanted[number] && event.is_healthy(number)) {
            let is_taken = world.receivers.borrow()[number].taken.contains_key(&event.id);
            let is_skipped = world.history.borrow().skipped.contains(&(number, event.id.clone()));
            assert!(is_taken || is_skipped, "seed {seed}: {name} never got {}, also not when retried", event.key);
            assert!(!refused(event, number), "seed {seed}: {name} still refuses {}", event.key);
        }
    }
    assert_eq!(world.history.borrow().reports, reports, "seed {seed}: what cannot be read is said again");
}

/// Runs until there is nothing to do.
async fn settles(world: &ForwardingWorld, seed: u64) {
    let mut shown = Vec::new();
    for turn in 0..400 {
        run_once(world, 0).await;
        shown = asks(world, "GET", "/api/destinations").await.1["destinations"].as_array().unwrap().clone();
        let is_well = shown.iter().all(|one| one["state"] == "working" && one["pending"] == 0 && one["replays"] == 0);
        let is_asked = world.values.borrow().keys().any(|key| key.starts_with("again."));
        if is_well && !is_asked {
            return;
        }
        for (number, name) in DESTINATIONS.iter().enumerate() {
            if shown[number]["state"] == "paused" {
                asks(world, "POST", &format!("/api/destinations/{name}/resume")).await;
            }
            // An administrator must skip two adjacent failing events.
            let both = world.pending(number).iter().take(2).filter(|event| !event.is_healthy(number)).count() == 2;
            if turn > 20 && both {
                skip(world, number).await;
            }
        }
        let now = world.time.now();
        let due = (0..2).filter_map(|number| world.rests_until(number)).filter(|due| *due > now).min();
        world.time.sleep(due.unwrap_or(now + SECOND) - now).await;
    }
    panic!("seed {seed}: all is calm, and yet {shown:#?}");
}
