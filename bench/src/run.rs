//! One run of everything, with a bar that shows how far it is.

use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::backlog::{self, Drained};
use crate::contender::{Contender, Kind, folder};
use crate::floor::Floor;
use crate::kills::{self, Ledger};
use crate::load::{self, Work};
use crate::report::Figures;
use crate::rounds::{Series, Subject, Turns, take_turns};
use crate::{cost, filled};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// What each contender gets for each kind of work.
    pub turns: Turns,
    /// How long each is sent events before: the first megabytes of a new store are slower.
    pub warm_up: Duration,
    /// About how many events a backlog has, and how many there are.
    pub backlog: (u64, u64),
    /// How often the host is started, with a compiled component and without.
    pub starts: usize,
    /// How often it is killed.
    pub kills: u64,
}

impl Extent {
    /// What the figures in the documents come from.
    pub const FULL: Self = Self {
        turns: Turns { rounds: 11, time: Duration::from_millis(1_500) },
        warm_up: Duration::from_secs(2),
        backlog: (10_000, 2),
        starts: 9,
        kills: 100,
    };

    /// For a look in between.
    pub const QUICK: Self = Self {
        turns: Turns { rounds: 5, time: Duration::from_millis(400) },
        warm_up: Duration::from_millis(800),
        backlog: (1_000, 1),
        starts: 3,
        kills: 20,
    };
}

/// How many events the filled stores hold.
const FILLED: [u64; 3] = [0, 100_000, 1_000_000];

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
    let backlog = run.backlog(&contenders)?;
    let memory = contenders.iter().filter_map(|c| Some((c.name().to_owned(), c.peak_memory()?))).collect();
    drop(contenders);
    let filled = run.filled_stores().await?;
    run.begins("one event at a time, step by step");
    let (steps, events) = (cost::of_steps(2_000).await?, cost::of_kinds().await?);
    let starts = run.starts().await?;
    let kills = run.kills().await?;
    Ok(Figures { serial, reconnecting, together, filled, backlog, memory, sizes, steps, starts, events, kills })
}

/// A run under way.
struct Run<'a> {
    extent: &'a Extent,
    bar: ProgressBar,
    started: Instant,
}

impl<'a> Run<'a> {
    fn new(extent: &'a Extent) -> Self {
        let bar = ProgressBar::with_draw_target(Some(planned(extent).as_millis() as u64), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} {wide_bar} {percent} %\n{prefix}: {msg}") {
            bar.set_style(style);
        }
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

    async fn filled_stores(&self) -> Result<Vec<Series>> {
        self.begins("filling stores");
        let mut hosts = Vec::new();
        for events in FILLED {
            let name = format!("{events} events stored before");
            self.bar.set_message(name.clone());
            let state = filled::folder_with(events, |wrote| self.has_spent(FILL * wrote as u32))?;
            hosts.push(Contender::start_in(state, Kind::Host, name)?);
        }
        self.warm_up(&hosts).await?;
        let subjects: Vec<_> = hosts.iter().map(Subject::Recipient).collect();
        self.rounds("32 connections, on filled stores", &subjects, Work::KeptAlive(32)).await
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
const FILL: Duration = Duration::from_micros(15);

/// About what a start of the host takes.
const START: Duration = Duration::from_millis(800);

/// About what a life and a kill of the host take.
const KILL: Duration = Duration::from_millis(200);

/// About how long a run takes.
fn planned(extent: &Extent) -> Duration {
    let contenders = Kind::all().len();
    let turns = 3 * contenders + 1 + FILLED.len();
    let (events, drains) = extent.backlog;
    extent.turns.time * (turns * extent.turns.rounds) as u32
        + extent.warm_up * (contenders + FILLED.len()) as u32
        + DRAIN * (events * drains) as u32 * contenders as u32
        + FILL * FILLED.iter().sum::<u64>() as u32
        + START * (2 * extent.starts) as u32
        + KILL * extent.kills as u32
}
