//! A model of the archive and of forwarding: passes, rounds, takings, repeats, an erasing and a retention are interleaved at every
//! call of the store and of a destination, and each may die at any. What is stored in the end, and what destinations got, is held
//! against a ledger of what was answered. One destination takes everything; the other fails, refuses, hangs and answers late.
//!
//! It runs on a store that agrees at once, on one whose lists and reads are late, as those of a replicated platform are, and on one
//! whose lists are late even for one's own writes. Every actor has a clock of its own: they are right, or each is wrong by another amount
//! and is set either way at any time, and right again at the end. Some values are damaged. A seed decides a schedule; what fails names its
//! seed, which is then kept in [`KEPT`].
//!
//! One thing is left open on purpose (`docs/architecture.md`): an event of a session that is erased, and that is sent twice while a
//! pass or the erasing is under way, may go with the erasing. It is the same event, and it was to be gone.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::support::{at, now};
use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use http::{Request, Response};
use outbound_events::archive::compaction::{Bound, Policy, pass, pass_if_due};
use outbound_events::archive::covers::Marker;
use outbound_events::archive::events::Wanted;
use outbound_events::archive::pack::Entry;
use outbound_events::archive::removal::{erase, remove_before};
use outbound_events::archive::{self, View, events};
use outbound_events::event::{Lsid, Timestamp};
use outbound_events::forward::backlogs::Backlogs;
use outbound_events::forward::destination::Destination;
use outbound_events::forward::round::Rounds;
use outbound_events::http_client::{Deliver, NotSent};
use outbound_events::identity::Site;
use outbound_events::keys::{CutoffKey, EventKey};
use outbound_events::platform::Platform;
use outbound_events::record::Record;
use outbound_events::service::Service;
use outbound_events::settings::Variables;
use outbound_events::store::{Store, StoreError};

/// Seeds that once failed, each with what was wrong then.
const KEPT: [u64; 0] = [];

/// How many schedules are tried on each kind of store: as many as this says, or more if the environment does (`cargo xtask soak`).
fn schedules() -> u64 {
    std::env::var("MODEL_SCHEDULES").map_or(900, |number| number.parse().unwrap())
}

/// What a schedule runs on.
#[derive(Clone, Copy, Debug)]
struct Kind {
    /// How many versions late a read may be.
    late: usize,
    /// Whether lists are late even for one's own writes.
    blind: bool,
    /// Whether clocks are wrong.
    wrong_clocks: bool,
}

const AGREES: Kind = Kind { late: 0, blind: false, wrong_clocks: false };
const LATE: Kind = Kind { late: 30, blind: false, wrong_clocks: false };
const WRONG_CLOCKS: Kind = Kind { late: 0, blind: false, wrong_clocks: true };
const LATE_WRONG_CLOCKS: Kind = Kind { late: 30, blind: false, wrong_clocks: true };
const BLIND_WRONG_CLOCKS: Kind = Kind { late: 30, blind: true, wrong_clocks: true };

/// By how many seconds a clock may be wrong: a step back of ten seconds, an hour, a zone, weeks and years either way, and 1970.
const WRONG_BY: [i64; 9] = [0, -10, 3_600, -3_600, 864_000, -864_000, 400 * 86_400, -300 * 86_400, -1_767_323_000];

type Values = BTreeMap<String, Vec<u8>>;

/// The version that a write made, who wrote, the key, and the value; none where it was deleted.
type Write = (usize, usize, String, Option<Vec<u8>>);

/// A destination got an event, and said so: its number, and the event's id.
type Sent = (usize, String);

