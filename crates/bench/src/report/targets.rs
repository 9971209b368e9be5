//! The targets beside what was measured.

use crate::contender::Kind;
use crate::cost;
use crate::reading::Resource;
use crate::rounds::Series;

use super::figures::Figures;

/// A figure that was promised, and what was measured.
struct Target {
    figure: &'static str,
    target: String,
    measured: Option<f64>,
    met: fn(f64, f64) -> bool,
    bound: f64,
    /// Why it was not measured, if it was not.
    missing: &'static str,
}

const SPIN: &str = "no `spin` on PATH";

/// What the disk must take at least for an append and its sync, in ms, where an answer is compared with it: on a faster one it is
/// everything else that is compared.
const SLOW_DISK: f64 = 0.2;

/// What the guide's seven events took of instructions, and the core module of bytes, before both were made less.
const INSTRUCTIONS_BEFORE: [u64; 7] = [173_982, 218_052, 240_028, 240_044, 173_600, 186_699, 184_900];
const MODULE_BEFORE: f64 = 1_718_668.0;

impl Target {
    fn unless(self, missing: &'static str) -> Self {
        Self { missing, ..self }
    }

    fn at_least(figure: &'static str, bound: f64, measured: Option<f64>) -> Self {
        Self {
            figure,
            target: format!("at least {bound}"),
            measured,
            met: |measured, bound| measured >= bound,
            bound,
            missing: SPIN,
        }
    }

    fn at_most(figure: &'static str, bound: f64, measured: Option<f64>) -> Self {
        Self {
            figure,
            target: format!("at most {bound}"),
            measured,
            met: |measured, bound| measured <= bound,
            bound,
            missing: SPIN,
        }
    }

    fn row(&self) -> String {
        let (measured, verdict) = match self.measured {
            Some(measured) => {
                (format!("{measured:.2}"), if (self.met)(measured, self.bound) { "met" } else { "**missed**" })
            }
            None => (format!("not measured: {}", self.missing), "-"),
        };
        format!("| {} | {} | {measured} | {verdict} |\n", self.figure, self.target)
    }
}

impl Figures {
    pub(super) fn targets(&self) -> String {
        let rate_of = |all: &[Series], one: Kind, other: Kind| {
            Some(named(all, one.name())?.rate_against(named(all, other.name())?))
        };
        let rate = |all: &[Series], other: Kind| rate_of(all, Kind::Host, other);
        let floor = named(&self.serial, Kind::Host.name())
            .zip(self.serial.last().filter(|floor| floor.middle() >= SLOW_DISK))
            .map(|(host, floor)| host.time_against(floor));
        let filled = self.filled.first().zip(self.filled.last()).map(|(empty, full)| full.rate_against(empty));
        let faults = Some((self.kills.lost + self.kills.doubled) as f64);
        let targets = [
            Target::at_most("one connection: the host's median time, append and fdatasync being 1", 2.0, floor)
                .unless("they take this disk less than 0.2 ms"),
            Target::at_least(
                "one connection: the host's rate, the native library's being 1",
                0.85,
                rate(&self.serial, Kind::Native),
            ),
            Target::at_least(
                "32 connections: the host's rate, Flask's being 1",
                3.0,
                rate(&self.together, Kind::Flask),
            ),
            Target::at_least(
                "32 connections: the host's rate, that of `spin up` on a store in WAL mode being 1",
                2.0,
                rate(&self.together, Kind::SpinWal),
            ),
            Target::at_least(
                "32 connections: the host's rate, that of `spin up` on its own store being 1",
                3.0,
                rate(&self.together, Kind::Spin),
            ),
            Target::at_least(
                "one connection: the host's rate, that of the bare component being 1",
                0.9,
                rate(&self.serial, Kind::Bare),
            ),
            Target::at_least(
                "32 connections: the host's rate, that of the bare component being 1",
                0.8,
                rate(&self.together, Kind::Bare),
            ),
            Target::at_least(
                "32 connections: the host's rate, the native library's being 1",
                0.5,
                rate(&self.together, Kind::Native),
            ),
            Target::at_least(
                "32 connections: the host's rate where memory can be swapped out, where it cannot being 1",
                0.75,
                rate_of(&self.together, Kind::Swap, Kind::Host),
            ),
            Target::at_least(
                "one connection: the rate under `spin up`, in WAL mode, that of the bare component there being 1",
                0.9,
                rate_of(&self.serial, Kind::SpinWal, Kind::SpinBare),
            ),
            Target::at_least("32 connections: the same", 0.9, rate_of(&self.together, Kind::SpinWal, Kind::SpinBare)),
            Target::at_least(
                "32 connections: the host's rate on the largest store, on one that began empty being 1",
                0.9,
                filled,
            ),
            Target::at_least(
                "32 connections: the host's rate with passes, without being 1",
                0.85,
                pair(&self.packing).map(|(with, without)| with.rate_against(without)),
            ),
            Target::at_most(
                "one connection: the host's p99 with passes, without being 1",
                1.5,
                pair(&self.packing_serial).map(|(with, without)| with.late_against(without)),
            ),
            Target::at_most("events answered 200 that kills under load lost or doubled", 0.0, faults),
        ];
        let (costs, archive, forwarding) = (self.cost_targets(), self.archive_targets(), self.forwarding_targets());
        let rows: String = targets.iter().chain(&costs).chain(&archive).chain(&forwarding).map(Target::row).collect();
        format!(
            "### Targets\n\n| figure | target | measured | |\n|---|---|---|---|\n{rows}\n{} kills, {} events answered 200; of {} a kill had taken the first 200, after they were stored.\n",
            self.kills.kills, self.kills.acknowledged, self.kills.unanswered
        )
    }

