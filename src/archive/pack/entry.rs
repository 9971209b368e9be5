//! A record with its key and its recording time, loose or packed.

use crate::event::OutboundEvent;
use crate::keys::EventKey;
use crate::record::{Outline, Record};
use crate::session::{self, Summary};

/// A record with its key and its recording time, loose or packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordEntry {
    /// The key of the loose record.
    pub key: EventKey,
    /// Recording time in Unix milliseconds.
    pub recorded: u64,
    /// Recording time in Unix microseconds, which orders records that arrived one after the other.
    pub delivered: u64,
    /// The stored value: JSON on one line, without a line end.
    pub value: Vec<u8>,
}

impl RecordEntry {
    /// Parses a record. An error if the value is not a record, does not yield a key, or has several lines.
    pub fn parse(value: Vec<u8>) -> Result<Self, String> {
        let outline = Outline::from_json(&value)?;
        let (key, delivered) = (outline.key()?, outline.delivered()?);
        if value.contains(&b'\n') {
            return Err("it has more than one line".to_owned());
        }
        Ok(Self { key, recorded: delivered / 1000, delivered, value })
    }

    /// Parses the record stored under a key. An error if the value is not a record, or is the record of another key.
    pub fn under(key: &str, value: Vec<u8>) -> Result<Self, String> {
        let entry = Self::parse(value)?;
        if entry.key.to_string() == key {
            Ok(entry)
        } else {
            Err(format!("it is the record of another key: {}", entry.key))
        }
    }

    /// Sorts the records of one or more sessions as their timelines have them: [`session::event_order`].
    pub fn sort(entries: &mut [Self]) {
        entries.sort_by_key(|entry| session::event_order(&entry.key, entry.delivered));
    }

    /// Its event, validated by today's rules.
    pub fn event(&self) -> Result<OutboundEvent, String> {
        Record::from_json(&self.value).map(|(_, event)| event)
    }

    /// The summary of its session from this event alone. `Ok(None)` if it belongs to no session.
    pub fn summary(&self) -> Result<Option<Summary>, String> {
        Ok(Summary::from_event(&self.event()?, self.delivered, self.key.id))
    }
}
