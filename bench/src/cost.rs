//! What one event, one instance and one start cost.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use outbound_events::parse::parse;
use outbound_events_host::guest::{Guest, Limits, Used};
use outbound_events_host::store::KeyValueStore;

use crate::contender::{Contender, Kind, folder, root};
use crate::event;
use crate::load::Connection;
use crate::rounds::median;

/// What the guest spends on one event.
#[derive(Debug)]
pub struct EventCost {
    /// The event's name.
    pub event: String,
    /// Bytes of its body.
    pub body: usize,
    /// Instructions and memory.
    pub used: Used,
}

/// Bytes of the core module and of the component.
pub fn sizes() -> Result<[u64; 2]> {
    let size =
        |path: &str| Ok::<_, anyhow::Error>(std::fs::metadata(root().join(path)).context(path.to_owned())?.len());
    Ok([size("target/wasm32-wasip1/component/outbound_events.wasm")?, size("target/outbound-events.component.wasm")?])
}

/// A guest on a store in memory: what is counted is its own work.
fn guest(limits: Limits) -> Result<Guest> {
    let component = std::fs::read(root().join("target/outbound-events.component.wasm"))?;
    let open = [("ingest_open".to_owned(), "true".to_owned())].into();
    Guest::new(&component, KeyValueStore::memory(), open, limits).map_err(anyhow::Error::from)
}

/// What the first event of each of the guide's seven kinds costs a fresh instance.
pub async fn of_events() -> Result<Vec<EventCost>> {
    let guest = guest(Limits { measure: true, ..Limits::default() })?;
    let mut costs = Vec::new();
    for form in event::seven() {
        let (event, body) = (parse(form.as_bytes())?.kind().name().as_str().to_owned(), form.len());
        let request = Request::post("/events")
            .header(header::HOST, "localhost")
            .body(Full::new(Bytes::from(form)).map_err(|never| match never {}).boxed_unsync())?;
        let response = guest.handle(request).await?;
        let used = response.extensions().get().copied().filter(|_| response.status() == StatusCode::OK);
        costs.push(EventCost { event, body, used: used.context("an event was not taken")? });
    }
    Ok(costs)
}

/// Microseconds to make an instance and to let it go: the median.
pub async fn of_an_instance(times: usize) -> Result<f64> {
    let guest = guest(Limits::default())?;
    let mut took = Vec::new();
    for _ in 0..times {
        let started = Instant::now();
        guest.instantiate().await.map_err(anyhow::Error::from)?;
        took.push(started.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(took))
}

/// Milliseconds from the start of the host's process, on an empty store, to the first 200: the median of `times`. Without a
/// cache of what is compiled, the component is compiled first.
pub async fn of_a_start(times: usize, cached: bool) -> Result<f64> {
    let mut took = Vec::new();
    for _ in 0..times {
        took.push(start(cached).await?.as_secs_f64() * 1e3);
    }
    Ok(median(took))
}

async fn start(cached: bool) -> Result<Duration> {
    let (state, empty) = (folder()?, folder()?);
    let cache: Option<&Path> = (!cached).then_some(empty.path());
    let started = Instant::now();
    let host = Contender::start_with_cache(state, Kind::Host, cache)?;
    let status = Connection::to(host.address()).await?.post(event::form(0)).await?;
    anyhow::ensure!(status == StatusCode::OK, "the first event was answered {status}");
    Ok(started.elapsed())
}
