//! One complete run, with a progress bar.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::Result;
use appliance::progress::bar;
use indicatif::{ProgressBar, ProgressDrawTarget};
use outbound_events_host::port::NativeStore;
use outbound_events_host::store::KeyValueStore;

use crate::backlog::{self, Drained};
use crate::contender::{Contender, ContenderKind, RECIPIENT, folder, store_path};
use crate::crowded::{self, CrowdedFigures};
use crate::floor::Floor;
use crate::forwarding::{self, ForwardingFigures};
use crate::kills::{self, KillLedger};
use crate::load::{self, Workload};
use crate::reading::{self, Filled, Read, ReadResource};
use crate::report::{BenchFigures, PackedStore, SizedStore};
use crate::rounds::{Series, Subject, Turns, take_turns};
use crate::{cost, filled};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct BenchExtent {
    /// The turns of each contender for each workload.
    pub turns: Turns,
    /// The time of sending before each measurement: the first megabytes of a new store are slower.
    pub warm_up: Duration,
    /// The turns of hosts with and without compaction, long enough for several passes.
    pub packing: Turns,
    /// The numbers of events of the stores for reading.
    pub filled: &'static [u64],
    /// The number of loose events for compaction, to count the remaining keys. 0: not measured.
    pub packed: u64,
    /// The number of loose events for many readers, and the turns of the sender, long enough for some answers to
    /// readers.
    pub crowded: (u64, Turns),
    /// The approximate number of events of a backlog, and the number of backlogs.
    pub backlog: (u64, u64),
    /// The number of deliveries that are timed one by one, and the number of pending events of a backlog.
    pub forwarding: (u32, u64),
    /// The number of starts of the host, with a compiled component and without.
    pub starts: usize,
    /// The number of kills.
    pub kills: u64,
}

impl BenchExtent {
    /// For the figures in the documentation.
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

