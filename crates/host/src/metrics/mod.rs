//! What the host counts and measures, as Prometheus reads it, where `--metrics` asks for it.
//!
//! | file | what lives there |
//! |---|---|
//! | `figures` | [`Metrics`]: requests, events, connections, and what all figures are called |
//! | `scraped` | instances, the store's files, the disk, destinations: read when somebody asks |
//! | `sites` | the sites that have figures of their own, and when each last sent |
//! | `endpoint` | `GET /metrics` |
//!
//! No label holds what an unauthenticated client wrote: routes go by their names, and a site has figures only where its event was
//! answered 2xx.

mod endpoint;
pub(crate) mod figures;
mod scraped;
mod sites;

pub use self::endpoint::serve;
pub use self::figures::Metrics;