    /// What is promised of an event's way through the component, and of a newcomer's first minutes.
    fn cost_targets(&self) -> [Target; 4] {
        let fuel = self.events.iter().map(|cost| cost.used.map(|used| used.fuel as f64));
        let shares = fuel.zip(INSTRUCTIONS_BEFORE).map(|(fuel, before)| Some(fuel? / before as f64));
        let most = shares.collect::<Option<Vec<_>>>().and_then(|shares| shares.into_iter().max_by(f64::total_cmp));
        let step = |name| self.steps.iter().find(|(step, _)| *step == name).map(|(_, microseconds)| microseconds);
        let [module, _] = self.sizes;
        [
            Target::at_most("instructions of an event, the most of the seven, 2026-11-24's being 1", 0.5, most)
                .unless("an instance went on after its answer"),
            Target::at_most(
                "an event in an instance that was made ahead, the bare component's being 1",
                2.0,
                step(cost::EVENT).zip(step(cost::BARE_EVENT)).map(|(recipient, bare)| recipient / bare),
            ),
            Target::at_most("the core module, 2026-11-24's being 1", 1.0, Some(module as f64 / MODULE_BEFORE)),
            Target::at_most("minutes from a clone to its first 200, nothing compiled or fetched", 4.0, None)
                .unless("`time cargo xtask run` shows it"),
        ]
    }

    /// What is promised of packs.
    fn archive_targets(&self) -> Vec<Target> {
        let of = |resource: Resource| self.read.iter().find(|read| read.resource == resource);
        let largest = |resource| of(resource).and_then(|read| Some(read.took.last()? / read.took.first()?));
        let grows = |figure, resource| Target::at_most(figure, 3.0, largest(resource));
        let million = self.sized.iter().position(|store| store.events == 1_000_000);
        let page = of(Resource::Sessions).zip(million).and_then(|(read, at)| read.took.get(at).copied());
        let bytes = million.and_then(|at| self.sized.get(at)).map(|store| store.bytes as f64 / store.events as f64);
        let keys = self.packed.as_ref().map(|packed| packed.keys as f64);
        let [nobody, many] = &self.crowded.series;
        vec![
            grows("a page of 50 sessions: time on the largest store, at 10,000 events being 1", Resource::Sessions),
            grows("a page of 50 events: the same", Resource::Events),
            grows("one session: the same", Resource::Session),
            grows("one event: the same", Resource::Event),
            Target::at_most(
                "a page of 50 sessions at 1,000,000 events, in ms: a tenth of what 50 rows cost before packs",
                1_655.0,
                page,
            ),
            Target::at_most("keys for 1,000,000 events that passes have packed", 1_024.0, keys)
                .unless("only in a full run"),
            Target::at_most("bytes of the store's file an event, at 1,000,000", 100.0, bytes),
            Target::at_most(
                "one connection: median time while 16 read 400,000 loose events, while nobody does being 1",
                2.0,
                Some(many.time_against(nobody)),
            ),
            Target::at_most(
                "MiB of the host's memory meanwhile, the most",
                300.0,
                self.crowded.memory.map(|bytes| (bytes >> 20) as f64),
            )
            .unless("`/proc` does not tell"),
        ]
    }

    /// The targets of forwarding.
    fn forwarding_targets(&self) -> [Target; 6] {
        let serial = &self.forwarding.serial;
        let against = |at: usize| serial.get(at).zip(serial.first()).map(|(with, without)| with.time_against(without));
        [
            Target::at_most(
                "one connection: median time with a destination that works, without one being 1",
                1.1,
                against(1),
            ),
            Target::at_most("the same with a destination that hangs", 1.1, against(2)),
            Target::at_most("the same with a destination whose answers' bodies hang", 1.1, against(3)),
            Target::at_most("ms from a 200 to its delivery, idle, median", 100.0, Some(self.forwarding.delivered)),
            Target::at_least(
                "events a second of a backlog of 10,000 to one destination",
                1_000.0,
                Some(self.forwarding.backlog.1),
            ),
            Target::at_least(
                "the same where each answer has a body of 1 KB",
                1_000.0,
                Some(self.forwarding.backlog_with_bodies),
            ),
        ]
    }
}

fn named<'a>(all: &'a [Series], name: &str) -> Option<&'a Series> {
    all.iter().find(|series| series.name == name)
}

/// The first two.
fn pair(all: &[Series]) -> Option<(&Series, &Series)> {
    Some((all.first()?, all.get(1)?))
}
