//! Sends events again: retries of refused events, and replays.

use std::collections::VecDeque;

use super::outcome::DeliveryOutcome;
use super::pending::Queue;
use super::probe;
use super::run::{DeliveryRun, RunResult};
use super::state::key;
use super::wanted;
use crate::archive::events::{EventsCursor, EventsPage, EventsQuery};
use crate::archive::pack::RecordEntry;
use crate::archive::{self, Listing, View, events};
use crate::event::Timestamp;
use crate::identity::Id;
use crate::keys::{Forwards, KeyParts};
use crate::platform::Platform;
use crate::store::Store as _;

/// The number of events that a replay reads at a time, or those of a batch if that is more.
const AT_A_TIME: usize = 64;

impl<P: Platform> DeliveryRun<'_, P> {
    /// Retries a refused event, or sends a part of a replay. Returns false if neither is requested.
    pub(super) async fn resend(&mut self, listing: &Listing) -> RunResult<bool> {
        self.check_budget().await?;
        let name = &self.destination.name;
        let own: Vec<_> = listing.forwards.iter().filter(|key| key.destination == *name).map(|key| key.what).collect();
        let retry = own.iter().find_map(|what| if let Forwards::Retry(id) = what { Some(*id) } else { None });
        if let Some(id) = retry {
            self.retry(id).await?;
            return Ok(true);
        }
        for what in own {
            if let Forwards::Replay(from, to) = what {
                self.replay(from, to).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn retry(&mut self, id: Id) -> RunResult {
        let (store, name) = (self.platform.store(), &self.destination.name);
        let find =
            async |view: &mut View<'_, P::Store>| Ok((events::find_event(view, id).await?, view.unreadable.is_empty()));
        let (found, is_all_readable) = archive::read_view(self.platform, find).await?;
        match found {
            Some(entry) if self.passes_filter(&entry) => {
                match wanted::is_wanted(self.platform, self.destination, &entry).await? {
                    Ok(true) => {
                        let outcome = self.deliver(std::slice::from_ref(&entry)).await?;
                        let outcome = self.refused_again(&entry, outcome);
                        self.record(std::slice::from_ref(&entry), outcome).await?;
                    }
                    // The condition has changed.
                    Ok(false) => store.delete(&key(name, Forwards::Refused(id))).await?,
                    Err(reason) => self.refuse(&entry, reason).await?,
                }
            }
            // The filter has changed.
            Some(_) => store.delete(&key(name, Forwards::Refused(id))).await?,
            // The event was removed.
            None if is_all_readable => store.delete(&key(name, Forwards::Refused(id))).await?,
            None => self.log_line(&format!(
                "event {id} was not retried: it was not found, but some stored values cannot be read"
            )),
        }
        store.delete(&key(name, Forwards::Retry(id))).await?;
        Ok(())
    }

    /// A retried event is refused again once it has failed as often as the probe requires. No probe is needed: it was
    /// refused before.
    fn refused_again(&self, entry: &RecordEntry, outcome: DeliveryOutcome) -> DeliveryOutcome {
        let failures = self.lease.state.failures_of(entry.key.id).saturating_add(1);
        match outcome {
            DeliveryOutcome::Failed(failure) if probe::is_due(failures, &failure) => {
                DeliveryOutcome::Refused(failure.reason)
            }
            other => other,
        }
    }

    /// Sends a page of the stored events of a time range, and writes down how far it came.
    async fn replay(&mut self, from: Timestamp, to: Timestamp) -> RunResult {
        let (store, name) = (self.platform.store(), key(&self.destination.name, Forwards::Replay(from, to)));
        let Some(value) = store.get(&name).await? else { return Ok(()) };
        let after = str::from_utf8(&value).ok().and_then(|text| EventsCursor::parse(text).ok());
        let limit = self.push.batch.map_or(AT_A_TIME, |limits| limits.max_events.max(AT_A_TIME));
        let wanted =
            EventsQuery { site: None, event: None, from: Some(from), to: Some(to), after, limit, max_bytes: 4 << 20 };
        let page = async |view: &mut View<'_, P::Store>| events::list_events(view, &wanted).await;
        let EventsPage { events, next } = archive::read_view(self.platform, page).await?;
        let mut last = None;
        let sent = self.replay_page(events, &mut last).await;
        self.write_receipt().await?;
        match (&sent, last, next) {
            (Ok(()), _, Some(next)) => store.set(&name, next.to_string().as_bytes()).await?,
            (Ok(()), _, None) => store.delete(&name).await?,
            (Err(_), Some(last), _) => store.set(&name, String::as_bytes(&last)).await?,
            (Err(_), None, _) => {}
        }
        sent
    }

    /// Sends the events of a page. `last` becomes the key of the last event that is done.
    async fn replay_page(&mut self, events: Vec<RecordEntry>, last: &mut Option<String>) -> RunResult {
        let mut queue = Queue::of(events.into_iter().filter(|entry| self.passes_filter(entry)));
        let mut waiting = VecDeque::new();
        loop {
            let batch = match self.push.batch {
                Some(limits) => self.next_batch(&mut waiting, &mut queue, limits).await?,
                None => self.next(&mut queue).await?.into_iter().collect(),
            };
            let Some(end) = batch.last().map(|entry| entry.key.to_string()) else { return Ok(()) };
            if self.send_batch(batch, &mut waiting, &mut queue).await? {
                *last = Some(end);
            }
        }
    }

    /// Whether an event passes the filter; its condition is another question.
    fn passes_filter(&self, entry: &RecordEntry) -> bool {
        let (key, filter) = (entry.key.to_string(), &self.destination.filter);
        KeyParts::split(&key).is_some_and(|parts| filter.wants(&parts)) && filter.wants_record(&entry.value)
    }
}
