//! A pack: many records of one site under one key. It is written once, named by the hash of what is in it, and never changed.
//!
//! Its value is two gzip members, one after the other, so that `gunzip` makes JSON lines of it:
//!
//! 1. the [`Head`], one line: what lists need of each session, and a short id of every event;
//! 2. the records, one a line, byte for byte as they were stored loose, in the order of their keys.
//!
//! What is read from a store may be anything. [`Pack::open`] and [`Pack::records`] name what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader, Read, Write as _};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use crate::base64_array;
use crate::event::{Event, Lsid, Timestamp};
use crate::identity::{Id, Site};
use crate::keys::{EventKey, PackKey};
use crate::record::{Outline, Record};
use crate::session::Summary;

/// The format that is written. A pack of a later one is left alone and named.
const FORMAT: u32 = 1;

/// The most bytes of a pack's value: below the 400 KB of DynamoDB and Cosmos DB, as a record's.
pub const MAX_PACK_BYTES: usize = 400_000;

/// The most bytes of the records that one pack is made of, before they are compressed.
const MAX_MADE_BYTES: usize = 8 << 20;

/// The most events of a pack.
pub const MAX_PACK_EVENTS: usize = 10_000;

/// The most bytes that a member may inflate to: none that is made here comes near. A few bytes could become gigabytes.
const MAX_INFLATED_BYTES: u64 = 32 << 20;

/// A record on its way into a pack or out of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key that it is stored under while it is loose.
    pub key: EventKey,
    /// When it was recorded, in Unix milliseconds.
    pub recorded: u64,
    /// The same in microseconds, to tell which of two was delivered first.
    pub delivered: u64,
    /// The value that is stored there: JSON without a line's end.
    pub value: Vec<u8>,
}

impl Entry {
    /// Reads a record. An error if it is none, says that it is under no key, or does not fit a line.
    pub fn read(value: Vec<u8>) -> Result<Self, String> {
        let outline = Outline::read(&value)?;
        let (key, delivered) = (outline.key()?, outline.delivered()?);
        if value.contains(&b'\n') {
            return Err("it is more than one line".to_owned());
        }
        Ok(Self { key, recorded: delivered / 1000, delivered, value })
    }

    /// Reads the record that is under a key. An error if it is none, or another's.
    pub fn under(key: &str, value: Vec<u8>) -> Result<Self, String> {
        let entry = Self::read(value)?;
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
        Ok(Summary::of(&self.event()?, self.delivered, self.key.id))
    }
}

/// What stands before the records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    format: u32,
    site: String,
    /// When it was made, in Unix seconds. Only where a grace is set (`packing_grace`): otherwise two passes that pack the same
    /// make the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<u64>,
    /// How many records there are.
    pub events: u64,
    /// Bytes of the second member, compressed: a pack that is cut is known by its head.
    records_bytes: u64,
    /// When the first and the last of its records were recorded, in Unix milliseconds. Absent in packs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<(u64, u64)>,
    /// What lists need of each session.
    pub sessions: Vec<Summary>,
    /// Short ids of the events that belong to no session.
    #[serde(default, with = "base64_array", skip_serializing_if = "BTreeSet::is_empty")]
    pub others: BTreeSet<u64>,
}

impl Head {
    /// Short ids of all events.
    pub fn ids(&self) -> impl Iterator<Item = u64> {
        self.sessions.iter().flat_map(|session| session.ids.iter().copied()).chain(self.others.iter().copied())
    }

    /// When the last of its records was recorded, in Unix milliseconds. In packs of earlier versions, of those that belong to a session.
    pub fn last_recorded(&self) -> Option<u64> {
        let of_sessions = || self.sessions.iter().map(|session| session.recorded.1).max();
        self.recorded.map(|(_, last)| last).or_else(of_sessions)
    }

    /// What it tells of a session, if it holds anything of it.
    pub fn session(&self, lsid: &Lsid) -> Option<&Summary> {
        self.sessions.iter().find(|session| session.lsid == *lsid)
    }
}

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
        let Format { format } = serde_json::from_slice(&line).map_err(|error| PackFault::Head(error.to_string()))?;
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
    pub fn all(&self) -> Result<Vec<Entry>, PackFault> {
        self.records().collect()
    }
}

/// Whether a value is what its key says: named by its hash.
pub fn is_named_by_its_hash(key: &PackKey, value: &[u8]) -> bool {
    Id::of_value(value) == key.id
}

#[derive(Deserialize)]
struct Format {
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
    fn read(&mut self) -> Result<Option<Entry>, PackFault> {
        let mut line = Vec::new();
        self.lines.read_until(b'\n', &mut line).map_err(gzip)?;
        self.number += 1;
        match (line.pop(), self.left) {
            (None, 0) => return Ok(None),
            (Some(b'\n'), 1..) => self.left -= 1,
            _ => return Err(self.fault("its head has another number of records".to_owned())),
        }
        let entry = Entry::read(line).map_err(|reason| self.fault(reason))?;
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
    type Item = Result<Entry, PackFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let read = self.read();
        self.ended = !matches!(read, Ok(Some(_)));
        read.transpose()
    }
}

