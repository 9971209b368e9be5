//! The cost of one event, one instance and one start.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::header::{self, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use outbound_events::parse::parse;
use outbound_events_host::guest::{Guest, Limits, Used};
use outbound_events_host::port::NativeStore;
use outbound_events_host::store::KeyValueStore;
use tokio::task::yield_now;
use wasmtime_wasi_http::WasiBody;

use crate::contender::{BARE, Contender, ContenderKind, RECIPIENT, folder, root, store_path};
use crate::event;
use crate::floor::Floor;
use crate::load::LoadConnection;
use crate::native;
use crate::rounds::median;

/// The guest's cost of one event.
#[derive(Debug)]
pub struct EventCost {
    /// The event's name.
    pub event: String,
    /// The bytes of its body.
    pub body: usize,
    /// Instructions and memory. `None` if the instance was still running after its answer, and nothing was counted.
    pub used: Option<Used>,
}

/// The bytes of the core module and of the component.
pub fn sizes() -> Result<[u64; 2]> {
    let size =
        |path: &str| Ok::<_, anyhow::Error>(std::fs::metadata(root().join(path)).context(path.to_owned())?.len());
    Ok([size("target/wasm32-wasip1/component/outbound_events.wasm")?, size(RECIPIENT)?])
}

/// A guest on a store in memory, so that only its own work is measured.
pub(crate) fn guest(component: &str, limits: Limits) -> Result<Guest> {
    guest_on(KeyValueStore::memory(), component, limits)
}

fn guest_on(store: KeyValueStore, component: &str, limits: Limits) -> Result<Guest> {
    let component = std::fs::read(root().join(component)).with_context(|| component.to_owned())?;
    let open = [("ingest_open".to_owned(), "true".to_owned())].into();
    Guest::new(&component, store, open, limits).map_err(anyhow::Error::from)
}

/// The head of an event's request.
pub(crate) fn request(form: &str) -> Result<Parts> {
    let request = Request::post("/events").header(header::HOST, "localhost:3000").header(CONTENT_LENGTH, form.len());
    Ok(request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(())?.into_parts().0)
}

async fn take(guest: &Guest, form: String) -> Result<Option<Used>> {
    Ok(answer(guest, form).await?.extensions().get().copied())
}

/// The answer to an event, which must be 200.
pub(crate) async fn answer(guest: &Guest, form: String) -> Result<Response<WasiBody>> {
    let head = request(&form)?;
    let body = Full::new(Bytes::from(form)).map_err(|never| match never {}).boxed_unsync();
    let response = guest.handle(Request::from_parts(head, body)).await?;
    ensure!(response.status() == StatusCode::OK, "an event was answered {}", response.status());
    Ok(response)
}

/// The cost of each of the guide's seven events in a fresh instance.
pub async fn event_costs(component: &str) -> Result<Vec<EventCost>> {
    let guest = guest(component, Limits { measure: true, ..Limits::default() })?;
    let mut costs = Vec::new();
    for form in event::seven() {
        let (event, body) = (parse(form.as_bytes())?.kind().name().as_str().to_owned(), form.len());
        costs.push(EventCost { event, body, used: take(&guest, form).await? });
    }
    Ok(costs)
}

/// Processes events one after the other, for profiling with `perf`. Deletes each, so that nothing is packed.
pub async fn process_events(component: &str, events: u64) -> Result<()> {
    let store = KeyValueStore::memory();
    let guest = guest_on(store.clone(), component, Limits { perf_map: true, ..Limits::default() })?;
    for number in 0..events {
        take(&guest, event::form(number)).await?;
        yield_now().await;
        for key in store.get_keys().await? {
            store.delete(key).await?;
        }
    }
    Ok(())
}

/// The median time of each step of an event in microseconds, over `times` repetitions.
pub async fn step_times(component: &str, times: u64) -> Result<Vec<(&'static str, f64)>> {
    let full = guest(component, Limits::default())?;
    let bare = guest(BARE, Limits::default())?;
    let in_memory = NativeStore(KeyValueStore::memory());
    let folder = folder()?;
    let store = KeyValueStore::sqlite(store_path(folder.path()))?;
    let floor = Floor::new(folder.path())?;
    let mut steps = [const { Vec::new() }; 6];
    for number in 0..times {
        let [instance, in_full, in_bare, in_native, in_store, on_disk] = &mut steps;
        // Lets the host prepare its next instance outside the measured time.
        yield_now().await;
        instance.push(timed(async { Ok(full.instantiate().await?) }).await?);
        in_full.push(timed(take(&full, event::form(number))).await?);
        yield_now().await;
        in_bare.push(timed(take(&bare, event::form(number))).await?);
        yield_now().await;
        let (form, (key, record)) = (event::form(number), event::stored(number)?);
        let head = request(&form)?;
        in_native.push(timed(async { Ok(native::handle(&in_memory, head, Ok(Some(form.into_bytes()))).await) }).await?);
        on_disk.push(timed(async { floor.append(&record) }).await?);
        in_store.push(timed(async { Ok(store.set(key.to_string(), record).await?) }).await?);
    }
    const NAMES: [&str; 6] = [
        "an instance of the component, created and dropped",
        EVENT,
        BARE_EVENT,
        "the same in the native library",
        "a record set in the host's store: sent to its thread, committed, synced",
        "a record appended to a file and synced",
    ];
    Ok(NAMES.into_iter().zip(steps.map(median)).collect())
}

/// The row of an event in the recipient.
pub const EVENT: &str = "an event in an instance that was created ahead, on a store in memory";

/// The row of an event in the bare component.
pub const BARE_EVENT: &str = "the same in the bare component";

/// The time of a step in microseconds.
async fn timed<T>(step: impl Future<Output = Result<T>>) -> Result<f64> {
    let started = Instant::now();
    step.await?;
    Ok(started.elapsed().as_secs_f64() * 1e6)
}

/// The median milliseconds from the start of the host on an empty store to the first 200. If not `cached`, the host
/// compiles the component first.
pub async fn start_time(times: usize, cached: bool) -> Result<f64> {
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
    let host = Contender::start_with_cache(state, ContenderKind::Host, cache)?;
    let answer = LoadConnection::open(host.address()).await?.post(event::form(0)).await?;
    ensure!(answer.status == StatusCode::OK, "the first event was answered {}", answer.status);
    Ok(started.elapsed())
}
