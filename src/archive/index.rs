//! Indexes find the packs that hold a session, and those that can hold an event, without reading the heads of all
//! packs.
//!
//! An index is made only from the heads of packs. Packs never change, so an index is right about a pack as long as the
//! pack exists. A reader skips packs that are gone, and reads the heads of packs that no index covers. So an index can
//! be lost, be late, or exist twice: reads are slower then, and never wrong.
//!
//! Its value is a line of JSON that names the packs, and after it:
//!
//! - for sessions: seven bytes for each session of a pack, sorted. These are the first five bytes of
//!   [`Id::of_session`], and the number of the pack in that line;
//! - for events: a Bloom filter for each pack over the short ids of its events, with 16 bits for each event. Ids are
//!   hashes, so their bits serve as the filter's hash functions.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::event::Lsid;
use crate::gather::gather;
use crate::identity::{Id, Site};
use crate::keys::{Finds, IndexKey, PackKey};

use super::pack::{Head, MAX_PACK_BYTES};

/// The format that this version writes. It ignores a value of a later format.
const FORMAT: u32 = 1;

/// Bytes of a session in an index: five of its hash, two of its pack's number.
const SESSION_BYTES: usize = 7;

/// Bits of a filter for each event, and bits that a lookup tests. One in two thousand lookups of an event that is not
/// in the pack says that it is.
const FILTER_BITS: usize = 16;
const FILTER_PROBES: u64 = 11;

/// What indexes store about one pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Bytes of the pack's value.
    pub bytes: u64,
    /// Number of its events.
    pub events: u64,
    /// First and last recording time of its records, in Unix milliseconds. `None` if not known.
    pub recorded: Option<(u64, u64)>,
    /// Number of its events that belong to no session. `None` if not known.
    pub others: Option<u64>,
    /// Number of its sessions whose report it has, and not their `end` event.
    pub unannounced: u64,
    /// The [`session_hash`] of each of its sessions.
    sessions: BTreeSet<u64>,
    /// The Bloom filter over its events.
    filter: Vec<u8>,
}

impl IndexEntry {
    /// Makes the entry of a pack from its head and the size of its value.
    pub fn from_head(site: &Site, head: &Head, bytes: usize) -> Self {
        Self {
            bytes: bytes as u64,
            events: head.events,
            recorded: head.recorded,
            others: Some(head.others.len() as u64),
            unannounced: head.sessions.iter().filter(|session| session.is_unannounced()).count() as u64,
            sessions: gather(head.sessions.iter().map(|session| session_hash(site, &session.lsid))),
            filter: filter(head.ids().collect()),
        }
    }

    /// Whether two entries agree in the fields that an index of this kind stores.
    pub fn agrees(&self, finds: Finds, other: &Self) -> bool {
        match finds {
            Finds::Sessions => {
                let recorded = self.recorded.is_none() || self.recorded == other.recorded;
                let others = self.others.is_none() || self.others == other.others;
                recorded
                    && others
                    && (self.bytes, self.events, self.unannounced) == (other.bytes, other.events, other.unannounced)
                    && self.sessions == other.sessions
            }
            Finds::Events => self.filter == other.filter,
        }
    }

    /// Whether the pack has a session with this [`session_hash`].
    pub fn has_session(&self, hash: u64) -> bool {
        self.sessions.contains(&hash)
    }
}

/// The first line of an index.
#[derive(Serialize, Deserialize)]
struct IndexHeader {
    format: u32,
    packs: Vec<IndexHeaderPack>,
}

#[derive(Serialize, Deserialize)]
struct IndexHeaderPack {
    key: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    bytes: u64,
    events: u64,
    /// Absent in indexes of earlier versions, and in indexes of events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recorded: Option<(u64, u64)>,
    /// Absent as `recorded` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    others: Option<u64>,
    /// Absent for none, and in indexes of events.
    #[serde(default, skip_serializing_if = "is_zero")]
    unannounced: u64,
    /// Bytes of the pack's filter.
    #[serde(default, skip_serializing_if = "is_zero")]
    filter: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// An index of sessions.
#[derive(Clone, Debug)]
pub struct SessionIndex {
    /// The packs that it covers.
    pub packs: Vec<IndexedPack>,
    value: Vec<u8>,
    table: usize,
}

/// What an index of sessions stores about a pack, without its sessions.
#[derive(Clone, Debug)]
pub struct IndexedPack {
    /// The pack's key.
    pub key: PackKey,
    /// As [`IndexEntry::bytes`].
    pub bytes: u64,
    /// As [`IndexEntry::events`].
    pub events: u64,
    /// As [`IndexEntry::recorded`].
    pub recorded: Option<(u64, u64)>,
    /// As [`IndexEntry::others`].
    pub others: Option<u64>,
    /// As [`IndexEntry::unannounced`].
    pub unannounced: u64,
}

impl SessionIndex {
    /// Parses a value. `None` if it is not an index of sessions, or if a later version wrote it.
    pub fn parse(value: Vec<u8>) -> Option<Self> {
        let (header, table) = header(&value)?;
        let packs = header.packs.into_iter().map(|pack| {
            let IndexHeaderPack { key, bytes, events, recorded, others, unannounced, .. } = pack;
            Some(IndexedPack { key: key.parse().ok()?, bytes, events, recorded, others, unannounced })
        });
        let index = Self { packs: packs.collect::<Option<_>>()?, table: value.len() - table.len(), value };
        let (entries, rest) = index.entries();
        let is_valid = entries.iter().all(|entry| usize::from(pack_of(entry)) < index.packs.len());
        (rest.is_empty() && is_valid).then_some(index)
    }

