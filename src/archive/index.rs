//! Indexes: which packs hold a session, and which may hold an event, so that one of either is found without reading the heads of
//! all packs.
//!
//! An index is made of packs' heads and of nothing else. Packs never change, so what it says of a pack is true as long as there is
//! that pack; one that is gone is skipped, and one that no index speaks of is asked itself. So an index may be lost, be late, or be
//! there twice: reading is slower then, and never wrong.
//!
//! Its value is a line of JSON, the packs that it speaks of, and after that:
//!
//! - for sessions, seven bytes for each session of a pack: the first five of [`Id::of_session`], and the number of the pack in that
//!   line; sorted;
//! - for events, a Bloom filter a pack over the short ids of its events, one after the other: 16 bits an event. Ids are hashes, so
//!   their bits are the filter's hash functions.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::event::Lsid;
use crate::gather::gather;
use crate::identity::{Id, Site};
use crate::keys::{Finds, IndexKey, PackKey};

use super::pack::{Head, MAX_PACK_BYTES};

/// The format that is written. A value of a later one counts for nothing.
const FORMAT: u32 = 1;

/// Bytes of a session in an index: five of its hash, two of its pack.
const SESSION_BYTES: usize = 7;

/// How many bits of a filter there are for each event, and how many of them are asked: one in two thousand strangers passes.
const FILTER_BITS: usize = 16;
const FILTER_PROBES: u64 = 11;

/// What indexes tell of one pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Bytes of its value.
    pub bytes: u64,
    /// How many events it has.
    pub events: u64,
    /// When the first and the last of its records were recorded, in Unix milliseconds, as far as that is known.
    pub recorded: Option<(u64, u64)>,
    /// The number of its events that belong to no session, as far as that is known.
    pub others: Option<u64>,
    /// Hashes of its sessions.
    sessions: BTreeSet<u64>,
    /// The filter over its events.
    filter: Vec<u8>,
}

impl IndexEntry {
    /// What the head of a pack of `bytes` bytes tells.
    pub fn from_head(site: &Site, head: &Head, bytes: usize) -> Self {
        Self {
            bytes: bytes as u64,
            events: head.events,
            recorded: head.recorded,
            others: Some(head.others.len() as u64),
            sessions: gather(head.sessions.iter().map(|session| session_hash(site, &session.lsid))),
            filter: filter(head.ids().collect()),
        }
    }

    /// Whether it tells what another does, as far as an index of that kind can.
    pub fn agrees(&self, finds: Finds, other: &Self) -> bool {
        match finds {
            Finds::Sessions => {
                let recorded = self.recorded.is_none() || self.recorded == other.recorded;
                let others = self.others.is_none() || self.others == other.others;
                recorded
                    && others
                    && (self.bytes, self.events, &self.sessions) == (other.bytes, other.events, &other.sessions)
            }
            Finds::Events => self.filter == other.filter,
        }
    }

    /// Whether a session of that [`session_hash`] is among its sessions.
    pub fn has_session(&self, hash: u64) -> bool {
        self.sessions.contains(&hash)
    }
}

/// The line before an index's table.
#[derive(Serialize, Deserialize)]
struct IndexHeader {
    format: u32,
    packs: Vec<IndexHeaderPack>,
}

