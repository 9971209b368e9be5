//! Ticks: the host has the component do what is due, also where no event comes. What is due, the component decides.

use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt as _, Empty};
use outbound_events::forward::standing;
use serde_json::Value;
use tokio::time::{sleep, timeout};
use wasmtime_wasi_http::WasiBody;

use crate::guest::component::Guest;
use crate::guest::tick_state::{PATH, TickReport};
use crate::store::port::NativeStore;

/// How often where something is owed to a destination.
const OWED: Duration = Duration::from_secs(1);

/// How often otherwise.
const NOTHING_OWED: Duration = Duration::from_secs(60);

/// How soon after an event the next tick is: what comes in that time comes with it.
const SOON: Duration = Duration::from_millis(25);

/// Ticks, for ever.
pub(crate) async fn tick(guest: Guest) {
    tokio::join!(tick_after_events(&guest), tick_in_time(&guest));
}

/// A moment after an event was taken. It is not waited for: where one destination hangs, the next tick serves the others.
async fn tick_after_events(guest: &Guest) {
    loop {
        guest.ticks.after_events.notified().await;
        sleep(SOON).await;
        let guest = guest.clone();
        tokio::spawn(async move { ask(&guest, Method::POST).await.map(drop) });
    }
}

/// Each second while something is owed, each minute otherwise.
async fn tick_in_time(guest: &Guest) {
    // What was owed when the last process ended.
    let mut next = OWED;
    loop {
        if timeout(next, guest.ticks.in_time.notified()).await.is_ok() {
            sleep(OWED).await;
        }
        next = if tick_once(guest).await.unwrap_or(false) { OWED } else { NOTHING_OWED };
    }
}

/// Whether anything is still owed; `None` if the component did not say.
async fn tick_once(guest: &Guest) -> Option<bool> {
    let body = ask(guest, Method::GET).await?.into_body().collect().await.ok()?.to_bytes();
    let mut ticked: Value = serde_json::from_slice(&body).ok()?;
    let mut list = |name| match ticked.get_mut(name).map(Value::take) {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    };
    *guest.ticks.report() = TickReport { destinations: list("destinations"), clock_faults: list("clock_faults") };
    Some(ticked.get("owed")?.as_u64()? > 0)
}

async fn ask(guest: &Guest, method: Method) -> Option<Response<WasiBody>> {
    let body = Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync();
    let request = Request::builder()
        .method(method)
        .uri(PATH)
        .header(header::HOST, "localhost")
        .header(header::AUTHORIZATION, format!("Bearer {}", guest.ticks.token))
        .body(body)
        .ok()?;
    // What is under way goes on to its end where nobody ticks any more, since the host is to stop.
    let ticking = guest.clone();
    let ticked = tokio::spawn(async move {
        tokio::select! {
            ticked = ticking.tick(request) => Some(ticked),
            () = ticking.ticks.cut.notified() => None,
        }
    });
    match ticked.await.ok()?? {
        Ok(response) => Some(response),
        Err(error) => {
            tracing::warn!("a tick failed: {error}");
            None
        }
    }
}

/// How long it is waited whether a lease is renewed: then it is another host's.
const RENEWED: Duration = Duration::from_millis(1_500);

/// Ends what is under way at once, and gives back the leases of its rounds, which would be renewed until then.
pub(crate) async fn cut_short(guest: &Guest) {
    guest.ticks.cut.notify_waiters();
    if !guest.finish(OWED).await {
        return;
    }
    let store = NativeStore(guest.store.clone());
    let give_back = async {
        let leases = standing::leases(&store, Utc::now()).await?;
        if !leases.is_empty() {
            sleep(RENEWED).await;
        }
        standing::give_back(&store, leases).await
    };
    if let Err(error) = give_back.await {
        tracing::warn!("forwarding rests for some seconds after the next start: {error}");
    }
}
