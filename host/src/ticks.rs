//! Ticks: the host has the component do what is due, also where no event comes. What is due, the component decides.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt as _, Empty};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::guest::Guest;

/// How often where something is owed to a destination.
const OWED: Duration = Duration::from_secs(1);

/// How often otherwise.
const NOTHING_OWED: Duration = Duration::from_secs(60);

/// Tells the one who ticks that something may be owed.
pub(crate) type Nudge = Arc<Notify>;

/// A token that nobody else knows.
pub(crate) fn token() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Ticks, for ever.
pub(crate) async fn tick(guest: Guest) {
    // What was owed when the last process ended.
    let mut next = OWED;
    loop {
        match timeout(next, guest.nudge.notified()).await {
            // An event came: its own round has a moment to send it.
            Ok(()) if next > OWED => sleep(OWED).await,
            Ok(()) => sleep(next).await,
            Err(_) => {}
        }
        next = if tick_once(&guest).await.unwrap_or(false) { OWED } else { NOTHING_OWED };
    }
}

/// Whether anything is still owed; `None` if the component did not say.
async fn tick_once(guest: &Guest) -> Option<bool> {
    let body = Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync();
    let request = Request::get("/tick")
        .header(header::HOST, "localhost")
        .header(header::AUTHORIZATION, format!("Bearer {}", guest.tick_token))
        .body(body)
        .ok()?;
    let response = match guest.handle(request).await {
        Ok(response) => response,
        Err(error) => {
            tracing::warn!("a tick failed: {error}");
            return None;
        }
    };
    let status = response.status();
    let body = response.into_body().collect().await.ok()?.to_bytes();
    tracing::debug!(%status, "tick");
    let ticked: Value = serde_json::from_slice(&body).ok()?;
    Some(ticked.get("owed")?.as_u64()? > 0)
}