/// The store, all that it ever was, what destinations got, and the time.
struct World {
    versions: RefCell<Vec<Rc<Values>>>,
    writes: RefCell<Vec<Write>>,
    sent: RefCell<Vec<Sent>>,
    /// The keys that each actor has listed last.
    listed: RefCell<BTreeMap<usize, Vec<String>>>,
    /// What was broken, if anything was.
    broken: RefCell<Vec<String>>,
    /// Whether every destination takes everything at once.
    calm: Cell<bool>,
    kind: Kind,
    random: RefCell<Rng>,
    /// What a right clock reads, in milliseconds after the test's now.
    time: Cell<i64>,
    /// By how many seconds the clock of each actor is wrong.
    wrong_by: RefCell<[i64; ACTORS]>,
    /// Whether the actor that has its turn may still make a call.
    turn: Cell<bool>,
}

/// How many actors there are at most.
const ACTORS: usize = 10;

impl World {
    fn new(kind: Kind, seed: u64) -> Self {
        Self {
            versions: RefCell::new(vec![Rc::default()]),
            writes: RefCell::default(),
            sent: RefCell::default(),
            listed: RefCell::default(),
            broken: RefCell::default(),
            calm: Cell::new(false),
            kind,
            random: RefCell::new(Rng::with_seed(seed ^ 0x5eed)),
            time: Cell::new(0),
            wrong_by: RefCell::default(),
            turn: Cell::new(false),
        }
    }

    /// What a right clock reads.
    fn now(&self) -> DateTime<Utc> {
        now() + TimeDelta::milliseconds(self.time.get())
    }

    /// Sets the clock of an actor.
    fn set_clock(&self, actor: usize, random: &mut Rng) {
        if self.kind.wrong_clocks {
            self.wrong_by.borrow_mut()[actor] = *random.choice(&WRONG_BY).unwrap();
        }
    }

    fn values(&self) -> Rc<Values> {
        Rc::clone(self.versions.borrow().last().unwrap())
    }

    fn write(&self, actor: usize, key: &str, value: Option<&[u8]>) {
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
    fn deletes(&self, key: &str) {
        if !self.values().contains_key(key) {
            return;
        }
        let removed = Removed::of(self);
        let key: EventKey = key.parse().unwrap();
        let may_go = removed.may_concern(&key) || self.may_age(&key);
        for (number, name) in DESTINATIONS.iter().enumerate() {
            let is_settled =
                self.sent.borrow().contains(&(number, key.id.to_string())) || is_refused(number, &key.id.to_string());
            if !may_go && !is_settled {
                self.broken.borrow_mut().push(format!("{key} went, and {name} is owed it"));
            }
        }
    }

    /// Nothing is sent before what is older, was listed too and is still owed.
    fn sends(&self, actor: usize, number: usize, id: &str) {
        if self.kind.late > 0 {
            return;
        }
        let removed = Removed::of(self);
        let now = self.values();
        let listed: Vec<EventKey> = self.listed.borrow()[&actor].iter().filter_map(|key| key.parse().ok()).collect();
        let Some(time) = listed.iter().find(|key| key.id.to_string() == id).map(|key| key.timestamp) else { return };
        for older in listed.iter().filter(|key| key.timestamp < time && now.contains_key(&key.to_string())) {
            let other = older.id.to_string();
            let key = older.to_string();
            let is_damaged = Entry::under(&key, now[&key].clone()).is_err();
            let gone = is_damaged || removed.may_concern(older) || self.may_age(older);
            if !gone && !is_refused(number, &other) && !self.sent.borrow().contains(&(number, other)) {
                self.broken.borrow_mut().push(format!("{id} was sent to {} before {older}", DESTINATIONS[number]));
            }
        }
    }

    /// What an actor sees: the store as it was a while ago, and all that it wrote itself; in a list perhaps not even that.
    fn seen(&self, actor: usize, in_a_list: bool) -> Values {
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

/// The store as one actor sees it. Each call waits for its turn.
#[derive(Clone, Copy)]
struct Seen<'w> {
    world: &'w World,
    actor: usize,
}

struct Turn<'w>(&'w World);

impl Future for Turn<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0.turn.replace(false) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Store for Seen<'_> {
    async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        Turn(self.world).await;
        Ok(self.world.seen(self.actor, false).contains_key(key))
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Turn(self.world).await;
        Ok(self.world.seen(self.actor, false).remove(key))
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        Turn(self.world).await;
        self.world.write(self.actor, key, Some(value));
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        Turn(self.world).await;
        self.world.write(self.actor, key, None);
        Ok(())
    }

    async fn get_keys(&self) -> Result<Vec<String>, StoreError> {
        Turn(self.world).await;
        let keys: Vec<_> = self.world.seen(self.actor, true).into_keys().collect();
        self.world.listed.borrow_mut().insert(self.actor, keys.clone());
        Ok(keys)
    }
}

