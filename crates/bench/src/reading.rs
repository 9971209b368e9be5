//! The cost of reading: each resource, on stores of each size.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use http::StatusCode;

use crate::contender::Contender;
use crate::event;
use crate::load::LoadConnection;
use crate::rounds::median;

/// The 90 days of the figures: those of the stored events, and those before.
const FIGURES: (&str, &str) = ("2023-10-01", "2023-12-30");

/// A resource of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadResource {
    /// A page of 50 complete sessions.
    Sessions,
    /// A page of 50 events.
    Events,
    /// One session, of any age.
    Session,
    /// One event, of any age.
    Event,
    /// The counts of the store.
    Stats,
    /// Figures by day over 90 days.
    Statistics,
    /// What is open now.
    Now,
    /// The sessions with an external key, of any age.
    ExternalKey,
    /// The sessions with an external key that nobody has.
    UnknownKey,
    /// One answer to a search for an unknown text, which reads the most heads of packs.
    Search,
}

impl ReadResource {
    /// All resources, in the order of the table.
    pub const ALL: [Self; 10] = [
        Self::Sessions,
        Self::Events,
        Self::Session,
        Self::Event,
        Self::Stats,
        Self::Statistics,
        Self::Now,
        Self::ExternalKey,
        Self::UnknownKey,
        Self::Search,
    ];

    /// The name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sessions => "a page of 50 sessions",
            Self::Events => "a page of 50 events",
            Self::Session => "one session",
            Self::Event => "one event",
            Self::Stats => "stats",
            Self::Statistics => "figures by day over 90 days",
            Self::Now => "what is open now",
            Self::ExternalKey => "the sessions of an external key",
            Self::UnknownKey => "the sessions of an unknown external key",
            Self::Search => "one answer to a search for an unknown text",
        }
    }

    /// The path, and a text that the answer must contain. `number` is that of a stored event.
    fn path_and_expected(self, number: u64) -> Result<(String, String)> {
        let (key, _) = event::stored(number)?;
        let lsid = key.lsid.as_ref().context("an event has no session")?.as_str().to_owned();
        Ok(match self {
            Self::Sessions => ("/api/sessions?limit=50".to_owned(), "\"sessions\":[{".to_owned()),
            Self::Events => ("/api/events?limit=50".to_owned(), "[{\"specversion\"".to_owned()),
            Self::Session => (format!("/api/sessions/default/{lsid}"), lsid),
            Self::Event => (format!("/api/events/{}", key.id), key.id.to_string()),
            Self::Stats => ("/api/stats".to_owned(), "\"events\":".to_owned()),
            Self::Statistics => {
                (format!("/api/statistics?by=day&from={}&to={}", FIGURES.0, FIGURES.1), "\"groups\":[{".to_owned())
            }
            Self::Now => ("/api/now".to_owned(), "\"version\":".to_owned()),
            Self::ExternalKey => {
                let (_, record) = event::stored(number)?;
                let stored: serde_json::Value = serde_json::from_slice(&record)?;
                let external_key = stored.pointer("/data/external_key").and_then(serde_json::Value::as_str);
                let external_key = external_key.context("an event has no external key")?;
                (
                    format!("/api/sessions?external_key={external_key}"),
                    format!("\"external_keys\":[\"{external_key}\"]"),
                )
            }
            Self::UnknownKey => ("/api/sessions?external_key=NOBODY".to_owned(), "\"next\":null".to_owned()),
            Self::Search => ("/api/sessions?q=NOBODY".to_owned(), "\"sessions\":[]".to_owned()),
        })
    }
}

/// A host on a store with many events.
#[derive(Debug)]
pub struct Filled {
    /// The host.
    pub host: Contender,
    /// The number of events in its store.
    pub events: u64,
    /// The number of keys.
    pub keys: usize,
    /// The size of the file in bytes.
    pub bytes: u64,
}

/// The times of one resource.
#[derive(Debug)]
pub struct Read {
    /// The resource.
    pub resource: ReadResource,
    /// The median milliseconds for each store.
    pub took: Vec<f64>,
}

/// Gets each resource from each store once per round; the stores take turns.
pub async fn measure(stores: &[Filled], rounds: usize, mut read_once: impl FnMut()) -> Result<Vec<Read>> {
    let mut took = vec![vec![Vec::new(); stores.len()]; ReadResource::ALL.len()];
    for round in 0..rounds {
        for (resource, took) in ReadResource::ALL.into_iter().zip(&mut took) {
            // Slow, and its times hardly vary: fewer rounds are enough.
            if resource == ReadResource::Search && round % 4 != 0 {
                continue;
            }
            for (store, took) in stores.iter().zip(took) {
                took.push(ask(store, resource, round).await?.as_secs_f64() * 1e3);
                read_once();
            }
        }
    }
    let rows = ReadResource::ALL.into_iter().zip(took);
    Ok(rows.map(|(resource, took)| Read { resource, took: took.into_iter().map(median).collect() }).collect())
}

async fn ask(store: &Filled, resource: ReadResource, round: usize) -> Result<Duration> {
    // Another event in each round, distributed over the whole store.
    let number = (round as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) % store.events.max(1);
    let (path, expected) = resource.path_and_expected(number)?;
    let mut connection = LoadConnection::open(store.host.address()).await?;
    let started = Instant::now();
    let (status, body) = connection.get(&path).await?;
    let took = started.elapsed();
    let found = status == StatusCode::OK && body.contains(&expected);
    ensure!(found, "{path} was answered {status} with {} events stored: {:.200}", store.events, body);
    Ok(took)
}
