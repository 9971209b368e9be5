//! What is pending for a destination: the loose events that it may want and that no receipt or list of refused events names.

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

/// What is pending for a destination, as far as keys tell.
#[derive(Debug)]
pub struct Pending<'d> {
    /// The destination.
    pub destination: &'d Destination,
    done: HashSet<Id>,
    /// Whether the destination is paused: then nothing is pending.
    pub paused: bool,
}

impl<'d> Pending<'d> {
    /// Reads the receipts of a destination. `listing` was made before: what is delivered meanwhile still counts as pending.
    pub async fn of(store: &impl Store, destination: &'d Destination, listing: &Listing) -> Result<Self, StoreError> {
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

    /// Whether an event is pending, as far as its key tells: whether the destination wants its external key stands in the record.
    pub fn has(&self, key: &KeyParts<'_>) -> bool {
        !self.paused
            && self.destination.filter.wants(key)
            && key.id.parse().is_ok_and(|id: Id| !self.done.contains(&id))
    }

    /// Whether the event of that id is pending.
    pub fn has_id(&self, id: Id, listing: &Listing) -> bool {
        let text = id.text();
        let is_it = |key: &KeyParts<'_>| key.id == text && self.has(key);
        listing.loose.iter().filter_map(|key| KeyParts::of(key)).any(|key| is_it(&key))
    }

    /// The pending events in the order in which they are sent.
    pub fn queue(&self, listing: &Listing) -> Queue {
        let parts = listing.loose.iter().filter_map(|key| KeyParts::of(key)).filter(|parts| self.has(parts));
        let mut pending: Vec<_> = parts.map(|parts| (parts.timestamp, rank(parts.event()), parts.key)).collect();
        pending.sort_unstable();
        let keys = pending.into_iter().map(|(_, _, key)| key.to_owned()).collect();
        Queue { keys, unread: 0, second: Vec::new(), entries: VecDeque::new() }
    }

    /// How many events are pending, and the time of the oldest.
    pub fn count(&self, listing: &Listing) -> (usize, Option<Timestamp>) {
        let parts = listing.loose.iter().filter_map(|key| KeyParts::of(key)).filter(|parts| self.has(parts));
        parts.fold((0, None), |(count, oldest), parts| (count + 1, [oldest, parts.time()].into_iter().flatten().min()))
    }
}

/// What must come first of what happened in the same second.
fn rank(event: Option<EventName>) -> u8 {
    event.map_or(u8::MAX, |event| session::name_rank(&event))
}

/// The largest number of events of one second that are put in order together.
const MAX_OF_ONE_SECOND: usize = 1_024;

/// The pending events of a destination, oldest first. Records are read as they are asked for.
#[derive(Debug, Default)]
pub struct Queue {
    keys: VecDeque<String>,
    /// How many of the first keys are of the second that is being read.
    unread: usize,
    /// What was read of that second.
    second: Vec<RecordEntry>,
    /// What was read of it, in order.
    entries: VecDeque<RecordEntry>,
}

/// What a queue gives: one step, which reads one record at most. So the caller can check its budget between any two.
#[derive(Debug)]
pub enum Next {
    /// An event to send.
    Event(Box<RecordEntry>),
    /// The destination does not want the external key of this event.
    Unwanted(Id),
    /// The record under this key cannot be read, and why.
    Unreadable(String, String),
    /// No event yet: a record was read that is put in order with others of its second, or the record is gone (it was erased, or another
    /// run has delivered it and it was packed).
    Read,
    /// The queue is empty.
    Empty,
}

impl Queue {
    /// Whether nothing was pending.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.second.is_empty() && self.entries.is_empty()
    }

    /// Reads on by one record at most.
    pub async fn next(&mut self, store: &impl Store, destination: &Destination) -> Result<Next, StoreError> {
        if let Some(entry) = self.entries.pop_front() {
            return Ok(Next::Event(Box::new(entry)));
        }
        if self.unread == 0 {
            self.begin_second();
        }
        let Some(key) = self.keys.pop_front() else { return Ok(Next::Empty) };
        self.unread -= 1;
        let value = store.get(&key).await?;
        let next = match value.map(|value| RecordEntry::under(&key, value)) {
            None => Next::Read,
            Some(Err(reason)) => Next::Unreadable(key, reason),
            Some(Ok(entry)) if !destination.filter.wants_record(&entry.value) => Next::Unwanted(entry.key.id),
            Some(Ok(entry)) => {
                self.second.push(entry);
                Next::Read
            }
        };
        if self.unread == 0 {
            // In the order in which a session's timeline shows them.
            self.second.sort_by_key(|entry| session::event_order(&entry.key, entry.delivered));
            self.entries.extend(self.second.drain(..));
        }
        Ok(next)
    }

    /// The keys of the next second, unless there are very many.
    fn begin_second(&mut self) {
        let time = |key: &String| KeyParts::of(key).map(|parts| parts.timestamp.to_owned());
        let first = self.keys.front().and_then(time);
        self.unread = self.keys.iter().take(MAX_OF_ONE_SECOND).take_while(|key| time(key) == first).count();
    }
}