#[derive(Serialize, Deserialize)]
struct IndexHeaderPack {
    key: String,
    /// Bytes of the pack.
    #[serde(default, skip_serializing_if = "is_zero")]
    bytes: u64,
    /// How many events it has.
    events: u64,
    /// When its records were recorded. Absent in indexes of earlier versions, and in those of events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    recorded: Option<(u64, u64)>,
    /// The number of its events that belong to no session. Absent as `recorded` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    others: Option<u64>,
    /// Bytes of its filter.
    #[serde(default, skip_serializing_if = "is_zero")]
    filter: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// An index of sessions, read.
#[derive(Clone, Debug)]
pub struct SessionIndex {
    /// The packs that it speaks of.
    pub packs: Vec<IndexedPack>,
    value: Vec<u8>,
    table: usize,
}

/// What an index of sessions tells of a pack, besides its sessions.
#[derive(Clone, Debug)]
pub struct IndexedPack {
    /// Its key.
    pub key: PackKey,
    /// Bytes of its value.
    pub bytes: u64,
    /// How many events it has.
    pub events: u64,
    /// When the first and the last of its records were recorded, in Unix milliseconds, as far as that is known.
    pub recorded: Option<(u64, u64)>,
    /// The number of its events that belong to no session, as far as that is known.
    pub others: Option<u64>,
}

impl SessionIndex {
    /// Reads one. `None` if it is none, or a later version's.
    pub fn parse(value: Vec<u8>) -> Option<Self> {
        let (header, table) = header(&value)?;
        let packs = header.packs.into_iter().map(|IndexHeaderPack { key, bytes, events, recorded, others, .. }| {
            Some(IndexedPack { key: key.parse().ok()?, bytes, events, recorded, others })
        });
        let read = Self { packs: packs.collect::<Option<_>>()?, table: value.len() - table.len(), value };
        let (entries, rest) = read.entries();
        let known = entries.iter().all(|entry| usize::from(pack_of(entry)) < read.packs.len());
        (rest.is_empty() && known).then_some(read)
    }

    fn entries(&self) -> (&[[u8; SESSION_BYTES]], &[u8]) {
        self.value.get(self.table..).unwrap_or_default().as_chunks()
    }

    /// The packs that hold a session: in one case of a trillion, one that does not.
    pub fn find(&self, hash: u64) -> impl Iterator<Item = &PackKey> {
        let entries = self.entries().0;
        let from = entries.partition_point(|entry| hash_of(entry) < hash);
        let found = entries.iter().skip(from).take_while(move |entry| hash_of(entry) == hash);
        found.filter_map(|entry| self.packs.get(usize::from(pack_of(entry)))).map(|pack| &pack.key)
    }

    /// The hash of each session, with the number of a pack in [`SessionIndex::packs`] that holds something of it.
    pub fn sessions(&self) -> impl Iterator<Item = (u64, usize)> {
        self.entries().0.iter().map(|entry| (hash_of(entry), usize::from(pack_of(entry))))
    }
}

/// An index of events, read.
#[derive(Clone, Debug)]
pub struct EventIndex {
    filters: Vec<(PackKey, u64, std::ops::Range<usize>)>,
    value: Vec<u8>,
}

impl EventIndex {
    /// Reads one. `None` if it is none, or a later version's.
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

