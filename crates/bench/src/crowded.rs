//! Many concurrent readers on a store of loose events without packing, while an appliance sends.

use std::time::Duration;

use anyhow::{Result, bail};
use http::StatusCode;
use indicatif::ProgressBar;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::contender::{Contender, ContenderKind, folder, store_path};
use crate::filled;
use crate::load::{self, LoadConnection, Slice, Workload};
use crate::rounds::{Series, Turns};

/// The number of concurrent readers.
pub const READERS: usize = 16;

/// The results.
#[derive(Debug)]
pub struct CrowdedFigures {
    /// The number of loose events, and so of keys.
    pub keys: u64,
    /// One sending connection: without readers, and with many.
    pub series: [Series; 2],
    /// The number of pages of events that were read.
    pub read: u64,
    /// The number of reads that were answered 503.
    pub turned_away: u64,
    /// The peak memory of the host in bytes.
    pub memory: Option<u64>,
}

/// Sends on one connection, alternately without and with readers.
pub async fn measure(keys: u64, turns: Turns, bar: &ProgressBar, wrote: impl FnMut(u64)) -> Result<CrowdedFigures> {
    let state = folder()?;
    filled::fill(&store_path(state.path()), keys, wrote)?;
    let host = Contender::start_in(state, ContenderKind::Loose, format!("{keys} loose events, without readers"))?;
    let with = format!("with {READERS} readers");
    load::slice(&host, Workload::KeptAlive(1), turns.time / 2).await?;
    let mut series = [Series::new(host.name()), Series::new(&with)];
    let (mut read, mut turned_away) = (0, 0);
    for round in 0..turns.rounds {
        for series in &mut series {
            bar.set_message(format!("round {} of {}: {}", round + 1, turns.rounds, series.name));
            let (slice, counts) = send(&host, if series.name == with { READERS } else { 0 }, turns.time).await?;
            series.add(slice);
            read += counts.read;
            turned_away += counts.turned_away;
            bar.inc(turns.time.as_millis() as u64);
        }
    }
    Ok(CrowdedFigures { keys, series, read, turned_away, memory: host.peak_memory() })
}

/// The answers to the readers.
#[derive(Clone, Copy, Debug, Default)]
struct ReadCounts {
    read: u64,
    turned_away: u64,
}

/// Sends like an appliance while `readers` read as fast as they are answered.
async fn send(host: &Contender, readers: usize, time: Duration) -> Result<(Slice, ReadCounts)> {
    let (stop, stopped) = watch::channel(());
    let mut reading = JoinSet::new();
    for _ in 0..readers {
        reading.spawn(read_pages(LoadConnection::open(host.address()).await?, stopped.clone()));
    }
    let slice = load::slice(host, Workload::KeptAlive(1), time).await?;
    drop(stop);
    let mut all = ReadCounts::default();
    while let Some(counts) = reading.join_next().await {
        let counts = counts??;
        all = ReadCounts { read: all.read + counts.read, turned_away: all.turned_away + counts.turned_away };
    }
    Ok((slice, all))
}

/// Reads until it is stopped, without waiting for the last answer.
async fn read_pages(mut connection: LoadConnection, mut stopped: watch::Receiver<()>) -> Result<ReadCounts> {
    let mut counts = ReadCounts::default();
    loop {
        let answer = tokio::select! {
            answer = connection.get("/api/events?limit=50") => answer?,
            _ = stopped.changed() => return Ok(counts),
        };
        match answer {
            (StatusCode::OK, _) => counts.read += 1,
            (StatusCode::SERVICE_UNAVAILABLE, _) => counts.turned_away += 1,
            (status, body) => bail!("a page of events was answered {status}: {body:.200}"),
        }
    }
}
