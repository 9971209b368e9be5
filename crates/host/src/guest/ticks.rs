//! Ticks: the host calls `/tick/…` of the component, also when no events arrive. The component decides what is due.
//! Deliveries and checks of appliances have ticks of their own: an appliance that answers slowly delays no delivery.

use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt as _, Empty};
use outbound_events::forward;
use serde_json::Value;
use tokio::time::{sleep, timeout};
use wasmtime_wasi_http::WasiBody;

use crate::guest::component::Guest;
use crate::guest::tick_state::{CHECKS, DELIVERIES};
use crate::store::port::NativeStore;

/// The interval between ticks while something can be sent.
const BUSY: Duration = Duration::from_secs(1);

/// The interval between ticks otherwise.
const IDLE: Duration = Duration::from_secs(60);

/// The time between an event and its tick, in which further events arrive for the same tick.
const SOON: Duration = Duration::from_millis(25);

/// Ticks. Never returns.
pub(crate) async fn tick(guest: Guest) {
    tokio::join!(tick_after_events(&guest), tick_periodically(&guest), check_periodically(&guest));
}

/// A session that ends makes a check due this long after its end. So after an event, the component is asked again.
const AFTER_EVENT: Duration = Duration::from_secs(15);

/// Ticks when a check of an appliance is due.
async fn check_periodically(guest: &Guest) {
    if !guest.ticks.checks {
        return;
    }
    let mut wait = BUSY;
    loop {
        if timeout(wait, guest.ticks.before_checks.notified()).await.is_ok() {
            sleep(AFTER_EVENT.min(wait)).await;
        }
        wait = check_once(guest).await.unwrap_or(IDLE);
    }
}

/// Ticks, and returns how long the next check can wait; `None` if the component did not say.
async fn check_once(guest: &Guest) -> Option<Duration> {
    let mut ticked = ask_for_report(guest, CHECKS).await?;
    guest.ticks.report().appliances = take_list(&mut ticked, "appliances");
    let seconds = ticked.get("check_seconds")?.as_u64()?;
    // A clock can step while the host waits.
    Some(Duration::from_secs(seconds).clamp(BUSY, IDLE))
}

fn take_list(ticked: &mut Value, name: &str) -> Vec<Value> {
    match ticked.get_mut(name).map(Value::take) {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    }
}

/// Ticks soon after events. It does not wait for a tick to end: while one destination hangs, the next tick serves the
/// others.
async fn tick_after_events(guest: &Guest) {
    loop {
        guest.ticks.after_events.notified().await;
        sleep(SOON).await;
        let guest = guest.clone();
        tokio::spawn(async move { ask(&guest, Method::POST, DELIVERIES).await.map(drop) });
    }
}

/// Ticks each second while something can be sent, each minute otherwise: each of these ticks lists all keys.
async fn tick_periodically(guest: &Guest) {
    // Events can be pending since the last process ended.
    let mut next = NextTick::Busy;
    loop {
        match next {
            NextTick::Busy => sleep(BUSY).await,
            // If every destination waits, an event changes nothing.
            NextTick::Resting(rest) => sleep(rest).await,
            NextTick::Idle => {
                if timeout(IDLE, guest.ticks.periodic.notified()).await.is_ok() {
                    sleep(BUSY).await;
                }
            }
        }
        next = tick_once(guest).await.unwrap_or(NextTick::Idle);
    }
}

/// When the next tick is due.
#[derive(Debug, PartialEq, Eq)]
enum NextTick {
    /// Events are pending.
    Busy,
    /// Events are pending, and every destination waits for this long. At most a minute, since an administrator can
    /// resume a destination.
    Resting(Duration),
    /// No events are pending.
    Idle,
}

impl NextTick {
    /// Derived from the answer to a tick; `None` if fields are missing.
    fn after(ticked: &Value) -> Option<Self> {
        let figure = |name| ticked.get(name)?.as_u64();
        Some(match (figure("pending")?, figure("resting_seconds")?) {
            (0, _) => Self::Idle,
            (_, 0) => Self::Busy,
            (_, seconds) => Self::Resting(Duration::from_secs(seconds).min(IDLE)),
        })
    }
}

/// Ticks, and returns when to tick again; `None` if the component did not say.
async fn tick_once(guest: &Guest) -> Option<NextTick> {
    let mut ticked = ask_for_report(guest, DELIVERIES).await?;
    let mut report = guest.ticks.report();
    report.destinations = take_list(&mut ticked, "destinations");
    report.clock_faults = take_list(&mut ticked, "clock_faults");
    report.sites = take_list(&mut ticked, "sites");
    NextTick::after(&ticked)
}

async fn ask_for_report(guest: &Guest, path: &'static str) -> Option<Value> {
    let body = ask(guest, Method::GET, path).await?.into_body().collect().await.ok()?.to_bytes();
    serde_json::from_slice(&body).ok()
}

async fn ask(guest: &Guest, method: Method, path: &'static str) -> Option<Response<WasiBody>> {
    let body = Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost")
        .header(header::AUTHORIZATION, format!("Bearer {}", guest.ticks.token))
        .body(body)
        .ok()?;
    // When the host is stopping, this future is dropped, and the spawned tick still runs to its end.
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

/// How long to wait for the renewal of a lease. A renewed lease belongs to another host.
const RENEWED: Duration = Duration::from_millis(1_500);

/// Ends running ticks at once and releases the leases of their delivery runs.
pub(crate) async fn cut_short(guest: &Guest) {
    guest.ticks.cut.notify_waiters();
    if !guest.finish(BUSY).await {
        return;
    }
    let store = NativeStore(guest.store.clone());
    let give_back = async {
        let leases = forward::live_leases(&store, Utc::now()).await?;
        if !leases.is_empty() {
            sleep(RENEWED).await;
        }
        forward::give_back_leases(&store, leases).await
    };
    if let Err(error) = give_back.await {
        tracing::warn!("leases were not released, so forwarding waits some seconds after the next start: {error}");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Otherwise all keys would be listed every second while a destination fails.
    #[test]
    fn no_tick_is_due_while_every_destination_waits() {
        let cases = [
            (json!({ "pending": 0, "resting_seconds": 0 }), Some(NextTick::Idle)),
            (json!({ "pending": 5, "resting_seconds": 0 }), Some(NextTick::Busy)),
            (json!({ "pending": 5, "resting_seconds": 30 }), Some(NextTick::Resting(Duration::from_secs(30)))),
            (json!({ "pending": 5, "resting_seconds": 3_600 }), Some(NextTick::Resting(IDLE))),
            (json!({}), None),
        ];
        for (ticked, next) in cases {
            assert_eq!(NextTick::after(&ticked), next, "{ticked}");
        }
    }
}
