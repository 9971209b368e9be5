//! The status of a destination, as the API, the page and a tick show it.

use chrono::DateTime;
use serde::Serialize;

use super::commands::{Paused, paused};
use super::destination::{DeliveryMode, Destination};
use super::pending::Pending;
use super::refused;
use super::state::{DestinationState, rfc3339};
use crate::archive::Listing;
use crate::event::Timestamp;
use crate::identity::DestinationName;
use crate::keys::Forwards;
use crate::store::{Store, StoreError};

/// The status of a destination. It holds no secret, and of its URL only the origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DestinationStatus {
    /// Its name.
    pub name: String,
    /// `cloudevents`, `form`, `template` or `pull`.
    pub format: &'static str,
    /// Scheme, host and port; none for a destination that pulls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// `working`, `failing` or `paused`.
    pub state: &'static str,
    /// The number of pending events, as far as keys tell.
    pub pending: usize,
    /// The time of the oldest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_pending: Option<String>,
    /// When it accepted an event last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success: Option<String>,
    /// The words of the last answer that accepted an event and had a body: some receivers report errors there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_answer: Option<String>,
    /// What went wrong last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Since when it fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<String>,
    /// The event that it fails with: nothing overtakes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing_event: Option<String>,
    /// When the next attempt is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<String>,
    /// Since when and why it is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
    /// The number of events that it refused, or that were skipped.
    pub refused: usize,
    /// The number of replays that are under way.
    pub replays: usize,
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
        replays: own().filter(|key| matches!(key.what, Forwards::Replay(..))).count(),
    })
}
