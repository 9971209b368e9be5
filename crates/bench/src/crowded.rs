//! Many who read at once, on a store of loose events that nothing packs, and an appliance that sends meanwhile.

use std::time::Duration;

use anyhow::{Result, bail};
use http::StatusCode;
use indicatif::ProgressBar;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::contender::{Contender, Kind, folder, store_path};
use crate::filled;
use crate::load::{self, Connection, Slice, Work};
use crate::rounds::{Series, Turns};

/// How many read at once.
pub const READERS: usize = 16;

/// What came of it.
#[derive(Debug)]
pub struct Crowded {
    /// How many events the store held, each under a key of its own.
    pub keys: u64,
    /// One connection that sends: while nobody reads, and while many do.
    pub series: [Series; 2],
    /// How many pages of events were read.
    pub read: u64,
    /// How many who asked for one were told to come again.
    pub turned_away: u64,
    /// The most memory of the host, in bytes.
    pub memory: Option<u64>,
}

/// Sends on one connection, without readers and with them, in turns.
pub async fn measure(keys: u64, turns: Turns, bar: &ProgressBar, wrote: impl FnMut(u64)) -> Result<Crowded> {
    let state = folder()?;
    filled::fill(&store_path(state.path()), keys, wrote)?;
    let host = Contender::start_in(state, Kind::Loose, format!("nobody reads {keys} loose events"))?;
    let with = format!("{READERS} read them");
    load::slice(&host, Work::KeptAlive(1), turns.time / 2).await?;
    let mut series = [Series::new(host.name()), Series::new(&with)];
    let (mut read, mut turned_away) = (0, 0);
    for round in 0..turns.rounds {
        for series in &mut series {
            bar.set_message(format!("round {} of {}: {}", round + 1, turns.rounds, series.name));
            let (slice, told) = send(&host, if series.name == with { READERS } else { 0 }, turns.time).await?;
            series.add(slice);
            read += told.read;
            turned_away += told.turned_away;
            bar.inc(turns.time.as_millis() as u64);
        }
    }
    Ok(Crowded { keys, series, read, turned_away, memory: host.peak_memory() })
}

/// What came of readers.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    read: u64,
    turned_away: u64,
}

/// Sends as an appliance does, while so many read as fast as they are answered.
async fn send(host: &Contender, readers: usize, time: Duration) -> Result<(Slice, Told)> {
    let (stop, stopped) = watch::channel(());
    let mut reading = JoinSet::new();
    for _ in 0..readers {
        reading.spawn(read(Connection::to(host.address()).await?, stopped.clone()));
    }
    let slice = load::slice(host, Work::KeptAlive(1), time).await?;
    drop(stop);
    let mut all = Told::default();
    while let Some(told) = reading.join_next().await {
        let told = told??;
        all = Told { read: all.read + told.read, turned_away: all.turned_away + told.turned_away };
    }
    Ok((slice, all))
}

/// Reads until it is told to stop; an answer that it waits for then is not waited for.
async fn read(mut connection: Connection, mut stopped: watch::Receiver<()>) -> Result<Told> {
    let mut told = Told::default();
    loop {
        let answer = tokio::select! {
            answer = connection.get("/api/events?limit=50") => answer?,
            _ = stopped.changed() => return Ok(told),
        };
        match answer {
            (StatusCode::OK, _) => told.read += 1,
            (StatusCode::SERVICE_UNAVAILABLE, _) => told.turned_away += 1,
            (status, body) => bail!("a page of events was answered {status}: {body:.200}"),
        }
    }
}
