//! The status of a destination, for the API, the page and a tick.

use chrono::DateTime;
use serde::Serialize;

use super::commands::{Paused, paused};
use super::destination::{DeliveryMode, Destination};
use super::pending::Pending;
use super::refused;
use super::state::{DeliveryAttempt, DestinationState, rfc3339};
use crate::archive::Listing;
use crate::event::Timestamp;
use crate::identity::DestinationName;
use crate::keys::Forwards;
use crate::store::{Store, StoreError};

/// The status of a destination. It contains no secret, and only the origin of the URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DestinationStatus {
    /// The destination's name.
    pub name: String,
    /// `cloudevents`, `form`, `ndjson`, `otlp`, `pull`, `splunk-hec` or `template`.
    pub format: &'static str,
    /// Scheme, host and port; absent for a destination that pulls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// `working`, `failing` or `paused`.
    pub state: &'static str,
    /// The number of pending events, as far as keys show.
    pub pending: usize,
    /// The time of the oldest pending event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_pending: Option<String>,
    /// When the destination last accepted an event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success: Option<String>,
    /// The beginning of the last body of an answer that accepted an event: some receivers report errors there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_answer: Option<String>,
    /// The last error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// The first of the consecutive failures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<String>,
    /// The failing event. No later event is sent before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing_event: Option<String>,
    /// The time of the next attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<String>,
    /// When and why it was paused, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
    /// The number of refused and skipped events.
    pub refused: usize,
    /// The number of replays under way.
    pub replays: usize,
    /// The last ten requests, newest first. Empty for a destination that pulls.
    pub attempts: Vec<AttemptStatus>,
}

/// A request to a destination, for the API and the page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AttemptStatus {
    /// When it began: RFC 3339 in UTC.
    pub time: String,
    /// The id of its event, or of the first of several.
    pub event: String,
    /// The number of its events.
    pub events: usize,
    /// The status of the answer, or why there was none.
    pub answer: String,
    /// How long the answer took.
    pub milliseconds: u64,
}

impl AttemptStatus {
    fn of(attempt: DeliveryAttempt) -> Option<Self> {
        let DeliveryAttempt { at, event, events, answer, milliseconds } = attempt;
        let time = DateTime::from_timestamp_millis(at).map(rfc3339)?;
        Some(Self { time, event, events, answer, milliseconds })
    }
}

/// `working`, `failing` or `paused`.
pub async fn state(store: &impl Store, name: &DestinationName) -> Result<&'static str, StoreError> {
    Ok(word(paused(store, name).await?.as_ref(), &DestinationState::load(store, name).await?))
}

fn word(paused: Option<&Paused>, state: &DestinationState) -> &'static str {
    match (paused, &state.failing) {
        (Some(_), _) => "paused",
        (None, Some(_)) => "failing",
        (None, None) => "working",
    }
}

/// Reads the status of a destination.
pub async fn load(
    store: &impl Store,
    destination: &Destination,
    listing: &Listing,
) -> Result<DestinationStatus, StoreError> {
    let name = &destination.name;
    let (pending, oldest) = Pending::load(store, destination, listing).await?.count(listing);
    let state = DestinationState::load(store, name).await?;
    let paused = paused(store, name).await?;
    let own = || listing.forwards.iter().filter(|key| key.destination == *name);
    let time = |millis: i64| DateTime::from_timestamp_millis(millis).map(rfc3339);
    Ok(DestinationStatus {
        name: name.to_string(),
        format: match &destination.mode {
            DeliveryMode::Push(push) => push.format.as_str(),
            DeliveryMode::Pull => "pull",
        },
        origin: destination.origin().map(str::to_owned),
        state: word(paused.as_ref(), &state),
        pending,
        oldest_pending: oldest.map(Timestamp::rfc3339),
        last_success: state.succeeded.and_then(time),
        last_answer: state.answer,
        last_error: state.error,
        failing_since: state.failing.as_ref().and_then(|failing| time(failing.since)),
        failing_event: state.stuck.filter(|_| state.failing.is_some()).map(|stuck| stuck.event),
        next_attempt: state.rest.filter(|_| state.failing.is_some()).and_then(|rest| time(rest.end())),
        paused,
        refused: refused::keys(name, listing).count(),
        attempts: state.attempts.into_iter().filter_map(AttemptStatus::of).collect(),
        replays: own().filter(|key| matches!(key.what, Forwards::Replay(..))).count(),
    })
}
