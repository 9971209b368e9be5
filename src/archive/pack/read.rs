//! Reads a pack.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::GzDecoder;
use serde::Deserialize;

use super::entry::RecordEntry;
use super::head::{FORMAT, Head};
use crate::event::Timestamp;
use crate::identity::Id;
use crate::keys::{EventKey, PackKey};

/// The most bytes that a member may inflate to: none that is made here comes near. A few bytes could become gigabytes.
const MAX_INFLATED_BYTES: u64 = 32 << 20;

/// What is wrong with a value that stands in a pack's place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackFault {
    /// It does not begin as gzip does, or its checksum is wrong.
    #[error("it is not sound gzip: {0}")]
    Gzip(String),
    /// Its end is missing, or something follows it.
    #[error("it is cut: its records have {found} bytes and should have {expected}")]
    Cut {
        /// How many bytes there are.
        found: u64,
        /// How many its head speaks of.
        expected: u64,
    },
    /// Its head is not one.
    #[error("its head cannot be read: {0}")]
    Head(String),
    /// A later version made it.
    #[error("it is of format {0}, which this version does not know; a later version made it")]
    Format(u32),
    /// It is not the pack of this key.
    #[error("it is another's: {0}")]
    Other(&'static str),
    /// One of its records is not what it should be.
    #[error("record {number} of it: {reason}")]
    Record {
        /// Which one, the first being 1.
        number: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// Its name is not the hash of what is in it.
    #[error("it is not what its name says: its bytes were changed")]
    Hash,
}

/// A pack whose head has been read, and whose records can be.
#[derive(Debug)]
pub struct Pack<'v> {
    key: &'v PackKey,
    /// Its head.
    pub head: Head,
    records: &'v [u8],
}

impl<'v> Pack<'v> {
    /// Reads the head of what is under `key`. The records are not looked at, but for how many bytes they are.
    pub fn open(key: &'v PackKey, value: &'v [u8]) -> Result<Self, PackFault> {
        let mut member = GzDecoder::new(value);
        let mut line = Vec::new();
        member.by_ref().take(MAX_INFLATED_BYTES).read_to_end(&mut line).map_err(gzip)?;
        let records = member.into_inner();
        // A later format's head may have other members than this one's.
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
            return Err(PackFault::Other("its head has times that its key has not"));
        }
        let found = records.len() as u64;
        if head.records_bytes == found {
            Ok(Self { key, head, records })
        } else {
            Err(PackFault::Cut { found, expected: head.records_bytes })
        }
    }

    /// Its records, in the order of their keys, each read when it is asked for. After an error there are no more.
    pub fn records(&self) -> Records<'v> {
        let lines = BufReader::new(GzDecoder::new(self.records).take(MAX_INFLATED_BYTES));
        Records { key: self.key, lines, left: self.head.events, last: String::new(), number: 0, ended: false }
    }

    /// All its records, or what is wrong with one.
    pub fn all_records(&self) -> Result<Vec<RecordEntry>, PackFault> {
        self.records().collect()
    }
}

/// Whether a value is what its key says: named by its hash.
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
            _ => return Err(self.fault("its head has another number of records".to_owned())),
        }
        let entry = RecordEntry::parse(line).map_err(|reason| self.fault(reason))?;
        let EventKey { site, timestamp, .. } = &entry.key;
        if *site != self.key.site || *timestamp < self.key.first || *timestamp > self.key.last {
            return Err(self.fault("its key is not of this pack".to_owned()));
        }
        let key = entry.key.to_string();
        if self.last >= key {
            return Err(self.fault("it is not after the one before it".to_owned()));
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
        let read = self.read_next();
        self.ended = !matches!(read, Ok(Some(_)));
        read.transpose()
    }
}
