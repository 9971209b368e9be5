//! What the host counts and measures, as Prometheus reads it, where `--metrics` asks for it.
//!
//! | file | what lives there |
//! |---|---|
//! | `figures` | [`Metrics`]: requests, events, connections, commits: counted as they happen, with their names |
//! | `scraped` | instances, the store's files, the disk, destinations: read when the page is scraped, with their names |
//! | `sites` | the sites that have figures of their own, and when each last sent |
//! | `endpoint` | `GET /metrics` |
//!
//! No label holds what an unauthenticated client wrote: routes go by their names, and a site has figures only where its event was
//! answered 2xx.
//!
//! To add a metric: count it in `figures`, with a field that is registered there, or read it in `scraped`. Then have `everything` in
//! `tests/it/documented_metrics.rs` make it appear. That test fails until `docs/operate/metrics.md` has the metric; it rewrites the page when
//! it is run with `UPDATE_DOCS=1 cargo test -p outbound-events-host --test it documented_metrics`.

mod endpoint;
pub(crate) mod figures;
mod scraped;
mod sites;

pub use self::endpoint::serve;
pub use self::figures::Metrics;
