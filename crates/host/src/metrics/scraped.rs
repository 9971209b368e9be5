//! What is looked at when somebody asks, and costs nothing until then.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use serde_json::Value;

use crate::guest::Guest;
use crate::metrics::sites::{Sites, after};

/// How many bodies that were set aside are counted: who sends them by the thousand must not slow down who asks.
const MOST_SET_ASIDE: u64 = 10_000;

/// What there is to look at.
pub(super) struct Scraped {
    pub(super) guest: Guest,
    pub(super) sites: Arc<Sites>,
}

impl fmt::Debug for Scraped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scraped").finish_non_exhaustive()
    }
}

impl Collector for Scraped {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(&mut encoder);
        self.instances(&mut page)?;
        self.store(&mut page)?;
        self.last_events(&mut page)?;
        self.clock_faults(&mut page)?;
        self.destinations(&mut page)
    }
}

impl Scraped {
    fn instances(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let instances = self.guest.instances();
        page.gauge("instances_in_use", "Instances that are at work", None, instances.in_use)?;
        page.gauge("instances_ready", "Instances that are made and wait for a request", None, instances.ready)?;
        page.gauge("instances_limit", "How many may be at work at once", None, instances.limit)?;
        let swap = self.guest.limits.swap;
        let help = "1 if memory of this process was taken for one that can be swapped out when it started, and why";
        page.gauges("swap_possible", help, None, [([("reason", swap.reason)], u64::from(swap.possible))])
    }

    /// What cannot be looked at is left out.
    fn store(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let store = &self.guest.store;
        if let Ok(count) = store.count_between("setaside.", &after("setaside."), MOST_SET_ASIDE) {
            page.gauge("set_aside", "Bodies in the store that are no valid event, at most 10,000", None, count)?;
        }
        let Some(files) = store.files() else { return Ok(()) };
        let bytes = [("database", files.database), ("log", files.log)];
        let bytes = bytes.map(|(file, bytes)| ([("file", file)], bytes));
        page.gauges("store", "The store's file, and the log beside it", Some(Unit::Bytes), bytes)?;
        if let Some(disk) = files.disk {
            page.gauge("disk_free", "What is free on the store's disk for the host", Some(Unit::Bytes), disk.free)?;
            page.gauge("disk_size", "How large the store's disk is", Some(Unit::Bytes), disk.size)?;
        }
        Ok(())
    }

    fn last_events(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let last = self.sites.last();
        let last = last.iter().map(|(site, time)| ([("site", site.as_str())], *time));
        let help = "When an event of the site was last taken";
        page.gauges("last_event_timestamp", help, Some(Unit::Seconds), last)
    }

    /// As the last tick told of them.
    fn clock_faults(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let told = self.guest.ticks.report().clock_faults.clone();
        let text = |fault: &Value, name: &str| fault.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let faults = told.iter().map(|fault| ([("site", text(fault, "site")), ("fault", text(fault, "fault"))], 1));
        let help = "1 for a clock that was seen to be wrong within a day; without a site, one of the recipient's own";
        page.gauges("clock_fault", help, None, faults)
    }

    /// As the last tick told of them.
    fn destinations(&self, page: &mut Page<'_, '_>) -> fmt::Result {
        let told = self.guest.ticks.report().destinations.clone();
        let named = || told.iter().filter_map(|told| Some((told.get("name")?.as_str()?, told)));
        let figures =
            |figure| named().filter_map(move |(name, told)| Some(([("destination", name)], number(told, figure)?)));
        page.gauges("destination_pending", "Events that are pending for the destination", None, figures("pending"))?;
        page.gauges("destination_refused", "Events that the destination refused", None, figures("refused"))?;
        let states = named().flat_map(|(name, told)| {
            let is = move |state| u64::from(told.get("state").is_some_and(|is| is == state));
            ["working", "failing", "paused"].map(|state| ([("destination", name), ("state", state)], is(state)))
        });
        page.gauges("destination_state", "1 for the state that the destination is in", None, states)
    }
}

fn number(told: &Value, figure: &str) -> Option<u64> {
    told.get(figure)?.as_u64()
}

/// What is told to who asks.
struct Page<'p, 'e>(&'p mut DescriptorEncoder<'e>);

impl Page<'_, '_> {
    fn gauge(&mut self, name: &str, help: &str, unit: Option<Unit>, value: u64) -> fmt::Result {
        let gauge = ConstGauge::new(value);
        gauge.encode(self.0.encode_descriptor(name, &sentence(help), unit.as_ref(), MetricType::Gauge)?)
    }

    /// Nothing, if there are none.
    fn gauges<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut values = values.into_iter().peekable();
        if values.peek().is_none() {
            return Ok(());
        }
        let mut family = self.0.encode_descriptor(name, &sentence(help), unit.as_ref(), MetricType::Gauge)?;
        for (labels, value) in values {
            ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// As the registry ends its own.
fn sentence(help: &str) -> String {
    format!("{help}.")
}
