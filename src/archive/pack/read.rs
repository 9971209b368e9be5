//! Reads a pack.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;
use serde::Deserialize;

use super::entry::RecordEntry;
use super::head::{FORMAT, Head};
use crate::event::Timestamp;
use crate::identity::Id;
use crate::keys::{EventKey, PackKey};

/// The most bytes that a member can inflate to, since a few bytes could become gigabytes. Packs made here stay far
/// below.
const MAX_INFLATED_BYTES: u64 = 32 << 20;

/// The fault of a value under a pack's key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackFault {
    /// It is not gzip, or its checksum is wrong.
    #[error("it is not valid gzip: {0}")]
    Gzip(String),
    /// The records are shorter or longer than the head says.
    #[error("it is truncated or too long: its records have {found} bytes instead of {expected}")]
    Length {
        /// Number of bytes in the value.
        found: u64,
        /// Number of bytes according to the head.
        expected: u64,
    },
    /// The head is not valid JSON or lacks a field.
    #[error("its head cannot be read: {0}")]
    Head(String),
    /// A later version made it.
    #[error("it has format {0}, which this version does not know: upgrade, since a later version wrote it")]
    Format(u32),
    /// It is not the pack of this key.
    #[error("it does not belong to this key: {0}")]
    Other(&'static str),
    /// One of its records is not valid.
    #[error("its record {number}: {reason}")]
    Record {
        /// Position of the record, from 1.
        number: u64,
        /// The fault of the record.
        reason: String,
    },
    /// Its name is not the hash of its content.
    #[error("its bytes were changed: its key does not match the hash of its content")]
    Hash,
}

/// A pack whose head was read. Its records are read on demand.
#[derive(Debug)]
pub struct Pack<'v> {
    key: &'v PackKey,
    /// The head.
    pub head: Head,
    records: &'v [u8],
}

impl<'v> Pack<'v> {
    /// Reads and checks the head of the value under `key`. Of the records it checks only the length.
    pub fn open(key: &'v PackKey, value: &'v [u8]) -> Result<Self, PackFault> {
        let mut member = GzDecoder::new(value);
        let mut line = Vec::new();
        member.by_ref().take(MAX_INFLATED_BYTES).read_to_end(&mut line).map_err(gzip)?;
        let records = member.into_inner();
        // The head of a later format can have other fields.
        let HeadFormat { format } =
            serde_json::from_slice(&line).map_err(|error| PackFault::Head(error.to_string()))?;
        if format != FORMAT {
            return Err(PackFault::Format(format));
        }
        let head: Head = serde_json::from_slice(&line).map_err(|error| PackFault::Head(error.to_string()))?;
        if head.site != key.site.as_str() {
            return Err(PackFault::Other("its head names another site"));
        }
        let times = |time: Timestamp| key.first <= time && time <= key.last;
        if !head.sessions.iter().all(|session| times(session.first) && times(session.last)) {
            return Err(PackFault::Other("its head has times outside those of its key"));
        }
        let found = records.len() as u64;
        if head.records_bytes == found {
            Ok(Self { key, head, records })
        } else {
            Err(PackFault::Length { found, expected: head.records_bytes })
        }
    }

    /// Its records in the order of their keys, read one by one. The iterator ends after an error.
    pub fn records(&self) -> Records<'v> {
        let lines = BufReader::new(GzDecoder::new(self.records).take(MAX_INFLATED_BYTES));
        Records { key: self.key, lines, left: self.head.events, last: String::new(), number: 0, ended: false }
    }

    /// All its records, or the first fault.
    pub fn all_records(&self) -> Result<Vec<RecordEntry>, PackFault> {
        self.records().collect()
    }
}

/// Whether the hash of a value is the id in its key.
pub fn is_named_by_its_hash(key: &PackKey, value: &[u8]) -> bool {
    Id::of_value(value) == key.id
}

#[derive(Deserialize)]
struct HeadFormat {
    format: u32,
}

fn gzip(error: io::Error) -> PackFault {
    PackFault::Gzip(error.to_string())
}

/// See [`Pack::records`].
#[derive(Debug)]
pub struct Records<'v> {
    key: &'v PackKey,
    lines: BufReader<io::Take<GzDecoder<&'v [u8]>>>,
    left: u64,
    last: String,
    number: u64,
    ended: bool,
}

impl Records<'_> {
    fn read_next(&mut self) -> Result<Option<RecordEntry>, PackFault> {
        let mut line = Vec::new();
        self.lines.read_until(b'\n', &mut line).map_err(gzip)?;
        self.number += 1;
        match (line.pop(), self.left) {
            (None, 0) => return Ok(None),
            (Some(b'\n'), 1..) => self.left -= 1,
            _ => return Err(self.fault("the head says another number of records".to_owned())),
        }
        let entry = RecordEntry::parse(line).map_err(|reason| self.fault(reason))?;
        let EventKey { site, timestamp, .. } = &entry.key;
        if *site != self.key.site || *timestamp < self.key.first || *timestamp > self.key.last {
            return Err(self.fault("its key does not belong to this pack".to_owned()));
        }
        let key = entry.key.to_string();
        if self.last >= key {
            return Err(self.fault("it is out of order".to_owned()));
        }
        self.last = key;
        Ok(Some(entry))
    }

    fn fault(&self, reason: String) -> PackFault {
        PackFault::Record { number: self.number, reason }
    }
}

impl Iterator for Records<'_> {
    type Item = Result<RecordEntry, PackFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let entry = self.read_next();
        self.ended = !matches!(entry, Ok(Some(_)));
        entry.transpose()
    }
}