/// A pack that was made and is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its key.
    pub key: PackKey,
    /// Its value.
    pub value: Vec<u8>,
    /// Its head.
    pub head: Head,
    /// The records that are in it, by how they are written.
    pub keys: Vec<String>,
}

/// The records of one site, each under the key as it is written.
pub type Entries = BTreeMap<String, Entry>;

/// Makes packs of the records of one site, as few as can be. What no pack can hold, because it is too large or no event by
/// today's rules, is left out: it stays where it is. `made` is in Unix seconds, where it is to be told.
pub fn make(site: &Site, entries: &Entries, made: Option<u64>) -> io::Result<Vec<Made>> {
    let summaries = entries.iter().filter_map(|(key, entry)| Some((key, entry, entry.summary().ok()?)));
    let all: Vec<Item> = summaries.map(|(key, entry, summary)| Item { key, entry, summary }).collect();
    let (mut packs, mut rest) = (Vec::new(), all.as_slice());
    while !rest.is_empty() {
        let taken = match first_pack(site, rest, made)? {
            (Some(pack), taken) => {
                packs.push(pack);
                taken
            }
            (None, taken) => taken,
        };
        rest = rest.get(taken.max(1)..).unwrap_or_default();
    }
    Ok(packs)
}

struct Item<'e> {
    key: &'e str,
    entry: &'e Entry,
    summary: Option<Summary>,
}

/// A pack of as many of the first as it can hold, and how many that is. `None` if it cannot hold the first.
fn first_pack(site: &Site, items: &[Item], made: Option<u64>) -> io::Result<(Option<Made>, usize)> {
    let mut most = items.len().min(MAX_PACK_EVENTS);
    loop {
        let (records, taken) = compress_first(items.get(..most).unwrap_or(items))?;
        let taken_items = items.get(..taken).unwrap_or(items);
        let pack = pack(site, taken_items, records, made)?;
        if pack.as_ref().is_some_and(|pack| pack.value.len() <= MAX_PACK_BYTES) {
            return Ok((pack, taken));
        }
        if taken <= 1 {
            return Ok((None, 1));
        }
        // What was thought to fit does not: its names are long, or do not compress.
        most = taken - taken.div_ceil(8);
    }
}

/// The second member of as many as are likely to fit beside their head, and how many that is.
fn compress_first(items: &[Item]) -> io::Result<(Vec<u8>, usize)> {
    // What a compressor still holds back when it is asked how much it has written.
    const HELD_BACK: usize = 40_000;
    let mut member = GzEncoder::new(Vec::new(), Compression::default());
    let (mut taken, mut bytes, mut head) = (0, 0, 0);
    for item in items {
        head += head_bytes(item);
        bytes += item.entry.value.len() + 1;
        let full = member.get_ref().len() + head + HELD_BACK > MAX_PACK_BYTES || bytes > MAX_MADE_BYTES;
        if full && taken > 0 {
            break;
        }
        member.write_all(&item.entry.value)?;
        member.write_all(b"\n")?;
        taken += 1;
    }
    Ok((member.finish()?, taken))
}

/// About what an event adds to a head, compressed: its id, and a share of its session.
fn head_bytes(item: &Item) -> usize {
    let names = item.summary.iter().flat_map(|summary| summary.customers().into_iter().chain(summary.external_keys()));
    20 + names.map(|name| name.len() / 16).sum::<usize>()
}

fn pack(site: &Site, items: &[Item], records: Vec<u8>, made: Option<u64>) -> io::Result<Option<Made>> {
    let times = || items.iter().map(|item| item.entry.key.timestamp);
    let (Some(first), Some(last)) = (times().min(), times().max()) else { return Ok(None) };
    let (sessions, others) = summarised(items.iter().map(|item| (item.entry.key.id, item.summary.clone())));
    let recorded = || items.iter().map(|item| item.entry.recorded);
    let head = Head {
        format: FORMAT,
        site: site.as_str().to_owned(),
        made,
        events: items.len() as u64,
        records_bytes: records.len() as u64,
        recorded: recorded().min().zip(recorded().max()),
        sessions: sessions.into_values().collect(),
        others,
    };
    let mut member = GzEncoder::new(Vec::new(), Compression::default());
    serde_json::to_writer(&mut member, &head)?;
    member.write_all(b"\n")?;
    let value = [member.finish()?, records].concat();
    let key = PackKey { site: site.clone(), first, last, id: Id::of_value(&value) };
    let keys = items.iter().map(|item| item.key.to_owned()).collect();
    Ok(Some(Made { key, value, head, keys }))
}

/// What events tell of their sessions, and the short ids of those that belong to none.
pub fn summarised(events: impl Iterator<Item = (Id, Option<Summary>)>) -> (BTreeMap<Lsid, Summary>, BTreeSet<u64>) {
    let (mut sessions, mut others) = (BTreeMap::<Lsid, Summary>::new(), BTreeSet::new());
    for (id, summary) in events {
        let Some(summary) = summary else {
            others.insert(id.short());
            continue;
        };
        match sessions.get_mut(&summary.lsid) {
            Some(known) => known.join(summary),
            None => _ = sessions.insert(summary.lsid.clone(), summary),
        }
    }
    (sessions, others)
}
