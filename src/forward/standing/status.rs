//! The status of a destination, as the API, the page and a tick show it.

use chrono::DateTime;
use serde::Serialize;

use super::commands::{Paused, paused};
use super::refused::refused_ids;
use super::state::{Standing, rfc3339};
use crate::archive::Listing;
use crate::event::Timestamp;
use crate::forward::destination::{Destination, Way};
use crate::forward::owed::Owing;
use crate::identity::DestinationName;
use crate::keys::{Forwards, KeyParts};
use crate::store::{Store, StoreError};

/// What is told of a destination. Holds no secret, and of its URL only the origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Its name.
    pub name: String,
    /// `cloudevents`, `form`, `template` or `pull`.
    pub format: &'static str,
    /// Scheme, host and port; none where it asks itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// `working`, `failing` or `paused`.
    pub state: &'static str,
    /// How many events it is owed, as far as keys tell.
    pub owed: usize,
    /// The time of the oldest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_owed: Option<String>,
    /// When it took an event last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success: Option<String>,
    /// What went wrong last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Since when it fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<String>,
    /// When it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_try: Option<String>,
    /// Since when and why it is paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
    /// How many events it refused.
    pub refused: usize,
    /// How many replays are under way.
    pub replays: usize,
}

/// `working`, `failing` or `paused`.
pub async fn state(store: &impl Store, name: &DestinationName) -> Result<&'static str, StoreError> {
    Ok(state_of(paused(store, name).await?.as_ref(), &Standing::of(store, name).await?))
}

fn state_of(paused: Option<&Paused>, standing: &Standing) -> &'static str {
    match (paused, &standing.failing) {
        (Some(_), _) => "paused",
        (None, Some(_)) => "failing",
        (None, None) => "working",
    }
}

/// How a destination does.
pub async fn told(store: &impl Store, destination: &Destination, listing: &Listing) -> Result<Told, StoreError> {
    let name = &destination.name;
    let owing = Owing::of(store, destination, listing).await?;
    let (owed, oldest) = owed(&owing, listing);
    let standing = Standing::of(store, name).await?;
    let paused = paused(store, name).await?;
    let own = || listing.forwards.iter().filter(|key| key.destination == *name);
    let time = |millis: i64| DateTime::from_timestamp_millis(millis).map(rfc3339);
    Ok(Told {
        name: name.to_string(),
        format: match &destination.way {
            Way::Push(push) => push.format.as_str(),
            Way::Pull => "pull",
        },
        origin: destination.origin().map(str::to_owned),
        state: state_of(paused.as_ref(), &standing),
        owed,
        oldest_owed: oldest.map(Timestamp::rfc3339),
        last_success: standing.succeeded.and_then(time),
        last_error: standing.error,
        failing_since: standing.failing.as_ref().and_then(|failing| time(failing.since)),
        next_try: standing.rest.filter(|_| standing.failing.is_some()).and_then(|rest| time(rest.end())),
        paused,
        refused: refused_ids(name, listing).count(),
        replays: own().filter(|key| matches!(key.what, Forwards::Replay(..))).count(),
    })
}

fn owed(owing: &Owing<'_>, listing: &Listing) -> (usize, Option<Timestamp>) {
    let parts = listing.loose.iter().filter_map(|key| KeyParts::of(key)).filter(|parts| owing.owes(parts));
    parts.fold((0, None), |(count, oldest), parts| {
        let time = parts.time();
        (count + 1, [oldest, time].into_iter().flatten().min())
    })
}