impl Platform for Seen<'_> {
    type Store = Self;
    type Deliver = Self;

    fn store(&self) -> &Self {
        self
    }

    fn deliver(&self) -> &Self {
        self
    }

    fn now(&self) -> DateTime<Utc> {
        self.world.now() + TimeDelta::seconds(self.world.wrong_by.borrow()[self.actor])
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis((self.world.time.get() + 50 * DAY).unsigned_abs())
    }
}

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// Destinations by their numbers.
const DESTINATIONS: [&str; 2] = ["calm", "moody"];

/// Some events the second never takes.
fn is_refused(destination: usize, id: &str) -> bool {
    destination == 1 && id.ends_with('0')
}

impl Deliver for Seen<'_> {
    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<()>, NotSent> {
        Turn(self.world).await;
        let number = usize::from(request.uri().host() == Some(DESTINATIONS[1]));
        let id = request.headers()["webhook-id"].to_str().unwrap().to_owned();
        self.world.sends(self.actor, number, &id);
        let moody = number == 1 && !self.world.calm.get();
        let mood = if moody { self.world.random.borrow_mut().u8(..10) } else { 9 };
        let status = match mood {
            _ if is_refused(number, &id) => 404,
            0 => 503,
            1 => return Err(NotSent("nobody is there".to_owned())),
            // It got it, and nobody hears of that.
            2 => {
                self.world.sent.borrow_mut().push((number, id));
                return std::future::pending().await;
            }
            3 => return std::future::pending().await,
            4 => {
                for _ in 0..8 {
                    Turn(self.world).await;
                }
                200
            }
            _ => 200,
        };
        if status == 200 {
            self.world.sent.borrow_mut().push((number, id));
        }
        Ok(Response::builder().status(status).body(()).unwrap())
    }

    async fn wait(&self, time: Duration) {
        let turns = if time.as_secs() > 0 { 40 } else { 1 };
        for _ in 0..turns {
            Turn(self.world).await;
        }
    }
}

/// Settings of the two destinations.
fn destinations() -> Vec<Destination> {
    let all = DESTINATIONS.map(|name| serde_json::json!({ "name": name, "url": format!("https://{name}") }));
    Destination::read_all(&serde_json::json!(all).to_string()).unwrap()
}

/// Begins a few rounds, one after the other.
fn rounder<'w>(store: Seen<'w>, times: usize) -> Actor<'w> {
    Box::pin(async move {
        let destinations = destinations();
        for _ in 0..times {
            let rounds = Rounds { platform: &store, destinations: &destinations, max_requests_per_hour: None };
            rounds.run().await;
            // Whoever waits to try again waits no longer than the schedule lasts.
            store.world.time.set(store.world.time.get() + 40_000);
            Turn(store.world).await;
        }
    })
}

/// What was answered, and when.
#[derive(Default)]
struct Ledger {
    /// Events that were answered `stored`: the key, when they were recorded, and whether something that deletes was under way.
    taken: Vec<(String, u64, bool)>,
}

fn policy() -> Policy {
    Policy { retention_days: Some(30), ..Policy::packs(3) }
}

const BOUND: Bound = Bound { events: 6, loose: 8, time: Duration::from_secs(60) };

/// One that bites: a call takes a millisecond.
const SHORT: Bound = Bound { time: Duration::from_millis(40), ..BOUND };