    /// The packs that it speaks of, each with whether it may hold an event. One that says no does not.
    pub fn find(&self, id: u64) -> impl Iterator<Item = (&PackKey, bool)> {
        self.filters.iter().map(move |(key, _, range)| (key, may_hold(self.value.get(range.clone()), id)))
    }
}

fn header(value: &[u8]) -> Option<(IndexHeader, &[u8])> {
    let end = value.iter().position(|&b| b == b'\n')?;
    let header: IndexHeader = serde_json::from_slice(value.get(..end)?).ok()?;
    (header.format == FORMAT).then_some((header, value.get(end + 1..)?))
}

/// The first five bytes of a session's id.
pub fn session_hash(site: &Site, lsid: &Lsid) -> u64 {
    Id::of_session(site, lsid).short() >> 24
}

fn hash_of([a, b, c, d, e, ..]: &[u8; SESSION_BYTES]) -> u64 {
    u64::from_be_bytes([0, 0, 0, *a, *b, *c, *d, *e])
}

fn pack_of([.., high, low]: &[u8; SESSION_BYTES]) -> u16 {
    u16::from_be_bytes([*high, *low])
}

/// A filter that says yes of each of these, and of few others.
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

fn may_hold(filter: Option<&[u8]>, id: u64) -> bool {
    let Some(filter) = filter else { return true };
    probes(id, filter.len() as u64 * 8).all(|(byte, bit)| filter.get(byte).is_none_or(|found| found & bit != 0))
}

/// The bits of an id: where each is, and which of its byte. Two halves of a hash are as good as many hashes (Kirsch and
/// Mitzenmacher, "Less hashing, same performance").
fn probes(id: u64, bits: u64) -> impl Iterator<Item = (usize, u8)> {
    let (first, step) = (id >> 32, (id & 0xffff_ffff) | 1);
    (0..FILTER_PROBES).map(move |probe| {
        let bit = first.wrapping_add(probe.wrapping_mul(step)) % bits.max(1);
        ((bit / 8) as usize, 1 << (bit % 8))
    })
}

/// What indexes tell of packs, by their keys: what is read from several, and written as one.
pub type IndexEntries = BTreeMap<PackKey, IndexEntry>;

/// What one value tells of each pack: an index of sessions everything but the filters, an index of events nothing but them.
pub fn parse_entries(finds: Finds, value: Vec<u8>) -> Option<IndexEntries> {
    match finds {
        Finds::Sessions => {
            let index = SessionIndex::parse(value)?;
            let mut told: Vec<_> = index
                .packs
                .iter()
                .map(|IndexedPack { key, bytes, events, recorded, others }| {
                    let (sessions, filter) = (BTreeSet::new(), Vec::new());
                    let (bytes, events, recorded, others) = (*bytes, *events, *recorded, *others);
                    (key.clone(), IndexEntry { bytes, events, recorded, others, sessions, filter })
                })
                .collect();
            for entry in index.entries().0 {
                if let Some((_, told)) = told.get_mut(usize::from(pack_of(entry))) {
                    told.sessions.insert(hash_of(entry));
                }
            }
            Some(gather(told))
        }
        Finds::Events => {
            let EventIndex { filters, value } = EventIndex::parse(value)?;
            let told = filters.into_iter().map(|(key, events, range)| {
                let filter = value.get(range).unwrap_or_default().to_vec();
                (key, IndexEntry { bytes: 0, events, recorded: None, others: None, sessions: BTreeSet::new(), filter })
            });
            Some(gather(told))
        }
    }
}

/// Indexes that tell of these packs, as few as can be.
pub fn make_indexes(finds: Finds, tells: &IndexEntries) -> Vec<(IndexKey, Vec<u8>)> {
    let mut parts: Vec<Vec<(&PackKey, &IndexEntry)>> = Vec::new();
    let mut room = 0;
    for (key, told) in tells {
        let bytes = entry_bytes(finds, told);
        match parts.last_mut().filter(|_| bytes <= room) {
            Some(part) => part.push((key, told)),
            None => {
                parts.push(vec![(key, told)]);
                room = MAX_PACK_BYTES - 100;
            }
        }
        room = room.saturating_sub(bytes);
    }
    parts.into_iter().map(|part| encode_index(finds, &part)).collect()
}

/// What a pack takes in an index, at most.
fn entry_bytes(finds: Finds, told: &IndexEntry) -> usize {
    250 + match finds {
        Finds::Sessions => told.sessions.len() * SESSION_BYTES,
        Finds::Events => told.filter.len(),
    }
}

fn encode_index(finds: Finds, part: &[(&PackKey, &IndexEntry)]) -> (IndexKey, Vec<u8>) {
    let entry = |(key, told): &(&PackKey, &IndexEntry)| IndexHeaderPack {
        key: key.to_string(),
        bytes: if finds == Finds::Sessions { told.bytes } else { 0 },
        events: told.events,
        recorded: if finds == Finds::Sessions { told.recorded } else { None },
        others: if finds == Finds::Sessions { told.others } else { None },
        filter: if finds == Finds::Events { told.filter.len() as u64 } else { 0 },
    };
    let header = IndexHeader { format: FORMAT, packs: part.iter().map(entry).collect() };
    let mut value = serde_json::to_vec(&header).unwrap_or_default();
    value.push(b'\n');
    match finds {
        Finds::Sessions => {
            let numbered = part
                .iter()
                .zip(0_u64..)
                .flat_map(|((_, told), pack)| told.sessions.iter().map(move |s| s << 16 | pack));
            let mut table: Vec<u64> = numbered.collect();
            table.sort_unstable();
            value.extend(table.into_iter().flat_map(|entry| entry.to_be_bytes().into_iter().skip(1)));
        }
        Finds::Events => part.iter().for_each(|(_, told)| value.extend_from_slice(&told.filter)),
    }
    (IndexKey { finds, id: Id::of_value(&value) }, value)
}
