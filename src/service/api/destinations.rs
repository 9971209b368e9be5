//! Destinations: their status and an administrator's commands; and, for those that pull, what is pending.

use http::request::Parts;
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::events;
use super::query::Query;
use super::resource::Action;
use super::responses::{MAX_PAGE_BYTES, json, response};
use crate::archive::Listing;
use crate::forward::commands::{self, Paused};
use crate::forward::destination::{Destination, Way};
use crate::forward::pending::{Next, Pending};
use crate::forward::receipts::Receipt;
use crate::forward::refused::{self, MAX_REFUSED, Refused};
use crate::forward::status::{self, DestinationStatus};
use crate::identity::{DestinationName, Id};
use crate::keys::Forwards;
use crate::parse::Problem;
use crate::platform::Platform;
use crate::service::answer::{BrokenOff, Service};
use crate::service::auth;
use crate::service::ingest::read;
use crate::service::problem::Refusal;

/// How many events may be acknowledged at once.
const MOST_SENT: usize = 1_000;

impl<P: Platform> Service<'_, P> {
    pub(super) async fn destinations(&self, head: &Parts) -> Result<Response<Vec<u8>>, Refusal> {
        Query::read(head, &[])?;
        let listing = Listing::load(self.platform.store()).await?;
        let mut destinations = Vec::new();
        for destination in &self.settings()?.destinations {
            destinations.push(status::read(self.platform.store(), destination, &listing).await?);
        }
        Ok(json(&Destinations { destinations }))
    }

    pub(super) async fn refused(&self, head: &Parts, name: &DestinationName) -> Result<Response<Vec<u8>>, Refusal> {
        Query::read(head, &[])?;
        self.destination(name)?;
        let listing = Listing::load(self.platform.store()).await?;
        let refused = refused::list(self.platform.store(), name, &listing).await?;
        Ok(json(&RefusedList { most: MAX_REFUSED, refused }))
    }

    /// Does what an administrator asks for. What is to be sent is sent after the answer. Gives a line for the log as well.
    pub(super) async fn act(
        &self,
        head: &Parts,
        name: &DestinationName,
        action: Action,
    ) -> Result<(Response<Vec<u8>>, Option<String>), Refusal> {
        let query = Query::read(head, action.parameters())?;
        let destination = self.destination(name)?;
        if action != Action::Pause && action != Action::Resume && destination.way == Way::Pull {
            return Err(Refusal::Absent("destination that is sent to: this one pulls"));
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
                let skipped = commands::skip(store, destination, only, now).await?;
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
        let missing = |name| Refusal::Query(Problem::of(name, "is missing"));
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

    /// What is pending for a destination that pulls, oldest first: a CloudEvents batch. It is the same until it is acknowledged.
    pub(super) async fn pending(&self, head: &Parts, name: &DestinationName) -> Result<Response<Vec<u8>>, Refusal> {
        let destination = self.puller(head, name)?;
        let limit = Query::read(head, &["limit"])?.limit(100, 500)?;
        let (store, now) = (self.platform.store(), self.platform.now());
        let listing = Listing::load(store).await?;
        let mut queue = Pending::of(store, destination, &listing).await?.queue(&listing);
        let (mut batch, mut bytes, mut unwanted) = (Vec::new(), 0, Receipt::new(name.clone()));
        while batch.len() < limit {
            match queue.next(store, destination).await? {
                Next::Event(entry) => {
                    bytes += entry.value.len();
                    if bytes > MAX_PAGE_BYTES && !batch.is_empty() {
                        break;
                    }
                    batch.push(*entry);
                }
                Next::Unwanted(id) => unwanted.add(id),
                Next::Unreadable(key, reason) => _ = refused::write_unreadable(store, name, &key, &reason, now).await?,
                Next::Read => {}
                Next::Empty => break,
            }
        }
        // Without a receipt, what it does not want would never be packed.
        unwanted.write(store, now).await?;
        Ok(events::batch(batch))
    }

    /// Takes note of what a destination that pulls has received. Of what is not pending for it, nothing is noted.
    pub(super) async fn sent(
        &self,
        head: &Parts,
        name: &DestinationName,
        chunk: impl AsyncFnMut() -> Result<Option<Vec<u8>>, BrokenOff>,
    ) -> Result<Response<Vec<u8>>, Refusal> {
        let destination = self.puller(head, name)?;
        Query::read(head, &[])?;
        let body = read(head, 64 << 10, chunk).await?;
        let fault = |reason: &str| Refusal::Body(reason.to_owned());
        let Sent { ids } = serde_json::from_slice(&body).map_err(|error| {
            fault(&format!("it is not {{\"ids\": [\"…\"]}}: line {}, column {}", error.line(), error.column()))
        })?;
        if ids.len() > MOST_SENT {
            return Err(fault("it has more than 1,000 ids"));
        }
        let ids: Result<Vec<Id>, _> = ids.iter().map(|id| id.parse()).collect();
        let ids = ids.map_err(|reason: &str| fault(&format!("an id {reason}")))?;
        let listing = Listing::load(self.platform.store()).await?;
        let pending = Pending::of(self.platform.store(), destination, &listing).await?;
        let mut receipt = Receipt::new(name.clone());
        for id in ids {
            if pending.has_id(id, &listing) {
                receipt.add(id);
            }
        }
        let noted = receipt.unwritten();
        receipt.write(self.platform.store(), self.platform.now()).await?;
        Ok(json(&Noted { sent: noted, pending: pending.count(&listing).0.saturating_sub(noted) }))
    }

    fn destination(&self, name: &DestinationName) -> Result<&Destination, Refusal> {
        let all = &self.settings()?.destinations;
        all.iter().find(|destination| destination.name == *name).ok_or(Refusal::Absent("destination"))
    }

    fn puller(&self, head: &Parts, name: &DestinationName) -> Result<&Destination, Refusal> {
        let pulls = self.destination(name).ok().filter(|destination| destination.way == Way::Pull);
        // Whether there is one is for those who know its secret.
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
    /// With how many a destination is paused.
    most: usize,
    refused: Vec<Refused>,
}

#[derive(Serialize)]
struct Resumed {
    /// Since when and why it was paused. What was packed since then is sent by a replay.
    paused: Option<Paused>,
}

#[derive(Serialize)]
struct Skipped {
    /// The id of the event. It is listed as refused.
    skipped: String,
}

#[derive(Deserialize)]
struct Sent {
    ids: Vec<String>,
}

#[derive(Serialize)]
struct Noted {
    sent: usize,
    pending: usize,
}
