//! Prometheus metrics, enabled by `--metrics`.
//!
//! | file | what lives there |
//! |---|---|
//! | `figures` | [`Metrics`]: requests, events, connections and commits, counted as they happen |
//! | `scraped` | instances, the store's files, the disk and destinations, read at each scrape |
//! | `sites` | the sites with series of their own, and the time of each site's last event |
//! | `endpoint` | `GET /metrics` |
//!
//! No label contains text from an unauthenticated client: labels have route names instead of paths, and a site gets
//! series only after one of its events was answered 2xx.
//!
//! To add a metric, register and count it in `figures`, or read it in `scraped`. Then make it appear in `everything` of
//! `tests/it/documented_metrics.rs`. That test fails until `docs/operate/metrics.md` has the metric. To rewrite the
//! page, run `UPDATE_DOCS=1 cargo test -p outbound-events-host --test it documented_metrics`.

mod endpoint;
pub(crate) mod figures;
mod scraped;
mod sites;

pub use self::endpoint::serve;
pub use self::figures::Metrics;