    fn entries(&self) -> (&[[u8; SESSION_BYTES]], &[u8]) {
        self.value.get(self.table..).unwrap_or_default().as_chunks()
    }

    /// The packs that hold a session. In one of a trillion lookups, a pack is among them that does not.
    pub fn find(&self, hash: u64) -> impl Iterator<Item = &PackKey> {
        let entries = self.entries().0;
        let from = entries.partition_point(|entry| hash_of(entry) < hash);
        let found = entries.iter().skip(from).take_while(move |entry| hash_of(entry) == hash);
        found.filter_map(|entry| self.packs.get(usize::from(pack_of(entry)))).map(|pack| &pack.key)
    }

    /// Each session's hash, with the position in [`SessionIndex::packs`] of a pack that holds records of it.
    pub fn sessions(&self) -> impl Iterator<Item = (u64, usize)> {
        self.entries().0.iter().map(|entry| (hash_of(entry), usize::from(pack_of(entry))))
    }
}

/// An index of events.
#[derive(Clone, Debug)]
pub struct EventIndex {
    filters: Vec<(PackKey, u64, std::ops::Range<usize>)>,
    value: Vec<u8>,
}

impl EventIndex {
    /// Parses a value. `None` if it is not an index of events, or if a later version wrote it.
    pub fn parse(value: Vec<u8>) -> Option<Self> {
        let (header, table) = header(&value)?;
        let mut start = value.len() - table.len();
        let mut filters = Vec::new();
        for pack in header.packs {
            let end = start.checked_add(usize::try_from(pack.filter).ok()?)?;
            filters.push((pack.key.parse().ok()?, pack.events, start..end));
            start = end;
        }
        (start == value.len()).then_some(Self { filters, value })
    }

