//! Destinations: how they do, pausing and sending again; and, for those that pull, what they are owed.

use http::request::Parts;
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::events;
use super::query::Query;
use super::resource::Action;
use super::responses::{MAX_PAGE_BYTES, json, response};
use crate::archive::Listing;
use crate::archive::pack::Entry;
use crate::forward::destination::{Destination, Way};
use crate::forward::owed::{Owing, Receipt};
use crate::forward::standing::{self, MOST_REFUSED, Paused, Refused, Told};
use crate::identity::{DestinationName, Id};
use crate::parse::Problem;
use crate::platform::Platform;
use crate::service::answer::{BrokenOff, Service};
use crate::service::auth;
use crate::service::ingest::read;
use crate::service::problem::Refusal;
use crate::store::Store as _;

/// How many events may be acknowledged at once.
const MOST_SENT: usize = 1_000;

impl<P: Platform> Service<'_, P> {
    pub(super) async fn destinations(&self, head: &Parts) -> Result<Response<Vec<u8>>, Refusal> {
        Query::read(head, &[])?;
        let listing = Listing::of(self.platform.store()).await?;
        let mut destinations = Vec::new();
        for destination in &self.settings()?.destinations {
            destinations.push(standing::told(self.platform.store(), destination, &listing).await?);
        }
        Ok(json(&Destinations { destinations }))
    }

    pub(super) async fn refused(&self, head: &Parts, name: &DestinationName) -> Result<Response<Vec<u8>>, Refusal> {
        Query::read(head, &[])?;
        self.destination(name)?;
        let listing = Listing::of(self.platform.store()).await?;
        let refused = standing::refused(self.platform.store(), name, &listing).await?;
        Ok(json(&RefusedList { most: MOST_REFUSED, refused }))
    }

    /// Does what an administrator asks for. What is to be sent is sent after the answer.
    pub(super) async fn act(
        &self,
        head: &Parts,
        name: &DestinationName,
        action: Action,
    ) -> Result<Response<Vec<u8>>, Refusal> {
        let query = Query::read(head, if action == Action::Replay { &["from", "to"] } else { &[] })?;
        let destination = self.destination(name)?;
        if action != Action::Pause && action != Action::Resume && destination.way == Way::Pull {
            return Err(Refusal::Absent("destination that is sent to: this one pulls"));
        }
        match action {
            Action::Pause => {
                let reason = "an administrator paused it";
                standing::pause(self.platform.store(), name, reason, self.platform.now()).await?;
            }
            Action::Resume => {
                let paused = standing::resume(self.platform.store(), name).await?;
                return Ok(json(&Resumed { paused }));
            }
            Action::Replay => {
                let missing = |name| Refusal::Query(Problem::of(name, "is missing"));
                let from = query.time("from")?.ok_or_else(|| missing("from"))?;
                let to = query.time("to")?.ok_or_else(|| missing("to"))?;
                if to <= from {
                    return Err(Refusal::NoTime);
                }
                standing::replay(self.platform.store(), name, from, to).await?;
            }
            Action::Retry(id) => self.retry_refused(name, |refused| *refused == id).await?,
            Action::RetryAll => self.retry_refused(name, |_| true).await?,
        }
        Ok(response(StatusCode::ACCEPTED, "", Vec::new()))
    }

    async fn retry_refused(&self, name: &DestinationName, which: impl Fn(&Id) -> bool) -> Result<(), Refusal> {
        let listing = Listing::of(self.platform.store()).await?;
        let ids: Vec<_> = standing::refused_ids(name, &listing).filter(which).collect();
        if ids.is_empty() {
            return Err(Refusal::Absent("refused event"));
        }
        for id in ids {
            standing::again(self.platform.store(), name, id).await?;
        }
        Ok(())
    }

    /// What a destination that pulls is owed, oldest first: a CloudEvents batch. It is the same until it is acknowledged.
    pub(super) async fn owed(&self, head: &Parts, name: &DestinationName) -> Result<Response<Vec<u8>>, Refusal> {
        let destination = self.puller(head, name)?;
        let limit = Query::read(head, &["limit"])?.limit(100, 500)?;
        let listing = Listing::of(self.platform.store()).await?;
        let keys = Owing::of(self.platform.store(), destination, &listing).await?.keys(&listing);
        let (mut owed, mut bytes, mut unwanted) = (Vec::new(), 0, Receipt::new(name.clone()));
        for key in keys {
            let Some(value) = self.platform.store().get(&key).await? else { continue };
            let Ok(entry) = Entry::under(&key, value) else { continue };
            if !destination.filter.wants_record(&entry.value) {
                unwanted.add(entry.key.id);
                continue;
            }
            bytes += entry.value.len();
            if owed.len() == limit || (bytes > MAX_PAGE_BYTES && !owed.is_empty()) {
                break;
            }
            owed.push(entry);
        }
        // Or what it does not want would never be packed.
        unwanted.write(self.platform.store(), self.platform.now()).await?;
        Ok(events::batch(owed))
    }

    /// Takes note of what a destination that pulls has got. Of what it is not owed, nothing is noted.
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
        let listing = Listing::of(self.platform.store()).await?;
        let owed = Owing::of(self.platform.store(), destination, &listing).await?.keys(&listing);
        let mut receipt = Receipt::new(name.clone());
        for id in ids {
            let text = id.to_string();
            if owed.iter().any(|key| key.ends_with(&text)) {
                receipt.add(id);
            }
        }
        let noted = receipt.unwritten();
        receipt.write(self.platform.store(), self.platform.now()).await?;
        Ok(json(&Noted { sent: noted, owed: owed.len() - noted }))
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
    destinations: Vec<Told>,
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

#[derive(Deserialize)]
struct Sent {
    ids: Vec<String>,
}

#[derive(Serialize)]
struct Noted {
    sent: usize,
    owed: usize,
}
