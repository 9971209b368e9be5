//! Ticks: the host has the component do what is due, also where no event comes. What is due, the component decides.

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
use crate::guest::tick_state::{PATH, TickReport};
use crate::store::port::NativeStore;

/// How often while something can be sent.
const BUSY: Duration = Duration::from_secs(1);

/// How often otherwise.
const IDLE: Duration = Duration::from_secs(60);

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

/// Each second while something can be sent, each minute otherwise: each of these ticks lists all keys.
async fn tick_in_time(guest: &Guest) {
    // What was pending when the last process ended.
    let mut next = Next::Busy;
    loop {
        match next {
            Next::Busy => sleep(BUSY).await,
            // Where every destination waits, an event changes nothing.
            Next::Resting(rest) => sleep(rest).await,
            Next::Idle => {
                if timeout(IDLE, guest.ticks.in_time.notified()).await.is_ok() {
                    sleep(BUSY).await;
                }
            }
        }
        next = tick_once(guest).await.unwrap_or(Next::Idle);
    }
}

/// When the next tick is due.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Something is pending.
    Busy,
    /// Something is pending, and no destination may be sent to for so long. A minute at most: an administrator may resume one.
    Resting(Duration),
    /// Nothing is pending.
    Idle,
}

impl Next {
    /// As the answer to a tick says; `None` if it does not.
    fn after(ticked: &Value) -> Option<Self> {
        let figure = |name| ticked.get(name)?.as_u64();
        Some(match (figure("pending")?, figure("resting_seconds")?) {
            (0, _) => Self::Idle,
            (_, 0) => Self::Busy,
            (_, seconds) => Self::Resting(Duration::from_secs(seconds).min(IDLE)),
        })
    }
}

/// Ticks, and tells when to tick again; `None` if the component did not say.
async fn tick_once(guest: &Guest) -> Option<Next> {
    let body = ask(guest, Method::GET).await?.into_body().collect().await.ok()?.to_bytes();
    let mut ticked: Value = serde_json::from_slice(&body).ok()?;
    let mut list = |name| match ticked.get_mut(name).map(Value::take) {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    };
    *guest.ticks.report() = TickReport { destinations: list("destinations"), clock_faults: list("clock_faults") };
    Next::after(&ticked)
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

/// Ends what is under way at once, and gives back the leases of its delivery runs, which would be renewed until then.
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
        tracing::warn!("forwarding rests for some seconds after the next start: {error}");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// All keys were listed every second while a destination failed.
    #[test]
    fn while_every_destination_waits_no_tick_looks_for_what_is_pending() {
        let cases = [
            (json!({ "pending": 0, "resting_seconds": 0 }), Some(Next::Idle)),
            (json!({ "pending": 5, "resting_seconds": 0 }), Some(Next::Busy)),
            (json!({ "pending": 5, "resting_seconds": 30 }), Some(Next::Resting(Duration::from_secs(30)))),
            (json!({ "pending": 5, "resting_seconds": 3_600 }), Some(Next::Resting(IDLE))),
            (json!({}), None),
        ];
        for (ticked, next) in cases {
            assert_eq!(Next::after(&ticked), next, "{ticked}");
        }
    }
}