    /// The packs that it covers, each with whether it can hold an event. False is certain.
    pub fn find(&self, id: u64) -> impl Iterator<Item = (&PackKey, bool)> {
        self.filters.iter().map(move |(key, _, range)| (key, can_hold(self.value.get(range.clone()), id)))
    }
}

fn header(value: &[u8]) -> Option<(IndexHeader, &[u8])> {
    let end = value.iter().position(|&b| b == b'\n')?;
    let header: IndexHeader = serde_json::from_slice(value.get(..end)?).ok()?;
    (header.format == FORMAT).then_some((header, value.get(end + 1..)?))
}

/// The first five bytes of [`Id::of_session`], as a number.
pub fn session_hash(site: &Site, lsid: &Lsid) -> u64 {
    Id::of_session(site, lsid).short() >> 24
}

fn hash_of([a, b, c, d, e, ..]: &[u8; SESSION_BYTES]) -> u64 {
    u64::from_be_bytes([0, 0, 0, *a, *b, *c, *d, *e])
}

fn pack_of([.., high, low]: &[u8; SESSION_BYTES]) -> u16 {
    u16::from_be_bytes([*high, *low])
}

/// A Bloom filter over these ids.
fn filter(ids: Vec<u64>) -> Vec<u8> {
    let mut filter = vec![0_u8; (ids.len() * FILTER_BITS).div_ceil(8)];
    let bits = filter.len() as u64 * 8;
    for id in ids {
        for (byte, bit) in probes(id, bits) {
            if let Some(byte) = filter.get_mut(byte) {
                *byte |= bit;
            }
        }
    }
    filter
}

fn can_hold(filter: Option<&[u8]>, id: u64) -> bool {
    let Some(filter) = filter else { return true };
    probes(id, filter.len() as u64 * 8).all(|(byte, bit)| filter.get(byte).is_none_or(|found| found & bit != 0))
}

/// The bits of an id: the position of a byte, and the mask of a bit in it. Two halves of one hash replace many hash
/// functions (Kirsch and Mitzenmacher, "Less hashing, same performance").
fn probes(id: u64, bits: u64) -> impl Iterator<Item = (usize, u8)> {
    let (first, step) = (id >> 32, (id & 0xffff_ffff) | 1);
    (0..FILTER_PROBES).map(move |probe| {
        let bit = first.wrapping_add(probe.wrapping_mul(step)) % bits.max(1);
        ((bit / 8) as usize, 1 << (bit % 8))
    })
}

/// Entries of packs by their keys: read from several indexes, and written as one.
pub type IndexEntries = BTreeMap<PackKey, IndexEntry>;

/// Parses the entries of an index. An index of sessions has no filters, and an index of events only the filters and the
/// numbers of events.
pub fn parse_entries(finds: Finds, value: Vec<u8>) -> Option<IndexEntries> {
    match finds {
        Finds::Sessions => {
            let index = SessionIndex::parse(value)?;
            let mut entries: Vec<_> = index
                .packs
                .iter()
                .map(|IndexedPack { key, bytes, events, recorded, others, unannounced }| {
                    let (sessions, filter) = (BTreeSet::new(), Vec::new());
                    let (bytes, events, recorded, others) = (*bytes, *events, *recorded, *others);
                    let unannounced = *unannounced;
                    (key.clone(), IndexEntry { bytes, events, recorded, others, unannounced, sessions, filter })
                })
                .collect();
            for session in index.entries().0 {
                if let Some((_, entry)) = entries.get_mut(usize::from(pack_of(session))) {
                    entry.sessions.insert(hash_of(session));
                }
            }
            Some(gather(entries))
        }
        Finds::Events => {
            let EventIndex { filters, value } = EventIndex::parse(value)?;
            let entries = filters.into_iter().map(|(key, events, range)| {
                let filter = value.get(range).unwrap_or_default().to_vec();
                let (sessions, recorded, others) = (BTreeSet::new(), None, None);
                (key, IndexEntry { bytes: 0, events, recorded, others, unannounced: 0, sessions, filter })
            });
            Some(gather(entries))
        }
    }
}

/// Makes indexes of these entries, as few as possible.
pub fn make_indexes(finds: Finds, entries: &IndexEntries) -> Vec<(IndexKey, Vec<u8>)> {
    let mut parts: Vec<Vec<(&PackKey, &IndexEntry)>> = Vec::new();
    let mut room = 0;
    for (key, entry) in entries {
        let bytes = entry_bytes(finds, entry);
        match parts.last_mut().filter(|_| bytes <= room) {
            Some(part) => part.push((key, entry)),
            None => {
                parts.push(vec![(key, entry)]);
                room = MAX_PACK_BYTES - 100;
            }
        }
        room = room.saturating_sub(bytes);
    }
    parts.into_iter().map(|part| encode_index(finds, &part)).collect()
}

/// The most bytes of an entry in an index.
fn entry_bytes(finds: Finds, entry: &IndexEntry) -> usize {
    250 + match finds {
        Finds::Sessions => entry.sessions.len() * SESSION_BYTES,
        Finds::Events => entry.filter.len(),
    }
}

fn encode_index(finds: Finds, part: &[(&PackKey, &IndexEntry)]) -> (IndexKey, Vec<u8>) {
    let header_pack = |(key, entry): &(&PackKey, &IndexEntry)| IndexHeaderPack {
        key: key.to_string(),
        bytes: if finds == Finds::Sessions { entry.bytes } else { 0 },
        events: entry.events,
        recorded: if finds == Finds::Sessions { entry.recorded } else { None },
        others: if finds == Finds::Sessions { entry.others } else { None },
        unannounced: if finds == Finds::Sessions { entry.unannounced } else { 0 },
        filter: if finds == Finds::Events { entry.filter.len() as u64 } else { 0 },
    };
    let header = IndexHeader { format: FORMAT, packs: part.iter().map(header_pack).collect() };
    let mut value = serde_json::to_vec(&header).unwrap_or_default();
    value.push(b'\n');
    match finds {
        Finds::Sessions => {
            let numbered = part
                .iter()
                .zip(0_u64..)
                .flat_map(|((_, entry), pack)| entry.sessions.iter().map(move |hash| hash << 16 | pack));
            let mut table: Vec<u64> = numbered.collect();
            table.sort_unstable();
            value.extend(table.into_iter().flat_map(|entry| entry.to_be_bytes().into_iter().skip(1)));
        }
        Finds::Events => part.iter().for_each(|(_, entry)| value.extend_from_slice(&entry.filter)),
    }
    (IndexKey { finds, id: Id::of_value(&value) }, value)
}
