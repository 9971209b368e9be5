//! What an event demands of its instance, and of its host: pages of memory, calls, bytes. Linux only.

use anyhow::{Context as _, Result};
use http::HeaderMap;
use outbound_events::parse::parse;
use outbound_events_host::guest::{Limits, Used};
use outbound_events_host::swap::Swap;
use tokio::task::yield_now;

use crate::cost::{answer, guest, request};
use crate::event;
use crate::host_calls::{CallCounter, HostCalls};
use crate::pages::{InstanceMemory, TouchedPages};

/// What one event demands.
#[derive(Clone, Debug)]
pub struct EventDemand {
    /// The event's name.
    pub event: String,
    /// Pages of the instance's memory.
    pub pages: TouchedPages,
    /// The calls, but for those that only drop a handle.
    pub calls: HostCalls,
    /// The bytes of headers, bodies, keys, values and settings, in both directions.
    pub moved_bytes: u64,
}

/// What each of the guide's seven events demands in a fresh instance.
pub async fn event_demands(component: &str) -> Result<Vec<EventDemand>> {
    // No page of an earlier instance is kept.
    let limits = Limits { measure: true, swap: Swap::ASSUMED, kept_memory_bytes: 0, ..Limits::default() };
    let guest = guest(component, limits)?;
    let counter = CallCounter::start();
    let mut demands = Vec::new();
    answer(&guest, event::form(1_000)).await?;
    for form in event::seven() {
        // Lets the host drop the last instance and create the next one.
        yield_now().await;
        let memory = InstanceMemory::find()?;
        memory.clear_marks()?;
        counter.take();
        let event = parse(form.as_bytes())?.kind().name().as_str().to_owned();
        let sent = http_bytes(&request(&form)?.headers) + "/events".len() + form.len();
        let response = answer(&guest, form).await?;
        let (pages, calls) = (memory.touched()?, counter.take());
        let used: &Used = response.extensions().get().context("the use of the instance was not measured")?;
        let moved_bytes = used.moved_bytes + (sent + http_bytes(response.headers())) as u64;
        demands.push(EventDemand { event, pages, calls, moved_bytes });
    }
    Ok(demands)
}

fn http_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}