    /// For a quick check.
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
pub async fn measure(extent: &BenchExtent) -> Result<BenchFigures> {
    let (run, sizes) = (BenchRun::new(extent), cost::sizes()?);
    run.begin("starting the contenders");
    let contenders = ContenderKind::available().into_iter().map(Contender::start).collect::<Result<Vec<_>>>()?;
    run.warm_up(&contenders).await?;
    let state = folder()?;
    let floor = Floor::new(state.path())?;
    let all = || contenders.iter().map(Subject::Recipient);
    let with_floor: Vec<_> = all().chain([Subject::Floor(&floor)]).collect();
    let serial = run.rounds("one connection", &with_floor, Workload::KeptAlive(1)).await?;
    let all: Vec<_> = all().collect();
    let reconnecting = run.rounds("a new connection for each event", &all, Workload::Reconnecting).await?;
    let together = run.rounds("32 connections", &all, Workload::KeptAlive(32)).await?;
    let crowd = run.rounds("256 connections", &all, Workload::KeptAlive(256)).await?;
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
        stores.iter().map(|store| SizedStore { events: store.events, keys: store.keys, bytes: store.bytes }).collect();
    drop(stores);
    let packed = run.packed().await?;
    let crowded = run.crowded().await?;
    run.begin("one event at a time, step by step");
    let (steps, events) = (cost::step_times(RECIPIENT, 2_000).await?, cost::event_costs(RECIPIENT).await?);
    let starts = run.starts().await?;
    let kills = run.kills().await?;
    Ok(BenchFigures {
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

/// The run in progress.
struct BenchRun<'a> {
    extent: &'a BenchExtent,
    bar: ProgressBar,
    started: Instant,
}

impl<'a> BenchRun<'a> {
    fn new(extent: &'a BenchExtent) -> Self {
        let template = "{elapsed_precise} {wide_bar} {percent} %\n{prefix}: {msg}";
        let bar = bar(ProgressDrawTarget::stderr(), Some(planned(extent).as_millis() as u64), template);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { extent, bar, started: Instant::now() }
    }

    /// Shows the next step: on the bar, or in a line without a terminal.
    fn begin(&self, what: &str) {
        self.bar.set_prefix(what.to_owned());
        self.bar.set_message("");
        if self.bar.is_hidden() {
            eprintln!("{:4} s  {what}", self.started.elapsed().as_secs());
        }
    }

    fn advance(&self, time: Duration) {
        self.bar.inc(time.as_millis() as u64);
    }

    async fn warm_up(&self, contenders: &[Contender]) -> Result<()> {
        self.begin("warming up");
        for contender in contenders {
            load::slice(contender, Workload::KeptAlive(32), self.extent.warm_up).await?;
            self.advance(self.extent.warm_up);
        }
        Ok(())
    }

    async fn rounds(&self, what: &str, subjects: &[Subject<'_>], work: Workload) -> Result<Vec<Series>> {
        self.begin(what);
        take_turns(subjects, work, self.extent.turns, &self.bar).await
    }

    fn backlog(&self, contenders: &[Contender]) -> Result<Vec<(String, Vec<Drained>)>> {
        let (events, drains) = self.extent.backlog;
        self.begin("draining a backlog");
        let mut all: Vec<_> = contenders.iter().map(|contender| (contender.name().to_owned(), Vec::new())).collect();
        // Another seed for each drain: duplicates would be cheaper.
        for seed in 0..drains {
            for (contender, (name, drained)) in contenders.iter().zip(&mut all) {
                self.bar.set_message(name.clone());
                drained.push(backlog::drain(contender, events, seed)?);
                self.advance(DRAIN * events as u32);
            }
        }
        Ok(all)
    }

    /// A host with compaction against a host without, on 32 connections and on one.
    async fn packing(&self) -> Result<[Vec<Series>; 2]> {
        let hosts = [ContenderKind::Host, ContenderKind::Loose]
            .map(Contender::start)
            .into_iter()
            .collect::<Result<Vec<_>>>()?;
        self.warm_up(&hosts).await?;
        let subjects: Vec<_> = hosts.iter().map(Subject::Recipient).collect();
        let mut both = [const { Vec::new() }; 2];
        for (series, connections) in both.iter_mut().zip([32, 1]) {
            self.begin(&format!("packing and not, connections: {connections}"));
            *series = take_turns(&subjects, Workload::KeptAlive(connections), self.extent.packing, &self.bar).await?;
        }
        Ok(both)
    }

    async fn forwarding(&self) -> Result<ForwardingFigures> {
        self.begin("forwarding");
        let BenchExtent { turns, warm_up, forwarding: (events, backlog), .. } = *self.extent;
        forwarding::measure(turns, warm_up, events, backlog, &self.bar).await
    }

    /// Hosts on stores with many events, nearly all in packs.
    async fn filled_stores(&self) -> Result<Vec<Filled>> {
        self.begin("filling stores");
        let mut stores = Vec::new();
        for &events in self.extent.filled {
            let name = format!("{events} events stored before");
            self.bar.set_message(name.clone());
            let state = folder()?;
            let path = store_path(state.path());
            filled::packed(&path, events, |wrote| self.advance(FILL * wrote as u32)).await?;
            let (keys, bytes) = (filled::count_keys(&path).await?, fs::metadata(&path)?.len());
            stores.push(Filled { host: Contender::start_in(state, ContenderKind::Host, name)?, events, keys, bytes });
        }
        Ok(stores)
    }

    async fn reading(&self, stores: &[Filled]) -> Result<Vec<Read>> {
        self.begin("reading");
        reading::measure(stores, self.extent.turns.rounds, || self.advance(READ)).await
    }

    /// 32 connections on an empty store and on filled stores.
    async fn taking(&self, stores: &[Filled]) -> Result<Vec<Series>> {
        self.begin("32 connections, on filled stores");
        let empty = Contender::start_in(folder()?, ContenderKind::Host, "0 events stored before".to_owned())?;
        load::slice(&empty, Workload::KeptAlive(32), self.extent.warm_up).await?;
        let all = std::iter::once(&empty).chain(stores.iter().map(|store| &store.host));
        let subjects: Vec<_> = all.map(Subject::Recipient).collect();
        take_turns(&subjects, Workload::KeptAlive(32), self.extent.turns, &self.bar).await
    }

    /// Compaction of loose events.
    async fn packed(&self) -> Result<Option<PackedStore>> {
        let events = self.extent.packed;
        if events == 0 {
            return Ok(None);
        }
        self.begin("packing loose events");
        let folder = folder()?;
        let path = store_path(folder.path());
        filled::fill(&path, events, |wrote| self.advance(FILL * wrote as u32))?;
        let started = Instant::now();
        filled::pack_all(&NativeStore(KeyValueStore::sqlite(&path)?)).await?;
        Ok(Some(PackedStore {
            events,
            keys: filled::count_keys(&path).await?,
            seconds: started.elapsed().as_secs_f64(),
        }))
    }

    async fn crowded(&self) -> Result<CrowdedFigures> {
        self.begin("many readers");
        let (keys, turns) = self.extent.crowded;
        crowded::measure(keys, turns, &self.bar, |wrote| self.advance(FILL * wrote as u32)).await
    }

    async fn starts(&self) -> Result<[f64; 2]> {
        self.begin("starting the host");
        let mut starts = [0.0; 2];
        for (milliseconds, cached) in starts.iter_mut().zip([true, false]) {
            *milliseconds = cost::start_time(self.extent.starts, cached).await?;
            self.advance(START * self.extent.starts as u32);
        }
        Ok(starts)
    }

    async fn kills(&self) -> Result<KillLedger> {
        self.begin("killing the host under load");
        kills::kill_repeatedly(self.extent.kills, || self.advance(KILL)).await
    }
}

impl Drop for BenchRun<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// The estimated time of an event of a backlog. Like the estimates below, it is for the progress bar only.
const DRAIN: Duration = Duration::from_millis(1);

/// The estimated time of writing an event into a store.
const FILL: Duration = Duration::from_micros(25);

/// The estimated time of reading a resource.
const READ: Duration = Duration::from_millis(50);

/// The estimated time of starting the host.
const START: Duration = Duration::from_millis(800);

/// The estimated time of starting and killing the host under load.
const KILL: Duration = Duration::from_millis(200);

/// The estimated time of a run.
fn planned(extent: &BenchExtent) -> Duration {
    let contenders = ContenderKind::available().len();
    let stores = extent.filled.len();
    let turns = 4 * contenders + 1 + 1 + stores;
    let (events, drains) = extent.backlog;
    extent.turns.time * (turns * extent.turns.rounds) as u32
        + extent.warm_up * (contenders + 2) as u32
        + extent.turns.time * (4 * extent.turns.rounds) as u32
        + extent.packing.time * (2 * 2 * extent.packing.rounds) as u32
        + READ * (stores * ReadResource::ALL.len() * extent.turns.rounds) as u32
        + DRAIN * (events * drains) as u32 * contenders as u32
        + FILL * (extent.filled.iter().sum::<u64>() + extent.packed + extent.crowded.0) as u32
        + extent.crowded.1.time * (2 * extent.crowded.1.rounds) as u32
        + START * (2 * extent.starts) as u32
        + KILL * extent.kills as u32
}