fn site() -> Site {
    Site::parse("hq").unwrap()
}

fn session(number: u64) -> String {
    format!("s{number}")
}

/// The form of one of a few events: what is sent twice is a repeat. One comes from an appliance without a clock, and one from the future.
fn form(number: u64) -> String {
    let event = ["begin", "end", "customer_exit_survey_completed"][(number % 3) as usize];
    let now = now().timestamp().unsigned_abs();
    let time = match number {
        NO_CLOCK => 1_000_000_000 + number,
        FROM_THE_FUTURE => now + 500 * 86_400,
        EVENTS.. => now - 40 * 86_400 + number * 10,
        _ => now - 10_000 + number * 10,
    };
    format!("event=support_conference_{event}&version=1&timestamp={time}&lsid={}", session(number % 4))
}

/// Events of that day. Those after them are sent only in the beginning, forty days before.
const EVENTS: u64 = 24;
const OLD_EVENTS: u64 = 6;
const NO_CLOCK: u64 = 7;
const FROM_THE_FUTURE: u64 = 11;

/// Whether an event is one that was sent forty days ago.
fn is_old(key: &EventKey) -> bool {
    let day = key.timestamp.seconds() / 86_400;
    day == (now().timestamp().unsigned_abs() - 40 * 86_400) / 86_400
}

impl World {
    /// Whether retention may delete what was ever taken under a key: what is old, and what neither time says anything of, since its
    /// appliance has no clock or comes from the future, and the clock that recorded it was a month behind or days ahead. On a store that is
    /// late by clocks that are wrong it may be any event of an appliance without a clock: a store that looks as it was forty days ago, to a
    /// clock that reads a year ahead again and again, confirms that it is old.
    fn may_age(&self, key: &EventKey) -> bool {
        let (own, now) = (key.timestamp.seconds(), now().timestamp_millis());
        let has_no_clock = own < 1_000_001_000;
        let says_nothing = has_no_clock || own > (now / 1_000).unsigned_abs() + 366 * 86_400;
        let right = now - 30 * DAY..now + DAY;
        let text = key.to_string();
        let is_wrong = |(_, _, of, value): &Write| {
            let entry = value.clone().filter(|_| *of == text).and_then(|value| Entry::under(of, value).ok());
            entry.is_some_and(|entry| !right.contains(&(entry.recorded as i64)))
        };
        let is_blurred = has_no_clock && self.kind.wrong_clocks && self.kind.late > 0;
        is_old(key) || is_blurred || (says_nothing && self.writes.borrow().iter().any(is_wrong))
    }
}

/// What an actor does until it is done.
type Actor<'w> = Pin<Box<dyn Future<Output = ()> + 'w>>;

/// Takes events, one after the other, as a sender sends them.
fn taker<'w>(
    store: Seen<'w>,
    ledger: &'w RefCell<Ledger>,
    events: std::ops::Range<u64>,
    mut random: Rng,
    busy: &'w Cell<u64>,
) -> Actor<'w> {
    Box::pin(async move {
        for _ in 0..random.usize(4..16) {
            let mut body = Some(form(random.u64(events.clone())).into_bytes());
            let head = http::Request::post("/events/hq").body(()).unwrap().into_parts().0;
            let variable = |name: &str| Ok((name == "ingest_open").then(|| "true".to_owned()));
            let variables = Variables::new(&variable);
            let service = Service { platform: &store, variables: &variables };
            let before = busy.get();
            let answer = service.handle(Ok(head), async || Ok(body.take())).await;
            assert_eq!(answer.response.status(), 200);
            let id = answer.response.headers()["event-id"].to_str().unwrap().to_owned();
            let stored = answer.response.headers()["event-result"] == "stored";
            let written = store.world.writes.borrow();
            let write = written.iter().rev().find(|(_, actor, key, _)| *actor == store.actor && key.ends_with(&id));
            let Some((_, _, key, value)) = write.filter(|_| stored) else { continue };
            let recorded = Entry::under(key, value.clone().unwrap()).unwrap().recorded;
            let mut ledger = ledger.borrow_mut();
            // If it was sent again while something was under way, or where reads are late.
            let open = store.world.kind.late > 0 || before > 0 || busy.get() > 0;
            ledger.taken.push((key.clone(), recorded, open));
        }
    })
}

