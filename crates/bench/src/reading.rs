//! What reading costs: each resource, on stores of each size.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use http::StatusCode;

use crate::contender::Contender;
use crate::event;
use crate::load::Connection;
use crate::rounds::median;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A page of 50 sessions, rows whole.
    Sessions,
    /// A page of 50 events.
    Events,
    /// One session, of any age.
    Session,
    /// One event, of any age.
    Event,
    /// The statistics.
    Stats,
    /// One answer to a search for an external key that nobody has: as many packs' heads as one answer reads.
    Search,
}

impl Resource {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 6] = [Self::Sessions, Self::Events, Self::Session, Self::Event, Self::Stats, Self::Search];

    /// How the table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sessions => "a page of 50 sessions",
            Self::Events => "a page of 50 events",
            Self::Session => "one session",
            Self::Event => "one event",
            Self::Stats => "stats",
            Self::Search => "one answer to a search for an external key that nobody has",
        }
    }

    /// Where it is, and what its answer must hold. `number` is that of an event that is stored.
    fn asked(self, number: u64) -> Result<(String, String)> {
        let (key, _) = event::stored(number)?;
        let lsid = key.lsid.as_ref().context("an event has no session")?.as_str().to_owned();
        Ok(match self {
            Self::Sessions => ("/api/sessions?limit=50".to_owned(), "\"sessions\":[{".to_owned()),
            Self::Events => ("/api/events?limit=50".to_owned(), "[{\"specversion\"".to_owned()),
            Self::Session => (format!("/api/sessions/default/{lsid}"), lsid),
            Self::Event => (format!("/api/events/{}", key.id), key.id.to_string()),
            Self::Stats => ("/api/stats".to_owned(), "\"events\":".to_owned()),
            Self::Search => ("/api/sessions?external_key=NOBODY".to_owned(), "\"sessions\":[]".to_owned()),
        })
    }
}

/// A host on a store that holds so many events.
#[derive(Debug)]
pub struct Filled {
    /// The host.
    pub host: Contender,
    /// How many events its store holds.
    pub events: u64,
    /// How many keys that were.
    pub keys: usize,
    /// How many bytes its file had.
    pub bytes: u64,
}

/// What one resource took on each store, in milliseconds: the medians of the rounds, in the order of the stores.
#[derive(Debug)]
pub struct Read {
    /// What was asked for.
    pub resource: Resource,
    /// What it took.
    pub took: Vec<f64>,
}

/// Asks each store for each resource, once a round, the stores taking turns.
pub async fn read(stores: &[Filled], rounds: usize, mut read_once: impl FnMut()) -> Result<Vec<Read>> {
    let mut took = vec![vec![Vec::new(); stores.len()]; Resource::ALL.len()];
    for round in 0..rounds {
        for (resource, took) in Resource::ALL.into_iter().zip(&mut took) {
            // It is slow by what it reads, not by chance.
            if resource == Resource::Search && round % 4 != 0 {
                continue;
            }
            for (store, took) in stores.iter().zip(took) {
                took.push(ask(store, resource, round).await?.as_secs_f64() * 1e3);
                read_once();
            }
        }
    }
    let rows = Resource::ALL.into_iter().zip(took);
    Ok(rows.map(|(resource, took)| Read { resource, took: took.into_iter().map(median).collect() }).collect())
}

async fn ask(store: &Filled, resource: Resource, round: usize) -> Result<Duration> {
    // Another each time, all over the store's years.
    let number = (round as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) % store.events.max(1);
    let (path, expected) = resource.asked(number)?;
    let mut connection = Connection::to(store.host.address()).await?;
    let started = Instant::now();
    let (status, body) = connection.get(&path).await?;
    let took = started.elapsed();
    let found = status == StatusCode::OK && body.contains(&expected);
    ensure!(found, "{path} was answered {status} with {} events stored: {:.200}", store.events, body);
    Ok(took)
}
