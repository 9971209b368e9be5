//! Destinations: their status, an administrator's commands, and the pending events of destinations that pull.

use http::request::Parts;
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::events;
use super::query::Query;
use super::resource::Action;
use super::responses::{MAX_PAGE_BYTES, json, response};
use crate::archive::{self, Listing};
use crate::forward::commands::{self, Paused};
use crate::forward::destination::{DeliveryMode, Destination};
use crate::forward::pending::{Pending, QueueStep};
use crate::forward::receipts::Receipt;
use crate::forward::refused::{self, MAX_REFUSED, Refused};
use crate::forward::status::{self, DestinationStatus};
use crate::forward::wanted;
use crate::identity::{DestinationName, Id};
use crate::keys::Forwards;
use crate::parse::Problem;
use crate::platform::Platform;
use crate::service::answer::{BrokenOff, Service};
use crate::service::auth;
use crate::service::ingest::read_body;
use crate::service::problem::Refusal;

/// The largest number of events in one acknowledgement.
const MAX_ACKNOWLEDGED: usize = 1_000;

/// The largest number of events that one request looks at: a condition can exclude many.
const MAX_LOOKED_AT: usize = 1_000;

impl<P: Platform> Service<'_, P> {
    pub(super) async fn destinations(&self, head: &Parts) -> Result<Response<Vec<u8>>, Refusal> {
        Query::parse(head, &[])?;
        let listing = archive::list_visible(self.platform.store(), self.platform.now()).await?;
        let mut destinations = Vec::new();
        for destination in &self.settings()?.destinations {
            destinations.push(status::load(self.platform.store(), destination, &listing).await?);
        }
        Ok(json(&Destinations { destinations }))
    }

    pub(super) async fn refused(&self, head: &Parts, name: &DestinationName) -> Result<Response<Vec<u8>>, Refusal> {
        Query::parse(head, &[])?;
        self.destination(name)?;
        let listing = Listing::load(self.platform.store()).await?;
        let refused = refused::list(self.platform.store(), name, &listing).await?;
        Ok(json(&RefusedList { most: MAX_REFUSED, refused }))
    }

    /// Carries out a command. Events are sent after the answer. Returns the log line as well.
    pub(super) async fn act(
        &self,
        head: &Parts,
        name: &DestinationName,
        action: Action,
    ) -> Result<(Response<Vec<u8>>, Option<String>), Refusal> {
        let query = Query::parse(head, action.parameters())?;
        let destination = self.destination(name)?;
        if action != Action::Pause && action != Action::Resume && destination.mode == DeliveryMode::Pull {
            return Err(Refusal::Absent("destination with delivery runs: this one pulls"));
        }
        let (store, now) = (self.platform.store(), self.platform.now());
        let mut line = None;
        match action {
            Action::Pause => line = Some(commands::pause(store, name, "an administrator paused it", now).await?),
            Action::Resume => {
                let paused = commands::resume(store, name, now).await?;
                let line = format!("destination {name}: an administrator resumed it");
                return Ok((json(&Resumed { paused }), Some(line)));
            }
            Action::Skip => {
                let only = query.get("event", str::parse)?;
                let skipped = commands::skip(self.platform, destination, only).await?;
                let (event, line) = skipped.ok_or(Refusal::Absent("first pending event"))?;
                return Ok((json(&Skipped { skipped: event.to_string() }), Some(line)));
            }
            Action::Replay => self.replay(name, &query).await?,
            Action::Retry(id) => self.retry_refused(name, |refused| *refused == id).await?,
            Action::RetryAll => self.retry_refused(name, |_| true).await?,
        }
        Ok((response(StatusCode::ACCEPTED, "", Vec::new()), line))
    }

    async fn replay(&self, name: &DestinationName, query: &Query) -> Result<(), Refusal> {
        let missing = |name| Refusal::Query(Problem::of_variable(name, "is missing"));
        let from = query.time("from")?.ok_or_else(|| missing("from"))?;
        let to = query.time("to")?.ok_or_else(|| missing("to"))?;
        if to <= from {
            return Err(Refusal::NoTime);
        }
        Ok(commands::replay(self.platform.store(), name, from, to).await?)
    }

    async fn retry_refused(&self, name: &DestinationName, which: impl Fn(&Id) -> bool) -> Result<(), Refusal> {
        let listing = Listing::load(self.platform.store()).await?;
        let is_wanted = |what: &Forwards| match what {
            Forwards::Refused(id) | Forwards::Unreadable(id) => which(id),
            _ => false,
        };
        let all: Vec<_> = refused::keys(name, &listing).filter(is_wanted).collect();
        if all.is_empty() {
            return Err(Refusal::Absent("refused event"));
        }
        for what in all {
            commands::retry(self.platform.store(), name, what).await?;
        }
        Ok(())
    }

    /// The pending events of a destination that pulls, oldest first, as a CloudEvents batch. The same events are
    /// returned until they are acknowledged.
    pub(super) async fn pending(&self, head: &Parts, name: &DestinationName) -> Result<Response<Vec<u8>>, Refusal> {
        let destination = self.puller(head, name)?;
        let limit = Query::parse(head, &["limit"])?.limit(100, 500)?;
        let (store, now) = (self.platform.store(), self.platform.now());
        let listing = archive::list_visible(store, now).await?;
        let mut queue = Pending::load(store, destination, &listing).await?.queue(&listing);
        let (mut batch, mut bytes, mut unwanted) = (Vec::new(), 0, Receipt::new(name.clone()));
        let mut looked = 0;
        while batch.len() < limit && looked < MAX_LOOKED_AT {
            match queue.next(store, destination).await? {
                QueueStep::Event(entry) => {
                    looked += 1;
                    // An event whose condition fails is not kept back: the client could never get it.
                    if wanted::is_wanted(self.platform, destination, &entry).await? == Ok(false) {
                        unwanted.add(entry.key.id);
                        continue;
                    }
                    bytes += entry.value.len();
                    if bytes > MAX_PAGE_BYTES && !batch.is_empty() {
                        break;
                    }
                    batch.push(*entry);
                }
                QueueStep::Unwanted(id) => unwanted.add(id),
                QueueStep::Unreadable(key, reason) => {
                    _ = refused::write_unreadable(store, name, &key, &reason, now).await?
                }
                QueueStep::Read => {}
                QueueStep::Empty => break,
            }
        }
        // Without a receipt, events that the filter excludes would never be packed.
        unwanted.write(store, now).await?;
        Ok(events::batch(batch))
    }

    /// Records the events that a destination that pulls has received. Ids that are not pending are ignored.
    pub(super) async fn sent(
        &self,
        head: &Parts,
        name: &DestinationName,
        chunk: impl AsyncFnMut() -> Result<Option<Vec<u8>>, BrokenOff>,
    ) -> Result<Response<Vec<u8>>, Refusal> {
        let destination = self.puller(head, name)?;
        Query::parse(head, &[])?;
        let body = read_body(head, 64 << 10, chunk).await?;
        let fault = |reason: &str| Refusal::Body(reason.to_owned());
        let Acknowledgement { ids } = serde_json::from_slice(&body).map_err(|error| {
            fault(&format!("expected {{\"ids\": [\"…\"]}} (line {}, column {})", error.line(), error.column()))
        })?;
        if ids.len() > MAX_ACKNOWLEDGED {
            return Err(fault("there are more than 1,000 ids"));
        }
        let ids: Result<Vec<Id>, _> = ids.iter().map(|id| id.parse()).collect();
        let ids = ids.map_err(|reason: &str| fault(&format!("an id {reason}")))?;
        let listing = Listing::load(self.platform.store()).await?;
        let pending = Pending::load(self.platform.store(), destination, &listing).await?;
        let mut receipt = Receipt::new(name.clone());
        for id in ids {
            if pending.contains_id(id, &listing) {
                receipt.add(id);
            }
        }
        let noted = receipt.unwritten();
        receipt.write(self.platform.store(), self.platform.now()).await?;
        Ok(json(&AcknowledgementResult { sent: noted, pending: pending.count(&listing).0.saturating_sub(noted) }))
    }

    fn destination(&self, name: &DestinationName) -> Result<&Destination, Refusal> {
        let all = &self.settings()?.destinations;
        all.iter().find(|destination| destination.name == *name).ok_or(Refusal::Absent("destination"))
    }

    fn puller(&self, head: &Parts, name: &DestinationName) -> Result<&Destination, Refusal> {
        let pulls = self.destination(name).ok().filter(|destination| destination.mode == DeliveryMode::Pull);
        // Answer alike for unknown destinations: only a client with the secret learns which exist.
        let destination = pulls.ok_or(Refusal::Secret)?;
        auth::destination(head, &destination.secrets)?;
        Ok(destination)
    }
}

#[derive(Serialize)]
struct Destinations {
    destinations: Vec<DestinationStatus>,
}

#[derive(Serialize)]
struct RefusedList {
    /// The number of refused events at which a destination is paused.
    most: usize,
    refused: Vec<Refused>,
}

#[derive(Serialize)]
struct Resumed {
    /// The pause that ended. Events that were packed during it are sent by a replay.
    paused: Option<Paused>,
}

#[derive(Serialize)]
struct Skipped {
    /// The id of the skipped event, which is listed as refused.
    skipped: String,
}

#[derive(Deserialize)]
struct Acknowledgement {
    ids: Vec<String>,
}

#[derive(Serialize)]
struct AcknowledgementResult {
    sent: usize,
    pending: usize,
}
