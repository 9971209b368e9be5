//! The tables of the results in Markdown.

use std::fmt::Write as _;

use crate::backlog::Drained;
use crate::cost::EventCost;
use crate::crowded::{CrowdedFigures, READERS};
use crate::forwarding::ForwardingFigures;
use crate::reading::Read;
use crate::rounds::{Series, median};

use super::figures::{BenchFigures, PackedStore, SizedStore};

impl BenchFigures {
    pub(super) fn delivering(&self) -> String {
        let ForwardingFigures { delivered, backlog: (events, rate), .. } = self.forwarding;
        let ForwardingFigures { backlog_with_bodies, backlog_in_batches, .. } = self.forwarding;
        format!(
            "From a 200 to its delivery, on an idle host: {delivered:.0} ms, median.\n\
             A backlog of {events} pending events: {rate:.0} events/s, and {backlog_with_bodies:.0} where each answer \
             has a body of 1 KB.\n\
             Ten times as many in batches of 100: {backlog_in_batches:.0} events/s.\n"
        )
    }

    pub(super) fn reading(&self) -> String {
        let heads: String = self.sized.iter().map(|store| format!(" {} events |", store.events)).collect();
        let mut text = format!("### Reading, in ms\n\n| |{heads}\n|---|{}\n", "---|".repeat(self.sized.len()));
        for Read { resource, took } in &self.read {
            let cells: String = took.iter().map(|took| format!(" {took:.1} |")).collect();
            let _ = writeln!(text, "| {} |{cells}", resource.name());
        }
        let cells = |cell: fn(&SizedStore) -> String| self.sized.iter().map(cell).collect::<String>();
        let _ = writeln!(text, "| keys |{}", cells(|store| format!(" {} |", store.keys)));
        let _ = writeln!(
            text,
            "| bytes of the file per event |{}",
            cells(|store| format!(" {} |", store.bytes / store.events))
        );
        if let Some(bytes) = self.reader_memory {
            let _ = writeln!(text, "\nPeak memory of the host on the largest store: {} MiB.", bytes >> 20);
        }
        if let Some(PackedStore { events, keys, seconds }) = &self.packed {
            let _ = writeln!(text, "\n{events} loose events were packed in {seconds:.0} s into {keys} keys.");
        }
        text
    }

    pub(super) fn crowded(&self) -> String {
        let CrowdedFigures { keys, series, read, turned_away, .. } = &self.crowded;
        let title =
            format!("One connection, without readers and with {READERS} readers of pages of 50 of {keys} loose events");
        let mut text = rates(&title, series);
        let _ = writeln!(text, "\n{read} pages were read; {turned_away} requests were answered 503.");
        text
    }

    pub(super) fn costs(&self) -> String {
        let [module, component] = self.sizes;
        let [cached, compiled] = self.starts;
        let mut text = format!(
            "### Costs\n\n| what | cost |\n|---|---|\n\
             | core module | {module} bytes |\n| component | {component} bytes |\n\
             | start of the host to its first 200 | {cached:.0} ms |\n\
             | the same with compiling the component | {compiled:.0} ms |\n",
        );
        for (step, microseconds) in &self.steps {
            let _ = writeln!(text, "| {step} | {microseconds:.0} µs |");
        }
        for (name, bytes) in &self.memory {
            let _ = writeln!(
                text,
                "| peak memory of: {name} (memory that its processes share is counted for each) | {} MiB |",
                bytes >> 20
            );
        }
        text += "\n| event | bytes sent | instructions (fuel) | the guest's memory |\n|---|---|---|---|\n";
        for EventCost { event, body, used } in &self.events {
            let used = used.map_or("not measured: the instance ran on after its answer | -".to_owned(), |used| {
                format!("{} | {} KiB", used.fuel, used.memory_bytes >> 10)
            });
            let _ = writeln!(text, "| `{event}` | {body} | {used} |");
        }
        text
    }
}

/// A table of rates. The first series is the reference.
pub(super) fn rates(title: &str, all: &[Series]) -> String {
    let mut text = format!(
        "### {title}\n\n| | events/s | median ms | p99 ms | rate of the first row / this rate | processor µs | sender busy |\n|---|---|---|---|---|---|---|\n"
    );
    for series in all {
        let against = all.first().map_or(f64::NAN, |first| first.rate_against(series));
        let _ = writeln!(
            text,
            "| {} | {:.0} | {:.2} | {:.2} | {against:.2} | {} | {} |",
            series.name,
            series.rate(),
            series.median_time(),
            series.p99_time(),
            series.processor().map_or("-".to_owned(), |processor| format!("{processor:.0}")),
            series.busy().map_or("-".to_owned(), |busy| format!("{:.0} %", busy * 100.0))
        );
    }
    text
}

pub(super) fn backlog(all: &[(String, Vec<Drained>)]) -> String {
    let mut text = "### A backlog, drained by `appliance send`\n\n| | events | events/s |\n|---|---|---|\n".to_owned();
    for (name, drained) in all {
        let events = drained.iter().map(|drained| drained.events).sum::<u64>();
        let _ = writeln!(text, "| {name} | {events} | {:.0} |", median(drained.iter().map(Drained::rate)));
    }
    text
}
