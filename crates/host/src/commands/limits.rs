//! What unauthenticated clients may have of this host, and how many connections this machine has room for.

use std::num::NonZeroU32;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use outbound_events::settings::Ingest;
use outbound_events_host::server::{Options, PerAddress};

/// How many connections there may be where nothing is said about it.
const CONNECTIONS: u32 = 4096;

/// How many of them may be one unauthenticated client's, and how many requests it may send in a second.
const CONNECTIONS_PER_ADDRESS: u32 = 64;
const STRANGER_REQUESTS_PER_SECOND: u32 = 10;

/// How many open files are left for everything else: two for each instance that reads the store, and connections to destinations.
const OTHER_FILES: u64 = 512;

/// What unauthenticated clients may have. Who has shown a valid token is never limited for their sake.
#[derive(Args)]
pub struct ClientLimits {
    /// How many connections there may be. One that never showed a valid token makes room for who comes, idle ones first. The
    /// default is 4096, or what the limit for open files leaves room for.
    #[arg(long, value_name = "NUMBER")]
    max_connections: Option<NonZeroU32>,
    /// How many connections an address (of IPv6, a /64) may hold without ever showing a valid token. The default is 64, and no
    /// limit for loopback addresses or where ingest is open.
    #[arg(long, value_name = "NUMBER")]
    max_connections_per_address: Option<NonZeroU32>,
    /// How many requests a second an address may send without a valid token; the rest gets 429. The default is 10, and no limit
    /// for loopback addresses or where ingest is open.
    #[arg(long, value_name = "NUMBER")]
    stranger_requests_per_second: Option<NonZeroU32>,
}

impl ClientLimits {
    /// Sets them, and has room made for the connections.
    pub fn set(&self, options: &mut Options, ingest: &Ingest) -> Result<()> {
        options.max_connections = Some(connections(self.max_connections)?);
        options.max_connections_per_address =
            per_address(self.max_connections_per_address, CONNECTIONS_PER_ADDRESS, ingest);
        options.stranger_requests_per_second =
            per_address(self.stranger_requests_per_second, STRANGER_REQUESTS_PER_SECOND, ingest);
        Ok(())
    }
}

/// What is asked for holds for all. Otherwise, who tries this out on a machine of his own is not hindered.
fn per_address(asked: Option<NonZeroU32>, default: u32, ingest: &Ingest) -> Option<PerAddress> {
    let most = asked.or_else(|| NonZeroU32::new(default).filter(|_| *ingest != Ingest::Open))?;
    Some(PerAddress { most, loopback: asked.is_some() })
}

/// How many connections there may be. The limit for open files is raised for them as far as this process may: it is often as low as
/// it was when select(2) could not do with more. An error if what is asked for cannot be had.
fn connections(asked: Option<NonZeroU32>) -> Result<NonZeroU32> {
    let wanted = asked.map_or(CONNECTIONS, NonZeroU32::get);
    let needed = u64::from(wanted) + OTHER_FILES;
    let files = at_most(needed);
    let fit = u32::try_from(files.saturating_sub(OTHER_FILES)).unwrap_or(u32::MAX).min(wanted);
    ensure!(
        asked.is_none() || fit == wanted,
        "--max-connections {wanted} needs {needed} open files, and this process may have {files} (`ulimit -Hn`, LimitNOFILE=)"
    );
    if fit < wanted {
        tracing::warn!(
            open_files = files,
            "there may be no more than {fit} connections; a higher limit for open files (LimitNOFILE=) allows more"
        );
    }
    NonZeroU32::new(fit)
        .with_context(|| format!("{files} open files are too few to serve; `ulimit -Hn` or LimitNOFILE= raises that"))
}

/// How many files this process may have open, of so many that it wants.
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

/// Elsewhere there is no such limit.
#[cfg(not(unix))]
fn at_most(wanted: u64) -> u64 {
    wanted
}
