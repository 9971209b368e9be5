//! Limits for unauthenticated clients, and the number of connections for which this machine has open files.

use std::num::NonZeroU32;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use outbound_events::settings::Ingest;
use outbound_events_host::server::{Options, PerAddress};

/// Defaults of `--max-connections`, `--max-connections-per-address` and `--unauthenticated-requests-per-second`.
const CONNECTIONS: u32 = 4096;
const CONNECTIONS_PER_ADDRESS: u32 = 64;
const UNAUTHENTICATED_REQUESTS_PER_SECOND: u32 = 10;

/// Open files reserved for everything else: two for each instance that reads the store, and connections to
/// destinations.
const OTHER_FILES: u64 = 512;

/// Limits for unauthenticated clients. Authenticated clients are never limited because of them.
#[derive(Args)]
pub struct ClientLimits {
    /// Limits the number of connections. At the limit, a new connection replaces one on which no valid token was shown,
    /// idle ones first. Default: 4096, or fewer if the limit on open files is lower.
    #[arg(long, value_name = "NUMBER")]
    max_connections: Option<NonZeroU32>,
    /// Limits the connections of an address (IPv6: a /64) on which no valid token was shown. Default: 64; no limit for
    /// loopback addresses, or if ingest is open.
    #[arg(long, value_name = "NUMBER")]
    max_connections_per_address: Option<NonZeroU32>,
    /// Limits the requests per second of an address without a valid token; requests above the limit are answered 429.
    /// Default: 10; no limit for loopback addresses, or if ingest is open.
    #[arg(long, value_name = "NUMBER")]
    unauthenticated_requests_per_second: Option<NonZeroU32>,
}

impl ClientLimits {
    /// Sets the options, and raises the limit on open files for the connections.
    pub fn set(&self, options: &mut Options, ingest: &Ingest) -> Result<()> {
        options.max_connections = Some(connections(self.max_connections)?);
        options.max_connections_per_address =
            per_address(self.max_connections_per_address, CONNECTIONS_PER_ADDRESS, ingest);
        options.unauthenticated_requests_per_second =
            per_address(self.unauthenticated_requests_per_second, UNAUTHENTICATED_REQUESTS_PER_SECOND, ingest);
        Ok(())
    }
}

/// A limit that was asked for applies to every address. The default exempts loopback addresses, for local trials.
fn per_address(asked: Option<NonZeroU32>, default: u32, ingest: &Ingest) -> Option<PerAddress> {
    let most = asked.or_else(|| NonZeroU32::new(default).filter(|_| *ingest != Ingest::Open))?;
    Some(PerAddress { most, loopback: asked.is_some() })
}

/// The number of connections. Raises the limit on open files as far as this process can: its default is often still the
/// maximum of select(2). An error if the number that was asked for cannot be reached.
fn connections(asked: Option<NonZeroU32>) -> Result<NonZeroU32> {
    let wanted = asked.map_or(CONNECTIONS, NonZeroU32::get);
    let needed = u64::from(wanted) + OTHER_FILES;
    let files = at_most(needed);
    let fit = u32::try_from(files.saturating_sub(OTHER_FILES)).unwrap_or(u32::MAX).min(wanted);
    ensure!(
        asked.is_none() || fit == wanted,
        "--max-connections {wanted} needs {needed} open files, and the limit is {files}: raise it \
         (`ulimit -Hn`, LimitNOFILE=)"
    );
    if fit < wanted {
        tracing::warn!(
            open_files = files,
            "the limit on open files allows only {fit} connections: raise it (LimitNOFILE=)"
        );
    }
    NonZeroU32::new(fit).with_context(|| {
        format!("the limit of {files} open files is too low to serve: raise it with `ulimit -Hn` or LimitNOFILE=")
    })
}

/// The number of files that this process can have open, at most `wanted`. Raises the soft limit.
#[cfg(unix)]
fn at_most(wanted: u64) -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let Some(now) = limit.current.filter(|now| *now < wanted) else { return wanted };
    let raised = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted)).max(now);
    match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), ..limit }) {
        Ok(()) => raised,
        Err(_) => now,
    }
}

/// Other systems have no such limit.
#[cfg(not(unix))]
fn at_most(wanted: u64) -> u64 {
    wanted
}
