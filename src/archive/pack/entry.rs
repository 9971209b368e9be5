//! A record on its way into a pack or out of one.

use crate::event::Event;
use crate::keys::EventKey;
use crate::record::{Outline, Record};
use crate::session::Summary;

/// A record on its way into a pack or out of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordEntry {
    /// The key that it is stored under while it is loose.
    pub key: EventKey,
    /// When it was recorded, in Unix milliseconds.
    pub recorded: u64,
    /// The same in microseconds, to tell which of two was delivered first.
    pub delivered: u64,
    /// The value that is stored there: JSON without a line's end.
    pub value: Vec<u8>,
}

impl RecordEntry {
    /// Reads a record. An error if it is none, says that it is under no key, or does not fit a line.
    pub fn parse(value: Vec<u8>) -> Result<Self, String> {
        let outline = Outline::read(&value)?;
        let (key, delivered) = (outline.key()?, outline.delivered()?);
        if value.contains(&b'\n') {
            return Err("it is more than one line".to_owned());
        }
        Ok(Self { key, recorded: delivered / 1000, delivered, value })
    }

    /// Reads the record that is under a key. An error if it is none, or another's.
    pub fn under(key: &str, value: Vec<u8>) -> Result<Self, String> {
        let entry = Self::parse(value)?;
        if entry.key.to_string() == key {
            Ok(entry)
        } else {
            Err(format!("it is the record of another key, {}", entry.key))
        }
    }

    /// Its event, checked by today's rules.
    pub fn event(&self) -> Result<Event, String> {
        Record::read(&self.value).map(|(_, event)| event)
    }

    /// What it tells of its session. `Ok(None)` if it belongs to none.
    pub fn summary(&self) -> Result<Option<Summary>, String> {
        Ok(Summary::from_event(&self.event()?, self.delivered, self.key.id))
    }
}
