//! The events that are pending for a destination: loose events that pass its filter and that no receipt or list of
//! refused events names.

use std::collections::{HashSet, VecDeque};

use super::destination::Destination;
use super::receipts;
use crate::archive::Listing;
use crate::archive::pack::RecordEntry;
use crate::event::{EventName, Timestamp};
use crate::identity::Id;
use crate::keys::{Forwards, KeyParts};
use crate::session;
use crate::store::{Store, StoreError};

/// The pending events of a destination, as far as keys show.
#[derive(Debug)]
pub struct Pending<'d> {
    /// Whose events these are.
    pub destination: &'d Destination,
    done: HashSet<Id>,
    /// Whether the destination is paused. Then nothing is pending.
    pub paused: bool,
}

impl<'d> Pending<'d> {
    /// Reads the receipts of a destination. An event that is delivered after `listing` was made still counts as
    /// pending.
    pub async fn load(store: &impl Store, destination: &'d Destination, listing: &Listing) -> Result<Self, StoreError> {
        let own = || listing.forwards.iter().filter(|key| key.destination == destination.name);
        let paused = own().any(|key| key.what == Forwards::Paused);
        let mut done = HashSet::new();
        for key in own() {
            match key.what {
                Forwards::Refused(id) | Forwards::Unreadable(id) => _ = done.insert(id),
                Forwards::Receipt(id) => done.extend(receipts::ids(store, &destination.name, id).await?),
                _ => {}
            }
        }
        Ok(Self { destination, done, paused })
    }

    /// Whether an event is pending, as far as its key shows. A filter for external keys needs the record as well.
    pub fn contains(&self, key: &KeyParts<'_>) -> bool {
        !self.paused
            && self.destination.filter.wants(key)
            && key.id.parse().is_ok_and(|id: Id| !self.done.contains(&id))
    }

    /// Whether the event with this id is pending.
    pub fn contains_id(&self, id: Id, listing: &Listing) -> bool {
        let text = id.text();
        let is_it = |key: &KeyParts<'_>| key.id == text && self.contains(key);
        listing.loose.iter().filter_map(|key| KeyParts::split(key)).any(|key| is_it(&key))
    }

    /// The pending events in the order of sending.
    pub fn queue(&self, listing: &Listing) -> Queue {
        let parts = listing.loose.iter().filter_map(|key| KeyParts::split(key)).filter(|parts| self.contains(parts));
        let mut pending: Vec<_> = parts.map(|parts| (parts.timestamp, rank(parts.event()), parts.key)).collect();
        pending.sort_unstable();
        let keys = pending.into_iter().map(|(_, _, key)| key.to_owned()).collect();
        Queue { keys, unread: 0, second: Vec::new(), entries: VecDeque::new() }
    }

    /// The number of pending events, and the time of the oldest.
    pub fn count(&self, listing: &Listing) -> (usize, Option<Timestamp>) {
        let parts = listing.loose.iter().filter_map(|key| KeyParts::split(key)).filter(|parts| self.contains(parts));
        parts.fold((0, None), |(count, oldest), parts| (count + 1, [oldest, parts.time()].into_iter().flatten().min()))
    }
}

/// The order of events with the same timestamp.
fn rank(event: Option<EventName>) -> u8 {
    event.map_or(u8::MAX, |event| session::name_rank(&event))
}

/// At most this many events of one second are sorted together.
const MAX_OF_ONE_SECOND: usize = 1_024;

/// The pending events of a destination, oldest first. Records are read one by one, on demand.
#[derive(Debug, Default)]
pub struct Queue {
    keys: VecDeque<String>,
    /// The number of keys at the front that belong to the second that is being read.
    unread: usize,
    /// The records of that second that have been read.
    second: Vec<RecordEntry>,
    /// The records of a second that has been read completely, in order.
    entries: VecDeque<RecordEntry>,
}

/// One step of a queue. It reads at most one record, so the caller can check its budget between two steps.
#[derive(Debug)]
pub enum QueueStep {
    /// An event to send.
    Event(Box<RecordEntry>),
    /// The filter of the destination excludes the external key of this event.
    Unwanted(Id),
    /// The record under this key cannot be read; the second value is the reason.
    Unreadable(String, String),
    /// No event yet. A record was read that must be sorted with others of its second, or the record is gone: it was
    /// erased, or another run delivered it and it was packed.
    Read,
    /// The queue is empty.
    Empty,
}

impl Queue {
    /// Whether the queue has no more events.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.second.is_empty() && self.entries.is_empty()
    }

    /// A queue of records that are already read and in order.
    pub(super) fn of(entries: impl Iterator<Item = RecordEntry>) -> Self {
        Self { entries: entries.collect(), ..Self::default() }
    }

    /// The number of events, as far as keys show.
    pub fn len(&self) -> usize {
        self.keys.len() + self.second.len() + self.entries.len()
    }

    /// Takes one step: reads at most one record.
    pub async fn next(&mut self, store: &impl Store, destination: &Destination) -> Result<QueueStep, StoreError> {
        if let Some(entry) = self.entries.pop_front() {
            return Ok(QueueStep::Event(Box::new(entry)));
        }
        if self.unread == 0 {
            self.begin_second();
        }
        let Some(key) = self.keys.pop_front() else { return Ok(QueueStep::Empty) };
        self.unread -= 1;
        let value = store.get(&key).await?;
        let next = match value.map(|value| RecordEntry::under(&key, value)) {
            None => QueueStep::Read,
            Some(Err(reason)) => QueueStep::Unreadable(key, reason),
            Some(Ok(entry)) if !destination.filter.wants_record(&entry.value) => QueueStep::Unwanted(entry.key.id),
            Some(Ok(entry)) => {
                self.second.push(entry);
                QueueStep::Read
            }
        };
        if self.unread == 0 {
            RecordEntry::sort(&mut self.second);
            self.entries.extend(self.second.drain(..));
        }
        Ok(next)
    }

    /// Counts the keys of the next second, up to [`MAX_OF_ONE_SECOND`].
    fn begin_second(&mut self) {
        let time = |key: &String| KeyParts::split(key).map(|parts| parts.timestamp.to_owned());
        let first = self.keys.front().and_then(time);
        self.unread = self.keys.iter().take(MAX_OF_ONE_SECOND).take_while(|key| time(key) == first).count();
    }
}
