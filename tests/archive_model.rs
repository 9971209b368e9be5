//! A model of the archive and of forwarding: passes, rounds, takings, repeats, an erasing and a retention are interleaved at every
//! call of the store and of a destination, and each may die at any. What is stored in the end, and what destinations got, is held
//! against a ledger of what was answered. One destination takes everything; the other fails, refuses, hangs and answers late.
//!
//! It runs on a store that agrees at once, and on one whose lists and reads are late, as those of a replicated platform are. A
//! seed decides a schedule; what fails names its seed, which is then kept in [`KEPT`].
//!
//! One thing is left open on purpose (`docs/architecture.md`): an event of a session that is erased, and that is sent twice while a
//! pass or the erasing is under way, may go with the erasing. It is the same event, and it was to be gone.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::support::now;
use chrono::{DateTime, TimeDelta, Utc};
use fastrand::Rng;
use http::{Request, Response};
use outbound_events::archive::events::Wanted;
use outbound_events::archive::pack::Entry;
use outbound_events::archive::packing::{Bound, Policy, pass};
use outbound_events::archive::removal::{erase, remove_before};
use outbound_events::archive::{self, View, events};
use outbound_events::event::{Lsid, Timestamp};
use outbound_events::forward::destination::Destination;
use outbound_events::forward::round::Rounds;
use outbound_events::forward::{Deliver, NoWayOut, NotSent};
use outbound_events::identity::Site;
use outbound_events::service::Service;
use outbound_events::settings::Variables;
use outbound_events::store::{Store, StoreError};

/// Seeds that once failed, each with what was wrong then.
const KEPT: [u64; 0] = [];

/// How many schedules are tried on each kind of store.
const SCHEDULES: u64 = 2_000;

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
    /// How many versions late a read may be.
    late: usize,
    random: RefCell<Rng>,
    time: Cell<i64>,
    /// Whether the actor that has its turn may still make a call.
    turn: Cell<bool>,
}

impl World {
    fn now(&self) -> DateTime<Utc> {
        now() + TimeDelta::milliseconds(self.time.get())
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

    /// No loose record may go that a destination is owed, but with its session or at the horizon.
    fn deletes(&self, key: &str) {
        let (erased, horizon) = covers(self);
        let key: outbound_events::keys::EventKey = key.parse().unwrap();
        let may_go = key.timestamp.seconds() < horizon
            || key.lsid.as_ref().is_some_and(|lsid| erased.contains_key(lsid.as_str()));
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
        if self.late > 0 {
            return;
        }
        let (erased, horizon) = covers(self);
        let now = self.values();
        let listed: Vec<outbound_events::keys::EventKey> =
            self.listed.borrow()[&actor].iter().filter_map(|key| key.parse().ok()).collect();
        let Some(time) = listed.iter().find(|key| key.id.to_string() == id).map(|key| key.timestamp) else { return };
        for older in listed.iter().filter(|key| key.timestamp < time && now.contains_key(&key.to_string())) {
            let other = older.id.to_string();
            let gone = older.timestamp.seconds() < horizon
                || older.lsid.as_ref().is_some_and(|lsid| erased.contains_key(lsid.as_str()));
            if !gone && !is_refused(number, &other) && !self.sent.borrow().contains(&(number, other)) {
                self.broken.borrow_mut().push(format!("{id} was sent to {} before {older}", DESTINATIONS[number]));
            }
        }
    }

    /// What an actor sees: the store as it was a while ago, and all that it wrote itself.
    fn seen(&self, actor: usize) -> Values {
        let last = self.versions.borrow().len() - 1;
        let version = last - self.random.borrow_mut().usize(..=self.late).min(last);
        let mut values = (*self.versions.borrow()[version]).clone();
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
        Ok(self.world.seen(self.actor).contains_key(key))
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Turn(self.world).await;
        Ok(self.world.seen(self.actor).remove(key))
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
        let keys: Vec<_> = self.world.seen(self.actor).into_keys().collect();
        self.world.listed.borrow_mut().insert(self.actor, keys.clone());
        Ok(keys)
    }
}

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

