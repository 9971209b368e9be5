//! One run of everything, with a bar that shows how far it is.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::Result;
use appliance::progress::bar;
use indicatif::{ProgressBar, ProgressDrawTarget};
use outbound_events_host::port::NativeStore;
use outbound_events_host::store::KeyValueStore;

use crate::backlog::{self, Drained};
use crate::contender::{Contender, Kind, RECIPIENT, folder, store_path};
use crate::crowded::{self, Crowded};
use crate::floor::Floor;
use crate::forwarding::{self, Forwarding};
use crate::kills::{self, Ledger};
use crate::load::{self, Work};
use crate::reading::{self, Filled, Read, Resource};
use crate::report::{Figures, Packed, Sized};
use crate::rounds::{Series, Subject, Turns, take_turns};
use crate::{cost, filled};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// What each contender gets for each kind of work.
    pub turns: Turns,
    /// How long each is sent events before: the first megabytes of a new store are slower.
    pub warm_up: Duration,
    /// What a host that packs and one that does not get: long enough for several passes.
    pub packing: Turns,
    /// How many events the stores hold that are read from.
    pub filled: &'static [u64],
    /// How many loose events are packed by passes, to count the keys that are left. 0: none.
    pub packed: u64,
    /// How many loose events many read at once, and the turns of who sends meanwhile: long enough for some of them to be answered.
    pub crowded: (u64, Turns),
    /// About how many events a backlog has, and how many there are.
    pub backlog: (u64, u64),
    /// How many events are delivered one by one, and how many are pending at once.
    pub forwarding: (u32, u64),
    /// How often the host is started, with a compiled component and without.
    pub starts: usize,
    /// How often it is killed.
    pub kills: u64,
}

impl Extent {
    /// What the figures in the documents come from.
    pub const FULL: Self = Self {
        turns: Turns { rounds: 5, time: Duration::from_secs(1) },
        warm_up: Duration::from_secs(2),
        packing: Turns { rounds: 3, time: Duration::from_secs(6) },
        filled: &[10_000, 100_000, 1_000_000, 10_000_000],
        packed: 1_000_000,
        crowded: (400_000, Turns { rounds: 3, time: Duration::from_secs(6) }),
        backlog: (5_000, 2),
        forwarding: (30, 10_000),
        starts: 9,
        kills: 100,
    };

    /// For a look in between.
    pub const QUICK: Self = Self {
        turns: Turns { rounds: 5, time: Duration::from_millis(400) },
        warm_up: Duration::from_millis(800),
        packing: Turns { rounds: 3, time: Duration::from_secs(2) },
        filled: &[10_000, 100_000, 1_000_000],
        packed: 0,
        crowded: (400_000, Turns { rounds: 3, time: Duration::from_millis(1_500) }),
        backlog: (1_000, 1),
        forwarding: (10, 10_000),
        starts: 3,
        kills: 20,
    };
}

/// Measures everything, one thing after the other.
pub async fn measure(extent: &Extent) -> Result<Figures> {
    let (run, sizes) = (Run::new(extent), cost::sizes()?);
    run.begins("starting the contenders");
    let contenders = Kind::all().into_iter().map(Contender::start).collect::<Result<Vec<_>>>()?;
    run.warm_up(&contenders).await?;
    let state = folder()?;
    let floor = Floor::new(state.path())?;
    let all = || contenders.iter().map(Subject::Recipient);
    let with_floor: Vec<_> = all().chain([Subject::Floor(&floor)]).collect();
    let serial = run.rounds("one connection", &with_floor, Work::KeptAlive(1)).await?;
    let all: Vec<_> = all().collect();
    let reconnecting = run.rounds("a connection an event", &all, Work::Reconnecting).await?;
    let together = run.rounds("32 connections", &all, Work::KeptAlive(32)).await?;
    let crowd = run.rounds("256 connections", &all, Work::KeptAlive(256)).await?;
    let backlog = run.backlog(&contenders)?;
    let memory = contenders.iter().filter_map(|c| Some((c.name().to_owned(), c.peak_memory()?))).collect();
    drop(contenders);
    let [packing, packing_serial] = run.packing().await?;
    let forwarding = run.forwarding().await?;
    let stores = run.filled_stores().await?;
    let read = run.reading(&stores).await?;
    let filled = run.taking(&stores).await?;
    let reader_memory = stores.last().and_then(|store| store.host.peak_memory());
    let sized =
        stores.iter().map(|store| Sized { events: store.events, keys: store.keys, bytes: store.bytes }).collect();
    drop(stores);
    let packed = run.packed().await?;
    let crowded = run.crowded().await?;
    run.begins("one event at a time, step by step");
    let (steps, events) = (cost::of_steps(RECIPIENT, 2_000).await?, cost::of_kinds(RECIPIENT).await?);
    let starts = run.starts().await?;
    let kills = run.kills().await?;
    Ok(Figures {
        serial,
        reconnecting,
        together,
        crowd,
        packing,
        packing_serial,
        forwarding,
        sized,
        read,
        reader_memory,
        packed,
        crowded,
        filled,
        backlog,
        memory,
        sizes,
        steps,
        starts,
        events,
        kills,
    })
}

