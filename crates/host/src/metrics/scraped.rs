//! The metrics that are read at each scrape and cost nothing in between.

use std::fmt;
use std::sync::Arc;

use chrono::DateTime;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use serde_json::Value;

use crate::guest::Guest;
use crate::metrics::sites::{Sites, after};

/// The most bodies set aside that are counted, so that a client that sends thousands does not slow down scrapes.
const MOST_SET_ASIDE: u64 = 10_000;

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
        let mut page = MetricsEncoder(&mut encoder);
        self.instances(&mut page)?;
        self.store(&mut page)?;
        self.last_events(&mut page)?;
        self.clock_faults(&mut page)?;
        self.destinations(&mut page)?;
        self.appliances(&mut page)?;
        self.open_sessions(&mut page)
    }
}

impl Scraped {
    fn instances(&self, page: &mut MetricsEncoder<'_, '_>) -> fmt::Result {
        let instances = self.guest.instances();
        page.gauge("instances_in_use", "Instances in use", None, instances.in_use)?;
        page.gauge("instances_ready", "Instances that wait for a request", None, instances.ready)?;
        page.gauge("instances_limit", "The most instances in use at once", None, instances.limit)?;
        page.counter("instances_created", "Instances created", self.guest.instances_created())?;
        let swap = self.guest.limits.swap;
        let help = "1 if the host assumes that its memory can be swapped out, with the reason; checked at its start";
        page.gauges("swap_possible", help, None, [([("reason", swap.reason)], u64::from(swap.possible))])
    }

    /// Values that cannot be read are left out.
    fn store(&self, page: &mut MetricsEncoder<'_, '_>) -> fmt::Result {
        let store = &self.guest.store;
        if let Ok(count) = store.count_between("setaside.", &after("setaside."), MOST_SET_ASIDE) {
            page.gauge("set_aside", "Bodies set aside in the store; counted up to 10,000", None, count)?;
        }
        let Some(files) = store.files() else { return Ok(()) };
        let bytes = [("database", files.database), ("log", files.log)];
        let bytes = bytes.map(|(file, bytes)| ([("file", file)], bytes));
        page.gauges("store", "Size of the store's file and of its log", Some(Unit::Bytes), bytes)?;
        if let Some(disk) = files.disk {
            page.gauge("disk_free", "Free space for the host on the store's disk", Some(Unit::Bytes), disk.free)?;
            page.gauge("disk_size", "Size of the store's disk", Some(Unit::Bytes), disk.size)?;
        }
        Ok(())
    }

    fn last_events(&self, page: &mut MetricsEncoder<'_, '_>) -> fmt::Result {
        let last = self.sites.last();
        let last = last.iter().map(|(site, time)| ([("site", site.as_str())], *time));
        let help = "When the last event of the site was received";
        page.gauges("last_event_timestamp", help, Some(Unit::Seconds), last)
    }

    /// As of the last tick.
    fn clock_faults(&self, page: &mut MetricsEncoder<'_, '_>) -> fmt::Result {
        let faults = self.guest.ticks.report().clock_faults.clone();
        let text = |fault: &Value, name: &str| fault.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let faults = faults.iter().map(|fault| ([("site", text(fault, "site")), ("fault", text(fault, "fault"))], 1));
        let help = "1 for a clock seen to be wrong within a day; without a site, the recipient's own clock";
        page.gauges("clock_fault", help, None, faults)
    }

    /// As of the last tick.
    fn destinations(&self, page: &mut MetricsEncoder<'_, '_>) -> fmt::Result {
        let destinations = self.guest.ticks.report().destinations.clone();
        let named = || destinations.iter().filter_map(|report| Some((report.get("name")?.as_str()?, report)));
        let numbers = |field| {
            named().filter_map(move |(name, report)| Some(([("destination", name)], report.get(field)?.as_u64()?)))
        };
        page.gauges("destination_pending", "Events pending for the destination", None, numbers("pending"))?;
        page.gauges("destination_refused", "Events refused by the destination", None, numbers("refused"))?;
        let states = named().flat_map(|(name, report)| {
            let value = move |state| u64::from(report.get("state").is_some_and(|actual| actual == state));
            ["working", "failing", "paused"].map(|state| ([("destination", name), ("state", state)], value(state)))
        });
        page.gauges("destination_state", "1 for the current state of the destination, 0 for the others", None, states)
    }
}

impl Scraped {
    /// As of the last check.
    fn appliances(&self, page: &mut MetricsEncoder<'_, '_>) -> fmt::Result {
        let appliances = self.guest.ticks.report().appliances.clone();
        let of_sites = || appliances.iter().filter_map(|report| Some((report.get("site")?.as_str()?, report)));
        let through = of_sites().filter_map(|(site, report)| {
            let time = DateTime::parse_from_rfc3339(report.get("complete_through")?.as_str()?).ok()?;
            Some(([("site", site)], u64::try_from(time.timestamp()).ok()?))
        });
        let help = "Every session of the site that ended before this time is stored, by the appliance's clock";
        page.gauges("complete_through_timestamp", help, Some(Unit::Seconds), through)?;
        let missed = of_sites().filter_map(|(site, report)| Some(([("site", site)], report.get("missed")?.as_u64()?)));
        page.gauges("missed_sessions", "Sessions of the site that were never announced as ended", None, missed)?;
        let states = of_sites().filter_map(|(site, report)| Some((site, report.get("state")?.as_str()?)));
        let states = states.map(|(site, state)| ([("site", site), ("state", state)], 1));
        page.gauges("appliance_state", "1 for the state of the site's checks", None, states)
    }
}

impl Scraped {
    /// As of the last tick: at most a minute old.
    fn open_sessions(&self, page: &mut MetricsEncoder<'_, '_>) -> fmt::Result {
        let sites = self.guest.ticks.report().sites.clone();
        let numbers = |name: &'static str| {
            let of_site = move |report: &Value| {
                Some((report.get("site")?.as_str()?.to_owned(), report.get(name)?.as_u64().unwrap_or(0)))
            };
            sites.iter().filter_map(of_site).map(|(site, number)| ([("site", site)], number)).collect::<Vec<_>>()
        };
        page.gauges(
            "open_sessions",
            "Sessions of the site without an end that began within a day",
            None,
            numbers("open"),
        )?;
        page.gauges(
            "waiting_sessions",
            "Open sessions of the site without a representative",
            None,
            numbers("waiting"),
        )?;
        let help = "How long the first of the site's waiting sessions has waited";
        page.gauges("longest_wait", help, Some(Unit::Seconds), numbers("longest_wait_seconds"))
    }
}

struct MetricsEncoder<'p, 'e>(&'p mut DescriptorEncoder<'e>);

impl MetricsEncoder<'_, '_> {
    fn gauge(&mut self, name: &str, help: &str, unit: Option<Unit>, value: u64) -> fmt::Result {
        let gauge = ConstGauge::new(value);
        gauge.encode(self.0.encode_descriptor(name, &sentence(help), unit.as_ref(), MetricType::Gauge)?)
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let counter = ConstCounter::new(value);
        counter.encode(self.0.encode_descriptor(name, &sentence(help), None, MetricType::Counter)?)
    }

    /// Writes nothing if there are no values.
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

/// The registry ends help texts with a full stop, too.
fn sentence(help: &str) -> String {
    format!("{help}.")
}