    async fn wait(&self, time: std::time::Duration) {
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
            let clock = || store.world.now();
            let rounds = Rounds {
                store: &store,
                deliver: &store,
                clock: &clock,
                destinations: &destinations,
                max_requests_per_hour: None,
            };
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
    Policy { destinations: destinations(), ..Policy::packs(3) }
}

const BOUND: Bound = Bound { events: 6, loose: 8, time: std::time::Duration::from_secs(60) };

fn site() -> Site {
    Site::parse("hq").unwrap()
}

fn session(number: u64) -> String {
    format!("s{number}")
}

/// The form of one of a few events: what is sent twice is a repeat.
fn form(number: u64) -> String {
    let event = ["begin", "end", "customer_exit_survey_completed"][(number % 3) as usize];
    format!("event=support_conference_{event}&version=1&timestamp={}&lsid={}", 1_000 + number * 10, session(number % 4))
}

const EVENTS: u64 = 24;

/// What an actor does until it is done.
type Actor<'w> = Pin<Box<dyn Future<Output = ()> + 'w>>;

/// Takes events, one after the other, as a sender sends them.
fn taker<'w>(store: Seen<'w>, ledger: &'w RefCell<Ledger>, mut random: Rng, busy: &'w Cell<u64>) -> Actor<'w> {
    Box::pin(async move {
        for _ in 0..random.usize(4..16) {
            let mut body = Some(form(random.u64(..EVENTS)).into_bytes());
            let head = http::Request::post("/events/hq").body(()).unwrap().into_parts().0;
            let variable = |name: &str| Ok((name == "ingest_open").then(|| "true".to_owned()));
            let variables = Variables::new(&variable);
            let clock = || store.world.now();
            let service = Service { store: &store, deliver: &NoWayOut, variables: &variables, clock };
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
            let open = store.world.late > 0 || before > 0 || busy.get() > 0;
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

fn passer<'w>(store: Seen<'w>, times: usize, busy: &'w Cell<u64>) -> Actor<'w> {
    Box::pin(async move {
        for _ in 0..times {
            let _busy = Busy::new(busy);
            // A store that is late may not give back at once what was written: then the pass breaks off.
            let _ = pass(&store, &policy(), &BOUND, &|| store.world.now()).await;
        }
    })
}

fn eraser<'w>(store: Seen<'w>, session: String, busy: &'w Cell<u64>) -> Actor<'w> {
    Box::pin(async move {
        let _busy = Busy::new(busy);
        let lsid = Lsid::parse(&session).unwrap();
        let _ = erase(&store, &site(), &lsid, &BOUND, &|| store.world.now()).await;
    })
}

fn pruner<'w>(store: Seen<'w>, before: u64, busy: &'w Cell<u64>) -> Actor<'w> {
    Box::pin(async move {
        let _busy = Busy::new(busy);
        let before = Timestamp::from_seconds(before).unwrap();
        let _ = remove_before(&store, before, &BOUND, &|| store.world.now()).await;
    })
}

/// All that a reader sees.
fn visible(store: &impl Store) -> Vec<Entry> {
    let wanted =
        Wanted { site: None, event: None, from: None, to: None, after: None, limit: 10_000, max_bytes: usize::MAX };
    let page = pollster::block_on(archive::read(store, async |view: &mut View<'_, _>| {
        let page = events::list(view, &wanted).await?;
        assert!(view.unreadable.is_empty(), "{:?}", view.unreadable);
        Ok(page.events)
    }));
    page.unwrap()
}

/// One schedule. Panics where something was lost, came back, or is there twice.
fn run(seed: u64, late: usize) {
    let mut random = Rng::with_seed(seed);
    let world = World {
        versions: RefCell::new(vec![Rc::default()]),
        writes: RefCell::default(),
        sent: RefCell::default(),
        listed: RefCell::default(),
        broken: RefCell::default(),
        calm: Cell::new(false),
        late,
        random: RefCell::new(Rng::with_seed(seed ^ 0x5eed)),
        time: Cell::new(0),
        turn: Cell::new(false),
    };
    let (ledger, busy) = (RefCell::new(Ledger::default()), Cell::new(0));
    // A store is not empty when it gets old.
    let first = Seen { world: &world, actor: 0 };
    let mut warm_up: Vec<Actor> = vec![taker(first, &ledger, random.fork(), &busy), passer(first, 1, &busy)];
    warm_up.drain(..).for_each(|mut actor| while !turn(&world, &mut actor) {});
    let erased = session(random.u64(..4));
    let horizon = 1_000 + random.u64(..8) * 10;
    let mut actors: Vec<Actor> = Vec::new();
    let store = |actor| Seen { world: &world, actor };
    actors.push(taker(store(1), &ledger, random.fork(), &busy));
    actors.push(taker(store(2), &ledger, random.fork(), &busy));
    actors.push(passer(store(3), 2, &busy));
    actors.push(passer(store(4), 2, &busy));
    actors.push(eraser(store(5), erased.clone(), &busy));
    actors.push(rounder(store(7), 3));
    let overlap = random.bool();
    if overlap {
        actors.push(rounder(store(8), 3));
    }
    if random.bool() {
        actors.push(pruner(store(6), horizon, &busy));
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
        if random.u8(..40) == 0 {
            hold(&world, &ledger.borrow(), seed);
        }
    }
    hold(&world, &ledger.borrow(), seed);
    if late == 0 && !deadly && !overlap {
        is_sent_once(&world, seed);
    }
    settle(&world, &ledger.borrow(), seed);
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

/// Until when what was recorded of a session was erased, and the horizon, by all that was ever written.
fn covers(world: &World) -> (BTreeMap<String, u64>, u64) {
    let (mut erased, mut horizon) = (BTreeMap::new(), 0);
    for (_, _, key, value) in world.writes.borrow().iter().filter(|(_, _, _, value)| value.is_some()) {
        let parts: Vec<_> = key.split('.').collect();
        match parts[0] {
            "erased" => {
                let until: u64 = parts[3].parse().unwrap();
                let latest = erased.entry(parts[2].to_owned()).or_default();
                *latest = until.max(*latest);
            }
            "horizon" => horizon = horizon.max(parts[1].parse().unwrap()),
            _ => {}
        }
        let _ = value;
    }
    (erased, horizon)
}

/// Nothing taken is lost, nothing is there twice, nothing is there that was erased, nothing went that is owed.
fn hold(world: &World, ledger: &Ledger, seed: u64) {
    assert_eq!(*world.broken.borrow(), Vec::<String>::new(), "seed {seed}");
    let shown = visible(&settled(world));
    let keys: Vec<_> = shown.iter().map(|entry| entry.key.to_string()).collect();
    let unique: BTreeSet<_> = keys.iter().collect();
    assert_eq!(unique.len(), keys.len(), "seed {seed}: a record is shown twice");
    let (erased, horizon) = covers(world);
    let gone = |entry: &outbound_events::keys::EventKey, recorded: u64| {
        let until = entry.lsid.as_ref().and_then(|lsid| erased.get(lsid.as_str()));
        entry.timestamp.seconds() < horizon || until.is_some_and(|until| recorded <= *until)
    };
    for entry in &shown {
        assert!(!gone(&entry.key, entry.recorded), "seed {seed}: {} came back", entry.key);
    }
    for (key, recorded, open) in &ledger.taken {
        let is_gone = gone(&key.parse().unwrap(), *recorded);
        let takings = world.writes.borrow().iter().filter(|(_, _, of, value)| of == key && value.is_some()).count();
        let until = erased.get(key.split('.').nth(3).unwrap());
        // The other sending, which began before the erasing, was written after it and over this one.
        let older = |(_, _, of, value): &Write| {
            let entry = value.clone().filter(|_| of == key).map(|value| Entry::under(key, value).unwrap());
            entry.is_some_and(|entry| until.is_some_and(|until| entry.recorded <= *until))
        };
        let open = (*open || world.writes.borrow().iter().any(older)) && takings > 1 && until.is_some();
        assert!(is_gone || open || unique.contains(key), "seed {seed}: {key}, recorded {recorded}, is lost");
    }
}

/// Rounds that nothing disturbs: what is owed reaches everyone. What is stored then.
fn sent_on(world: &World, ledger: &Ledger, seed: u64) -> Values {
    world.calm.set(true);
    world.time.set(world.time.get() + 4_000_000);
    let agrees = World {
        versions: RefCell::new(vec![world.values()]),
        writes: RefCell::new(world.writes.borrow().clone()),
        sent: RefCell::new(world.sent.borrow().clone()),
        listed: RefCell::default(),
        broken: RefCell::default(),
        calm: Cell::new(true),
        late: 0,
        random: RefCell::new(Rng::with_seed(seed)),
        time: Cell::new(world.time.get()),
        turn: Cell::new(false),
    };
    let mut last = rounder(Seen { world: &agrees, actor: 9 }, 2);
    while !turn(&agrees, &mut last) {}
    drop(last);
    let (erased, horizon) = covers(world);
    for (key, _, _) in &ledger.taken {
        let key: outbound_events::keys::EventKey = key.parse().unwrap();
        let gone = key.timestamp.seconds() < horizon
            || key.lsid.as_ref().is_some_and(|lsid| erased.contains_key(lsid.as_str()));
        for (number, name) in DESTINATIONS.iter().enumerate() {
            let id = key.id.to_string();
            let got = is_refused(number, &id) || agrees.sent.borrow().contains(&(number, id));
            assert!(gone || got, "seed {seed}: {name} never got {key}");
        }
    }
    (*agrees.values()).clone()
}

/// Passes that nothing disturbs, today and when tombstones are old: still the same, and nothing that was erased is left.
fn settle(world: &World, ledger: &Ledger, seed: u64) {
    let values = sent_on(world, ledger, seed);
    world.versions.borrow_mut().push(Rc::new(values));
    let store = settled(world);
    for days in [0, 0, 2, 2] {
        let clock = || world.now() + TimeDelta::days(days);
        pollster::block_on(pass(&store, &policy(), &BOUND, &clock)).unwrap();
    }
    world.versions.borrow_mut().push(Rc::new(store.values.borrow().clone()));
    hold(world, ledger, seed);
    let keys = store.keys();
    assert!(!keys.iter().any(|key| key.starts_with("erased.")), "seed {seed}: {keys:?}");
    let loose = keys.iter().filter(|key| key.starts_with("event.")).count();
    assert!(loose <= policy().loose_events + 1, "seed {seed}: {loose} are still loose");
    let checked = pollster::block_on(archive::check::check(&store, |_, _| ())).unwrap();
    assert_eq!(checked.faults, BTreeSet::new(), "seed {seed}");
}

#[test]
fn schedules_that_once_failed_no_longer_do() {
    for seed in KEPT {
        run(seed, 0);
        run(seed, 30);
    }
}

#[test]
fn on_a_store_that_agrees_at_once_nothing_is_lost_and_nothing_comes_back() {
    (0..SCHEDULES).for_each(|seed| run(seed, 0));
}

#[test]
fn on_a_store_whose_lists_and_reads_are_late_nothing_is_lost_and_nothing_comes_back() {
    (0..SCHEDULES).for_each(|seed| run(seed, 30));
}
