//! The targets and whether they are met.

use crate::contender::ContenderKind;
use crate::cost;
use crate::reading::ReadResource;
use crate::rounds::Series;

use super::figures::BenchFigures;

/// A promised figure and its measured value.
struct PerformanceTarget {
    figure: &'static str,
    target: String,
    measured: Option<f64>,
    met: fn(f64, f64) -> bool,
    bound: f64,
    /// Why the figure is missing, if it is.
    missing: &'static str,
}

const SPIN: &str = "no `spin` on PATH";

/// The least milliseconds of an append and sync for a comparison with an answer. On a faster disk, other costs
/// dominate.
const SLOW_DISK: f64 = 0.2;

/// The instructions of the guide's seven events, and the bytes of the core module, on 2026-11-24.
const INSTRUCTIONS_BEFORE: [u64; 7] = [173_982, 218_052, 240_028, 240_044, 173_600, 186_699, 184_900];
const MODULE_BEFORE: f64 = 1_718_668.0;

impl PerformanceTarget {
    /// Sets the reason for a missing figure.
    fn or_missing_because(self, missing: &'static str) -> Self {
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

impl BenchFigures {
    pub(super) fn targets(&self) -> String {
        let rate_of = |all: &[Series], one: ContenderKind, other: ContenderKind| {
            Some(named(all, one.name())?.rate_against(named(all, other.name())?))
        };
        let rate = |all: &[Series], other: ContenderKind| rate_of(all, ContenderKind::Host, other);
        let floor = named(&self.serial, ContenderKind::Host.name())
            .zip(self.serial.last().filter(|floor| floor.median_time() >= SLOW_DISK))
            .map(|(host, floor)| host.time_against(floor));
        let filled = self.filled.first().zip(self.filled.last()).map(|(empty, full)| full.rate_against(empty));
        let faults = Some((self.kills.lost + self.kills.doubled) as f64);
        let targets = [
            PerformanceTarget::at_most("one connection: the host's median time / append and fdatasync", 2.0, floor)
                .or_missing_because("this disk takes less than 0.2 ms for them"),
            PerformanceTarget::at_least(
                "one connection: the host's rate / the native library's",
                0.85,
                rate(&self.serial, ContenderKind::Native),
            ),
            PerformanceTarget::at_least(
                "32 connections: the host's rate / Flask's",
                3.0,
                rate(&self.together, ContenderKind::Flask),
            ),
            PerformanceTarget::at_least(
                "32 connections: the host's rate / that of `spin up` on a store in WAL mode",
                2.0,
                rate(&self.together, ContenderKind::SpinWal),
            ),
            PerformanceTarget::at_least(
                "32 connections: the host's rate / that of `spin up` on its own store",
                3.0,
                rate(&self.together, ContenderKind::Spin),
            ),
            PerformanceTarget::at_least(
                "one connection: the host's rate / that of the bare component",
                0.9,
                rate(&self.serial, ContenderKind::Bare),
            ),
            PerformanceTarget::at_least(
                "32 connections: the host's rate / that of the bare component",
                0.8,
                rate(&self.together, ContenderKind::Bare),
            ),
            PerformanceTarget::at_least(
                "32 connections: the host's rate / the native library's",
                0.5,
                rate(&self.together, ContenderKind::Native),
            ),
            PerformanceTarget::at_least(
                "32 connections: the host's rate with swap / without",
                0.75,
                rate_of(&self.together, ContenderKind::Swap, ContenderKind::Host),
            ),
            PerformanceTarget::at_least(
                "one connection: the rate of the host that reuses instances / the native library's",
                0.85,
                rate_of(&self.serial, ContenderKind::Reusing, ContenderKind::Native),
            ),
            PerformanceTarget::at_least(
                "32 connections: the same",
                0.7,
                rate_of(&self.together, ContenderKind::Reusing, ContenderKind::Native),
            ),
            PerformanceTarget::at_least(
                "32 connections: the rate of the host that reuses instances / that of the bare component",
                1.2,
                rate_of(&self.together, ContenderKind::Reusing, ContenderKind::Bare),
            ),
            PerformanceTarget::at_least(
                "one connection: the rate under `spin up` in WAL mode / that of the bare component",
                0.9,
                rate_of(&self.serial, ContenderKind::SpinWal, ContenderKind::SpinBare),
            ),
            PerformanceTarget::at_least(
                "32 connections: the same",
                0.9,
                rate_of(&self.together, ContenderKind::SpinWal, ContenderKind::SpinBare),
            ),
            PerformanceTarget::at_least(
                "32 connections: the host's rate on the largest store / on an empty one",
                0.9,
                filled,
            ),
            PerformanceTarget::at_least(
                "32 connections: the host's rate with compaction / without",
                0.85,
                pair(&self.packing).map(|(with, without)| with.rate_against(without)),
            ),
            PerformanceTarget::at_most(
                "one connection: the host's p99 with compaction / without",
                1.5,
                pair(&self.packing_serial).map(|(with, without)| with.p99_against(without)),
            ),
            PerformanceTarget::at_most("events answered 200 that kills under load lost or doubled", 0.0, faults),
        ];
        let (costs, archive, forwarding) = (self.cost_targets(), self.archive_targets(), self.forwarding_targets());
        let rows: String =
            targets.iter().chain(&costs).chain(&archive).chain(&forwarding).map(PerformanceTarget::row).collect();
        format!(
            "### Targets\n\n| figure | target | measured | |\n|---|---|---|---|\n{rows}\n{} kills, {} events answered 200; {} events were stored and killed before their first 200.\n",
            self.kills.kills, self.kills.acknowledged, self.kills.unanswered
        )
    }

    /// Targets for the cost of an event in the component, and for a newcomer's first minutes.
    fn cost_targets(&self) -> [PerformanceTarget; 4] {
        let fuel = self.events.iter().map(|cost| cost.used.map(|used| used.fuel as f64));
        let shares = fuel.zip(INSTRUCTIONS_BEFORE).map(|(fuel, before)| Some(fuel? / before as f64));
        let most = shares.collect::<Option<Vec<_>>>().and_then(|shares| shares.into_iter().max_by(f64::total_cmp));
        let step = |name| self.steps.iter().find(|(step, _)| *step == name).map(|(_, microseconds)| microseconds);
        let [module, _] = self.sizes;
        [
            PerformanceTarget::at_most("instructions of an event, the maximum of the seven / on 2026-11-24", 0.5, most)
                .or_missing_because("an instance ran on after its answer"),
            PerformanceTarget::at_most(
                "an event in an instance that was created ahead / in the bare component",
                2.0,
                step(cost::EVENT).zip(step(cost::BARE_EVENT)).map(|(recipient, bare)| recipient / bare),
            ),
            PerformanceTarget::at_most(
                "the core module's size / on 2026-11-24",
                1.0,
                Some(module as f64 / MODULE_BEFORE),
            ),
            PerformanceTarget::at_most("minutes from a clone to its first 200, without caches", 4.0, None)
                .or_missing_because("`time cargo xtask run` shows it"),
        ]
    }

    /// Targets for packs.
    fn archive_targets(&self) -> Vec<PerformanceTarget> {
        let find = |resource: ReadResource| self.read.iter().find(|read| read.resource == resource);
        let largest = |resource| find(resource).and_then(|read| Some(read.took.last()? / read.took.first()?));
        let grows = |figure, resource| PerformanceTarget::at_most(figure, 3.0, largest(resource));
        let million = self.sized.iter().position(|store| store.events == 1_000_000);
        let page = find(ReadResource::Sessions).zip(million).and_then(|(read, at)| read.took.get(at).copied());
        let bytes = million.and_then(|at| self.sized.get(at)).map(|store| store.bytes as f64 / store.events as f64);
        let keys = self.packed.as_ref().map(|packed| packed.keys as f64);
        let [nobody, many] = &self.crowded.series;
        vec![
            grows("a page of 50 sessions: time on the largest store / at 10,000 events", ReadResource::Sessions),
            grows("a page of 50 events: the same", ReadResource::Events),
            grows("one session: the same", ReadResource::Session),
            grows("one event: the same", ReadResource::Event),
            PerformanceTarget::at_most(
                "a page of 50 sessions at 1,000,000 events, in ms: a tenth of the time before packs",
                1_655.0,
                page,
            ),
            PerformanceTarget::at_most("keys for 1,000,000 events after compaction", 1_024.0, keys)
                .or_missing_because("only in a full run"),
            PerformanceTarget::at_most("bytes of the store's file per event, at 1,000,000", 100.0, bytes),
            PerformanceTarget::at_most(
                "one connection: median time with 16 readers of 400,000 loose events / without",
                2.0,
                Some(many.time_against(nobody)),
            ),
            PerformanceTarget::at_most(
                "peak MiB of the host's memory meanwhile",
                300.0,
                self.crowded.memory.map(|bytes| (bytes >> 20) as f64),
            )
            .or_missing_because("there is no `/proc`"),
        ]
    }

    /// The targets of forwarding.
    fn forwarding_targets(&self) -> [PerformanceTarget; 7] {
        let serial = &self.forwarding.serial;
        let against = |at: usize| serial.get(at).zip(serial.first()).map(|(with, without)| with.time_against(without));
        [
            PerformanceTarget::at_most(
                "one connection: median time with a destination that works / without one",
                1.1,
                against(1),
            ),
            PerformanceTarget::at_most("the same with a destination that hangs", 1.1, against(2)),
            PerformanceTarget::at_most("the same with a destination whose answers' bodies hang", 1.1, against(3)),
            PerformanceTarget::at_most(
                "ms from a 200 to its delivery on an idle host, median",
                100.0,
                Some(self.forwarding.delivered),
            ),
            PerformanceTarget::at_least(
                "events/s of a backlog of 10,000 to one destination",
                1_000.0,
                Some(self.forwarding.backlog.1),
            ),
            PerformanceTarget::at_least(
                "the same where each answer has a body of 1 KB",
                1_000.0,
                Some(self.forwarding.backlog_with_bodies),
            ),
            PerformanceTarget::at_least(
                "events/s of a backlog of 100,000 in batches of 100",
                20_000.0,
                Some(self.forwarding.backlog_in_batches),
            ),
        ]
    }
}

fn named<'a>(all: &'a [Series], name: &str) -> Option<&'a Series> {
    all.iter().find(|series| series.name == name)
}

/// The first two series.
fn pair(all: &[Series]) -> Option<(&Series, &Series)> {
    Some((all.first()?, all.get(1)?))
}
