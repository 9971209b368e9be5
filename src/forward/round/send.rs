//! Sends one event: makes the request, waits for the answer, and records the outcome.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use http::Request;

use super::{End, Round, Step, id_of};
use crate::archive::pack::Entry;
use crate::archive::{self, View, events};
use crate::forward::format;
use crate::forward::outcome::{Answer, Outcome, TIMEOUT};
use crate::forward::standing::{self, MOST_REFUSED, Refused};
use crate::http_client::{HttpClient, NotSent};
use crate::identity::Id;
use crate::keys::{Forwards, KeyParts};
use crate::platform::Platform;
use crate::session::{self, Timeline};
use crate::store::{Store, StoreError};

/// After which a round begins nothing new. With a request's time-out it ends within the 30 seconds that platforms give.
const TIME: Duration = Duration::from_secs(10);

/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(1);

/// How many events are sent before it is written down. As many are sent twice if the process dies.
const UNWRITTEN: usize = 64;

/// For how long at most it is not.
const UNWRITTEN_TIME: Duration = Duration::from_millis(200);

/// The most events of a session that a template is shown, and their bytes.
const MOST_OF_SESSION: (usize, usize) = (2_000, 4 << 20);

impl<P: Platform> Round<'_, P> {
    /// Sends loose events, which have been put in order by their keys.
    pub(super) async fn send_some(&mut self, keys: &[String]) -> Step {
        let mut entries = Vec::new();
        for key in keys {
            // Gone: it was erased, or another round has sent it and a pass has packed it.
            let Some(value) = self.store().get(key).await? else { continue };
            match Entry::under(key, value) {
                Ok(entry) => entries.push(entry),
                Err(reason) => {
                    self.note(&format!("{key} cannot be sent, and stays where it is: {reason}"));
                    self.unreadable.extend(id_of(key));
                }
            }
        }
        // As sessions are told.
        entries.sort_by_key(|entry| session::order(&entry.key, entry.delivered));
        for entry in entries {
            if let Some(end) = self.send(&entry).await? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    /// Sends an event, and has it on the receipt unless it has to be sent again.
    pub(super) async fn send(&mut self, entry: &Entry) -> Step {
        let key = entry.key.to_string();
        let wanted = KeyParts::of(&key).is_some_and(|parts| self.destination.filter.wants(&parts));
        if !wanted || !self.destination.filter.wants_record(&entry.value) {
            self.receipt.add(entry.key.id);
            return Ok(None);
        }
        if self.since(self.began) >= TIME {
            return Ok(Some(End::Over));
        }
        if self.standing.requests >= self.allowed {
            return Ok(Some(End::Allowance));
        }
        if self.receipt.unwritten() >= UNWRITTEN || self.since(self.written) >= UNWRITTEN_TIME {
            self.keep().await?;
        }
        if self.since(self.renewed) >= RENEWAL {
            if self.is_overtaken().await? {
                // The other goes on with the receipt that this one went on with.
                self.receipt.part();
                return Ok(Some(End::Overtaken));
            }
            self.renew().await?;
        }
        let session = self.session(entry).await?;
        let request = format::request(self.push, &self.destination.secrets, entry, session.as_ref(), self.now());
        let outcome = match request {
            Ok(request) => {
                self.standing.requests += 1;
                let answer = self.answer(request).await?;
                Outcome::of(self.http_client(), answer, self.push, &self.destination.secrets, self.now()).await
            }
            Err(reason) => Outcome::Refused(reason),
        };
        self.take(entry, outcome).await
    }

    /// Does what an outcome asks for.
    async fn take(&mut self, entry: &Entry, outcome: Outcome) -> Step {
        match outcome {
            Outcome::Delivered { .. } => {
                self.sent = true;
                self.standing.succeeded = Some(self.now().timestamp_millis());
                self.receipt.add(entry.key.id);
                self.settle(entry.key.id).await?;
                Ok(None)
            }
            Outcome::Refused(reason) => self.refuse(entry, reason).await,
            Outcome::Gone => self.pause("it answered 410 Gone: it wants no more events").await,
            Outcome::Failed(failure) => Ok(Some(End::Failing(failure))),
        }
    }

    async fn refuse(&mut self, entry: &Entry, reason: String) -> Step {
        self.note(&format!("event {} was refused: {reason}", entry.key.id));
        let refused = Refused {
            id: entry.key.id.to_string(),
            time: entry.key.timestamp.rfc3339(),
            event: entry.key.event.as_str().to_owned(),
            refused: standing::rfc3339(self.now()),
            reason: reason.clone(),
        };
        let key = standing::key(&self.destination.name, Forwards::Refused(entry.key.id));
        self.store().set(&key, &serde_json::to_vec(&refused).unwrap_or_default()).await?;
        self.standing.error = Some(reason.clone());
        self.refused.insert(entry.key.id);
        if self.refused.len() >= MOST_REFUSED {
            return self.pause(&format!("it refused {MOST_REFUSED} events, the last since {reason}")).await;
        }
        Ok(None)
    }

    async fn pause(&mut self, reason: &str) -> Step {
        self.note(&format!("paused: {reason}"));
        standing::pause(self.store(), &self.destination.name, reason, self.now()).await?;
        Ok(Some(End::Paused))
    }

    /// What was refused and is sent by now is refused no longer. Written down first.
    async fn settle(&mut self, id: Id) -> Result<(), StoreError> {
        if self.refused.remove(&id) {
            self.keep().await?;
            let key = standing::key(&self.destination.name, Forwards::Refused(id));
            self.store().delete(&key).await?;
        }
        Ok(())
    }

    /// Waits for the answer to a request, and keeps the lease meanwhile.
    async fn answer(&mut self, request: Request<Vec<u8>>) -> Result<Answer<P::HttpClient>, StoreError> {
        let client = self.http_client();
        let began = self.rounds.platform.monotonic();
        let mut sending = pin!(client.send(request));
        loop {
            match select(sending.as_mut(), pin!(client.wait(RENEWAL))).await {
                Either::Left((answer, _)) => return Ok(answer),
                Either::Right(_) if self.since(began) >= TIMEOUT => {
                    return Ok(Err(NotSent(format!("it gave no answer within {} s", TIMEOUT.as_secs()))));
                }
                Either::Right(_) if !self.is_overtaken().await? => self.renew().await?,
                Either::Right(_) => {}
            }
        }
    }

    pub(super) async fn keep(&mut self) -> Result<(), StoreError> {
        self.receipt.write(self.store(), self.now()).await?;
        self.written = self.rounds.platform.monotonic();
        Ok(())
    }

    /// What a template is shown of the session. Nothing if there is more of it than fits.
    async fn session(&self, entry: &Entry) -> Result<Option<Timeline>, StoreError> {
        let Some(lsid) = entry.key.lsid.as_ref().filter(|_| format::needs_session(self.push)) else { return Ok(None) };
        let (most, bytes) = MOST_OF_SESSION;
        let entries = archive::read(self.rounds.platform, async |view: &mut View<'_, P::Store>| {
            events::of_session(view, &entry.key.site, lsid, most, bytes).await
        });
        let Some(entries) = entries.await? else { return Ok(None) };
        let mut entries: Vec<_> = entries.iter().filter_map(|entry| Some((entry, entry.event().ok()?))).collect();
        entries.sort_by_key(|(entry, _)| session::order(&entry.key, entry.delivered));
        Ok(Some(Timeline::new(entries.iter().map(|(entry, event)| (event, entry.delivered)))))
    }
}