/// Counts who is at work that deletes.
struct Busy<'w>(&'w Cell<u64>);

impl<'w> Busy<'w> {
    fn new(busy: &'w Cell<u64>) -> Self {
        busy.set(busy.get() + 1);
        Self(busy)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

fn passer<'w>(store: Seen<'w>, times: usize, mut random: Rng, busy: &'w Cell<u64>) -> Actor<'w> {
    Box::pin(async move {
        for _ in 0..times {
            let _busy = Busy::new(busy);
            let bound = if random.bool() { BOUND } else { SHORT };
            // A store that is late may not give back at once what was written: then the pass breaks off.
            if random.bool() {
                let _ = pass(&store, &policy(), &mut Backlogs::new(&destinations()), &bound).await;
            } else {
                let _ = pass_if_due(&store, &policy(), &mut Backlogs::new(&destinations()), &bound).await;
            }
        }
    })
}

fn eraser<'w>(store: Seen<'w>, session: String, busy: &'w Cell<u64>) -> Actor<'w> {
    Box::pin(async move {
        let _busy = Busy::new(busy);
        let lsid = Lsid::parse(&session).unwrap();
        let _ = erase(&store, &site(), &lsid, &BOUND).await;
    })
}

fn pruner<'w>(store: Seen<'w>, before: u64, busy: &'w Cell<u64>) -> Actor<'w> {
    Box::pin(async move {
        let _busy = Busy::new(busy);
        let before = Timestamp::from_seconds(before).unwrap();
        let _ = remove_before(&store, before, &BOUND).await;
    })
}

/// All that a reader sees, whose clock is right.
fn visible(world: &World) -> Vec<Entry> {
    let wanted =
        Wanted { site: None, event: None, from: None, to: None, after: None, limit: 10_000, max_bytes: usize::MAX };
    let store = settled(world);
    let platform = at(&store, world.now());
    let page = pollster::block_on(archive::read(&platform, async |view: &mut View<'_, _>| {
        let page = events::list(view, &wanted).await?;
        assert!(view.unreadable.iter().all(|one| is_damaged(&one.key)), "{:?}", view.unreadable);
        Ok(page.events)
    }));
    page.unwrap()
}

/// Values that were damaged before anything began.
const DAMAGED: [&str; 4] = [
    "event.hq.001767000000.s1.begin.00000000000000000000000000000001",
    "pack.hq.001766000000.001767000000.00000000000000000000000000000002",
    "erased.hq.s2.001767000000000",
    "setaside.hq.00000000000000000000000000000003",
];

fn is_damaged(key: &str) -> bool {
    DAMAGED.contains(&key)
}

/// One schedule. Panics where something was lost, came back, or is there twice.
fn run(seed: u64, kind: Kind) {
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
    actors.push(rounder(store(7), 3));
    let overlap = random.bool();
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
    let of_session = |entry: &Entry| entry.key.lsid.as_ref().is_some_and(|lsid| lsid.as_str() == erased);
    let left: Vec<_> = visible(&world).into_iter().filter(of_session).collect();
    assert!(left.is_empty(), "seed {seed}: {left:?} was erased, and is there");
    world.set_clock(1, random);
    let ledger = RefCell::new(Ledger::default());
    run(taker(Seen { world: &world, actor: 1 }, &ledger, 0..EVENTS, random.fork(), &busy));
    let shown: BTreeSet<_> = visible(&world).iter().map(|entry| entry.key.to_string()).collect();
    let (removed, values) = (Removed::of(&world), world.values());
    for (key, recorded, _) in &ledger.borrow().taken {
        let is_cut = removed.has(&Entry::under(key, values[key].clone()).unwrap());
        assert!(
            is_cut || shown.contains(key),
            "seed {seed}: {key}, recorded {recorded} after the erasing, is not shown"
        );
    }
}

/// A world that is as another, and where nothing more happens there.
fn copy(world: &World, seed: u64) -> World {
    let copy = World::new(world.kind, seed);
    copy.versions.replace(vec![world.values()]);
    copy.writes.replace(world.writes.borrow().clone());
    copy.sent.replace(world.sent.borrow().clone());
    copy.calm.set(world.calm.get());
    copy.time.set(world.time.get());
    copy
}

/// Without a crash and without two rounds at once, nothing is sent more often than it was taken, unless nobody said that it came.
fn is_sent_once(world: &World, seed: u64) {
    let sent = world.sent.borrow();
    for (number, id) in sent.iter().filter(|(number, _)| *number == 0) {
        let times = sent.iter().filter(|(of, other)| of == number && other == id).count();
        let written =
            |(_, _, key, value): &&Write| value.is_some() && key.starts_with("event.") && key.ends_with(id.as_str());
        let takings = world.writes.borrow().iter().filter(written).count();
        assert!(times <= takings, "seed {seed}: {id} was taken {takings} times and sent {times} times");
    }
}

/// Lets an actor make one call. Whether it is done.
fn turn(world: &World, actor: &mut Actor) -> bool {
    world.time.set(world.time.get() + 1);
    world.turn.set(true);
    actor.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// The store as it is, without turns and without being late.
fn settled(world: &World) -> crate::support::Memory {
    crate::support::Memory { values: RefCell::new((*world.values()).clone()), calls: RefCell::default() }
}

/// What was removed, by all tombstones and cutoffs that were ever written.
struct Removed {
    records: BTreeSet<(String, String, u64)>,
    cutoffs: Vec<CutoffKey>,
}

impl Removed {
    fn of(world: &World) -> Self {
        let mut removed = Self { records: BTreeSet::new(), cutoffs: Vec::new() };
        for (_, _, key, value) in world.writes.borrow().iter().filter(|(_, _, key, _)| !is_damaged(key)) {
            let Some(value) = value else { continue };
            removed.cutoffs.extend(key.parse::<CutoffKey>());
            if let Some(session) = key.strip_prefix("erased.hq.").and_then(|rest| rest.split('.').next()) {
                for (id, recorded) in Marker::read(value).unwrap().records.unwrap() {
                    removed.records.insert((session.to_owned(), id, recorded));
                }
            }
        }
        removed
    }

    /// Whether a record was removed.
    fn has(&self, entry: &Entry) -> bool {
        self.has_listed(&entry.key, entry.recorded)
            || self.cutoffs.iter().any(|cutoff| entry.key.timestamp < cutoff.before && entry.delivered <= cutoff.until)
    }

    fn has_listed(&self, key: &EventKey, recorded: u64) -> bool {
        let lsid = key.lsid.as_ref().map(|lsid| lsid.as_str().to_owned()).unwrap_or_default();
        self.records.contains(&(lsid, key.id.to_string(), recorded))
    }

    /// Whether some of a session was removed.
    fn has_some_of(&self, key: &EventKey) -> bool {
        self.records.iter().any(|(lsid, ..)| key.lsid.as_ref().is_some_and(|of| of.as_str() == lsid))
    }

    /// Whether a record of that key may have been removed.
    fn may_concern(&self, key: &EventKey) -> bool {
        self.has_some_of(key) || self.cutoffs.iter().any(|cutoff| key.timestamp < cutoff.before)
    }
}

/// Nothing taken is lost, nothing is there twice, nothing is there that was removed, nothing went that is owed, and no destination was
/// given up.
fn hold(world: &World, ledger: &Ledger, seed: u64) {
    assert_eq!(*world.broken.borrow(), Vec::<String>::new(), "seed {seed}");
    let paused: Vec<_> = world.values().keys().filter(|key| key.starts_with("paused.")).cloned().collect();
    assert!(paused.is_empty(), "seed {seed}: {paused:?}, and less than an hour has passed");
    let shown = visible(world);
    let keys: Vec<_> = shown.iter().map(|entry| entry.key.to_string()).collect();
    let unique: BTreeSet<_> = keys.iter().collect();
    assert_eq!(unique.len(), keys.len(), "seed {seed}: a record is shown twice");
    let removed = Removed::of(world);
    // A cutoff that a clock wrote which was ahead covers nothing for a clock that is right.
    let now = world.now().timestamp_micros().unsigned_abs();
    let counts = |cutoff: &&CutoffKey| cutoff.until <= now;
    for entry in &shown {
        let cut =
            removed.cutoffs.iter().filter(counts).any(|c| entry.key.timestamp < c.before && entry.delivered <= c.until);
        let erased = removed.has_listed(&entry.key, entry.recorded);
        assert!(!cut && !erased, "seed {seed}: {} came back", entry.key);
    }
    let writes = world.writes.borrow();
    for (key, recorded, open) in &ledger.taken {
        let parsed: EventKey = key.parse().unwrap();
        let takings: Vec<_> = writes.iter().filter(|(_, _, of, _)| of == key).collect();
        let takings: Vec<_> = takings.iter().filter_map(|(.., value)| Entry::under(key, value.clone()?).ok()).collect();
        let this = takings.iter().filter(|entry| entry.recorded == *recorded);
        let is_gone = this.clone().next().is_none() || this.clone().any(|entry| removed.has(entry));
        // The other sending, which began before the erasing, was written after it and over this one.
        let open = (*open || takings.iter().any(|entry| removed.has(entry)))
            && takings.len() > 1
            && removed.may_concern(&parsed);
        let shown = unique.contains(key);
        let aged = world.may_age(&parsed);
        assert!(is_gone || open || aged || shown, "seed {seed}: {key}, recorded {recorded}, is lost");
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
    let removed = Removed::of(world);
    for (key, ..) in &ledger.taken {
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
        pollster::block_on(pass_if_due(&platform, &policy(), &mut Backlogs::new(&[]), &BOUND)).unwrap();
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
    let checked = pollster::block_on(archive::check::check(&store, |_, _| ())).unwrap();
    let faults: Vec<_> = checked.faults.iter().filter(|fault| !is_damaged(&fault.key)).collect();
    assert!(faults.is_empty(), "seed {seed}: {faults:?}");
}

#[test]
fn schedules_that_once_failed_no_longer_do() {
    for seed in KEPT {
        for kind in [AGREES, LATE, WRONG_CLOCKS, LATE_WRONG_CLOCKS, BLIND_WRONG_CLOCKS] {
            run(seed, kind);
        }
    }
}

fn all(kind: Kind) {
    (0..schedules()).for_each(|seed| run(seed, kind));
}

#[test]
fn on_a_store_that_agrees_at_once_nothing_is_lost_and_nothing_comes_back() {
    all(AGREES);
}

#[test]
fn on_a_store_whose_lists_and_reads_are_late_nothing_is_lost_and_nothing_comes_back() {
    all(LATE);
}

#[test]
fn by_clocks_that_are_wrong_nothing_is_lost_and_nothing_comes_back() {
    all(WRONG_CLOCKS);
}

#[test]
fn on_a_store_that_is_late_by_clocks_that_are_wrong_nothing_is_lost_and_nothing_comes_back() {
    all(LATE_WRONG_CLOCKS);
}

#[test]
fn where_lists_are_late_for_ones_own_writes_nothing_is_lost_and_nothing_comes_back() {
    all(BLIND_WRONG_CLOCKS);
}
