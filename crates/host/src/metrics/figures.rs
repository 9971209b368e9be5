//! What is counted and measured of one host.
//!
//! | what | where it is noted |
//! |---|---|
//! | requests, what became of events, connections | [`crate::http::server`] tells this file |
//! | how long instances are at work, commits | [`crate::measure`], which the guest and the store look into |
//! | log lines that were lost | [`crate::log_queue`] |

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Response, StatusCode};
use outbound_events::identity::Site;
use outbound_events::service;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _, prometheus_text};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::guest::Guest;
use crate::log_queue;
use crate::measure::Commits;
use crate::metrics::scraped::Scraped;
use crate::metrics::sites::Sites;

/// What all names begin with.
const PREFIX: &str = "outbound_events";

/// What is counted and measured of one host. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Figures>);

#[derive(Debug)]
struct Figures {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, Durations>,
    received: Family<EventLabels, Counter>,
    limited: Family<LimitLabels, Counter>,
    connections: Gauge,
    sites: Arc<Sites>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    limit: &'static str,
}

/// What unauthenticated clients can have too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Connections: one was closed to make room.
    Connections,
    /// Requests: one was answered 429.
    Requests,
}

impl Limit {
    fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Requests => "requests",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    site: String,
    result: &'static str,
}

/// Where durations are told apart, in seconds: from an instance's work to the longest that anything may take here.
const SECONDS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// Where the sizes of commits are told apart. No more writes than the last wait for one.
const WRITES: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// Makes a histogram of durations.
#[derive(Clone, Copy, Debug)]
struct Durations;

impl MetricConstructor<Histogram> for Durations {
    fn new_metric(&self) -> Histogram {
        Histogram::new(SECONDS)
    }
}

impl Metrics {
    /// Counts and measures from now on. Of what happened before, the store tells when each site last sent.
    pub fn of(guest: &Guest) -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let requests = expected_requests();
        let durations = Family::new_with_constructor(Durations);
        let received = Family::default();
        let limited = expected_limits();
        let connections = Gauge::default();
        registry.register("build", "The host's version", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registry.register(
            "requests",
            "Requests answered, by method, the name of their route, or none where nothing is, and status",
            requests.clone(),
        );
        registry.register_with_unit(
            "request_duration",
            "From a request's head to its answer's, by route",
            Unit::Seconds,
            durations.clone(),
        );
        registry.register(
            "received",
            "Events answered 200, by site and by what became of them: stored, duplicate or set-aside",
            received.clone(),
        );
        registry.register(
            "limited",
            "Strangers' requests that were answered 429, and connections that were closed, for a limit's sake",
            limited.clone(),
        );
        registry.register("connections", "Connections that are open", connections.clone());
        watch_instances(guest, &mut registry);
        watch_commits(guest, &mut registry);
        registry.register_collector(Box::new(LostLogLines));
        let sites = Arc::new(Sites::of(&guest.store));
        registry.register_collector(Box::new(Scraped { guest: guest.clone(), sites: Arc::clone(&sites) }));
        Self(Arc::new(Figures { registry, requests, durations, received, limited, connections, sites }))
    }

    /// A request was answered.
    pub(crate) fn answered<B>(&self, method: &Method, path: &str, response: &Response<B>, time: Duration) {
        let (route, site) = service::route_name(path).unwrap_or(("none", None));
        let labels = RequestLabels { method: known(method), route, status: response.status().as_u16() };
        self.0.requests.get_or_create(&labels).inc();
        self.0.durations.get_or_create(&RouteLabels { route }).observe(time.as_secs_f64());
        if let Some((site, result)) = site.zip(result(response)) {
            self.took(&site, result);
        }
    }

    fn took(&self, site: &Site, result: &'static str) {
        let labels = EventLabels { site: self.0.sites.took(site.as_str()), result };
        self.0.received.get_or_create(&labels).inc();
    }

    /// All figures, in Prometheus' text format.
    pub(super) fn page(&self) -> Result<String, fmt::Error> {
        let mut page = String::new();
        prometheus_text::encode(&mut page, &self.0.registry)?;
        Ok(page)
    }

    /// A limit was met.
    pub(crate) fn limited(&self, limit: Limit) {
        self.0.limited.get_or_create(&LimitLabels { limit: limit.name() }).inc();
    }

    /// A connection that is open until this is dropped.
    pub(crate) fn connection(&self) -> Open {
        self.0.connections.inc();
        Open(self.0.connections.clone())
    }
}

/// See [`Metrics::connection`].
pub(crate) struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// What alert rules look for is told before it happens: of a figure that was never 0, nobody sees the first step.
fn expected_requests() -> Family<RequestLabels, Counter> {
    let requests = Family::default();
    for (route, status) in
        ["/", "/events/{site}"].into_iter().flat_map(|route| [200, 401, 503].map(|status| (route, status)))
    {
        drop(requests.get_or_create(&RequestLabels { method: "POST", route, status }));
    }
    requests
}

fn expected_limits() -> Family<LimitLabels, Counter> {
    let limited = Family::default();
    for limit in [Limit::Connections, Limit::Requests] {
        drop(limited.get_or_create(&LimitLabels { limit: limit.name() }));
    }
    limited
}

fn watch_instances(guest: &Guest, registry: &mut Registry) {
    let work = Durations.new_metric();
    registry.register_with_unit(
        "guest_duration",
        "How long an instance was at work for a request or a tick, with what it did after its answer",
        Unit::Seconds,
        work.clone(),
    );
    guest.work.set(work);
}

/// A store in memory commits nothing.
fn watch_commits(guest: &Guest, registry: &mut Registry) {
    let Some(watch) = guest.store.commits() else { return };
    let (durations, writes, failures) = (Durations.new_metric(), Histogram::new(WRITES), Counter::default());
    registry.register_with_unit(
        "commit_duration",
        "How long the store took to have what waited on disk",
        Unit::Seconds,
        durations.clone(),
    );
    registry.register("commit_writes", "How many writes a commit held", writes.clone());
    registry.register("commit_failures", "Commits that failed, and of which nothing was kept", failures.clone());
    watch.set(Commits { durations, writes, failures });
}

/// The log counts them for the whole process, measured or not.
#[derive(Debug)]
struct LostLogLines;

impl Collector for LostLogLines {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let lost = ConstCounter::new(log_queue::lost());
        let help = "Log lines that were lost, because standard error was full, closed or not read";
        lost.encode(encoder.encode_descriptor("log_lines_lost", help, None, lost.metric_type())?)
    }
}

/// A method's name, of those that there are routes for.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

/// What became of an event that was answered 200.
fn result<B>(response: &Response<B>) -> Option<&'static str> {
    let result = response.headers().get("event-result").filter(|_| response.status() == StatusCode::OK)?;
    ["stored", "duplicate", "set-aside"].into_iter().find(|known| result == known)
}