/// A run under way.
struct Run<'a> {
    extent: &'a Extent,
    bar: ProgressBar,
    started: Instant,
}

impl<'a> Run<'a> {
    fn new(extent: &'a Extent) -> Self {
        let template = "{elapsed_precise} {wide_bar} {percent} %\n{prefix}: {msg}";
        let bar = bar(ProgressDrawTarget::stderr(), Some(planned(extent).as_millis() as u64), template);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { extent, bar, started: Instant::now() }
    }

    /// Says what comes: on the bar, or in a line where there is no terminal for one.
    fn begins(&self, what: &str) {
        self.bar.set_prefix(what.to_owned());
        self.bar.set_message("");
        if self.bar.is_hidden() {
            eprintln!("{:4} s  {what}", self.started.elapsed().as_secs());
        }
    }

    fn has_spent(&self, time: Duration) {
        self.bar.inc(time.as_millis() as u64);
    }

    async fn warm_up(&self, contenders: &[Contender]) -> Result<()> {
        self.begins("warming up");
        for contender in contenders {
            load::slice(contender, Work::KeptAlive(32), self.extent.warm_up).await?;
            self.has_spent(self.extent.warm_up);
        }
        Ok(())
    }

    async fn rounds(&self, what: &str, subjects: &[Subject<'_>], work: Work) -> Result<Vec<Series>> {
        self.begins(what);
        take_turns(subjects, work, self.extent.turns, &self.bar).await
    }

    fn backlog(&self, contenders: &[Contender]) -> Result<Vec<(String, Vec<Drained>)>> {
        let (events, drains) = self.extent.backlog;
        self.begins("draining a backlog");
        let mut all: Vec<_> = contenders.iter().map(|contender| (contender.name().to_owned(), Vec::new())).collect();
        // Another seed each time: what is sent twice is a duplicate, which costs less.
        for seed in 0..drains {
            for (contender, (name, drained)) in contenders.iter().zip(&mut all) {
                self.bar.set_message(name.clone());
                drained.push(backlog::drain(contender, events, seed)?);
                self.has_spent(DRAIN * events as u32);
            }
        }
        Ok(all)
    }

    /// A host that packs against one that does not, on 32 connections and on one.
    async fn packing(&self) -> Result<[Vec<Series>; 2]> {
        let hosts = [Kind::Host, Kind::Loose].map(Contender::start).into_iter().collect::<Result<Vec<_>>>()?;
        self.warm_up(&hosts).await?;
        let subjects: Vec<_> = hosts.iter().map(Subject::Recipient).collect();
        let mut both = [const { Vec::new() }; 2];
        for (series, connections) in both.iter_mut().zip([32, 1]) {
            self.begins(&format!("packing and not, connections: {connections}"));
            *series = take_turns(&subjects, Work::KeptAlive(connections), self.extent.packing, &self.bar).await?;
        }
        Ok(both)
    }

    /// What pushing on costs who sends, and how fast it is.
    async fn forwarding(&self) -> Result<Forwarding> {
        self.begins("pushing on");
        let Extent { turns, warm_up, forwarding: (events, backlog), .. } = *self.extent;
        forwarding::measure(turns, warm_up, events, backlog, &self.bar).await
    }

    /// Hosts on stores that hold many events, nearly all in packs.
    async fn filled_stores(&self) -> Result<Vec<Filled>> {
        self.begins("filling stores");
        let mut stores = Vec::new();
        for &events in self.extent.filled {
            let name = format!("{events} events stored before");
            self.bar.set_message(name.clone());
            let state = folder()?;
            let path = store_path(state.path());
            filled::packed(&path, events, |wrote| self.has_spent(FILL * wrote as u32)).await?;
            let (keys, bytes) = (filled::keys(&path).await?, fs::metadata(&path)?.len());
            stores.push(Filled { host: Contender::start_in(state, Kind::Host, name)?, events, keys, bytes });
        }
        Ok(stores)
    }

    async fn reading(&self, stores: &[Filled]) -> Result<Vec<Read>> {
        self.begins("reading");
        reading::read(stores, self.extent.turns.rounds, || self.has_spent(READ)).await
    }

    /// 32 connections, on a store that began empty and on those that did not.
    async fn taking(&self, stores: &[Filled]) -> Result<Vec<Series>> {
        self.begins("32 connections, on filled stores");
        let empty = Contender::start_in(folder()?, Kind::Host, "0 events stored before".to_owned())?;
        load::slice(&empty, Work::KeptAlive(32), self.extent.warm_up).await?;
        let all = std::iter::once(&empty).chain(stores.iter().map(|store| &store.host));
        let subjects: Vec<_> = all.map(Subject::Recipient).collect();
        take_turns(&subjects, Work::KeptAlive(32), self.extent.turns, &self.bar).await
    }

    /// Loose events, packed by passes.
    async fn packed(&self) -> Result<Option<Packed>> {
        let events = self.extent.packed;
        if events == 0 {
            return Ok(None);
        }
        self.begins("packing loose events");
        let folder = folder()?;
        let path = store_path(folder.path());
        filled::fill(&path, events, |wrote| self.has_spent(FILL * wrote as u32))?;
        let started = Instant::now();
        filled::pack_all(&NativeStore(KeyValueStore::sqlite(&path)?)).await?;
        Ok(Some(Packed { events, keys: filled::keys(&path).await?, seconds: started.elapsed().as_secs_f64() }))
    }

    /// Many who read at once, while an appliance sends.
    async fn crowded(&self) -> Result<Crowded> {
        self.begins("many readers");
        let (keys, turns) = self.extent.crowded;
        crowded::measure(keys, turns, &self.bar, |wrote| self.has_spent(FILL * wrote as u32)).await
    }

    async fn starts(&self) -> Result<[f64; 2]> {
        self.begins("starting the host");
        let mut starts = [0.0; 2];
        for (milliseconds, cached) in starts.iter_mut().zip([true, false]) {
            *milliseconds = cost::of_a_start(self.extent.starts, cached).await?;
            self.has_spent(START * self.extent.starts as u32);
        }
        Ok(starts)
    }

    async fn kills(&self) -> Result<Ledger> {
        self.begins("killing the host under load");
        kills::kill(self.extent.kills, || self.has_spent(KILL)).await
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// About what an event of a backlog takes. Like the three below it moves the bar, and decides nothing.
const DRAIN: Duration = Duration::from_millis(1);

/// About what it takes to write an event into a store that is filled.
const FILL: Duration = Duration::from_micros(25);

/// About what a resource takes to read.
const READ: Duration = Duration::from_millis(50);

/// About what a start of the host takes.
const START: Duration = Duration::from_millis(800);

/// About what a life and a kill of the host take.
const KILL: Duration = Duration::from_millis(200);

/// About how long a run takes.
fn planned(extent: &Extent) -> Duration {
    let contenders = Kind::all().len();
    let stores = extent.filled.len();
    let turns = 4 * contenders + 1 + 1 + stores;
    let (events, drains) = extent.backlog;
    extent.turns.time * (turns * extent.turns.rounds) as u32
        + extent.warm_up * (contenders + 2) as u32
        + extent.turns.time * (4 * extent.turns.rounds) as u32
        + extent.packing.time * (2 * 2 * extent.packing.rounds) as u32
        + READ * (stores * Resource::ALL.len() * extent.turns.rounds) as u32
        + DRAIN * (events * drains) as u32 * contenders as u32
        + FILL * (extent.filled.iter().sum::<u64>() + extent.packed + extent.crowded.0) as u32
        + extent.crowded.1.time * (2 * extent.crowded.1.rounds) as u32
        + START * (2 * extent.starts) as u32
        + KILL * extent.kills as u32
}
