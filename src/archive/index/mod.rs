//! Indexes find the packs that hold a session, an event or an external key, and say what statistics need of sessions,
//! without reading the heads of all packs.
//!
//! An index is made only from the heads of packs. Packs never change, so an index is right about a pack as long as the
//! pack exists. A reader skips packs that are gone, and reads the heads of packs that no index covers. So an index can
//! be lost, be late, or exist twice: reads are slower then, and never wrong.
//!
//! Its value is a line of JSON that names the packs, and after it a table or a section for each pack:
//!
//! | index | after the line | file |
//! |---|---|---|
//! | of sessions, of external keys | a table: seven bytes for each session or key of a pack, sorted | `hashes.rs` |
//! | of events | for each pack a Bloom filter over the short ids of its events | `filter.rs` |
//! | of figures, and of what is open | for each pack 45 bytes for each of its sessions | `figures.rs` |
//!
//! `header.rs` has the line. This file has what an index stores of a pack ([`IndexEntry`]), and reads and writes whole
//! indexes for compaction.

mod figures;
mod filter;
mod hashes;
mod header;

use std::collections::{BTreeMap, BTreeSet};

use crate::gather::gather;
use crate::identity::{Id, Site};
use crate::keys::{Finds, IndexKey, PackKey};

use super::pack::{Head, MAX_PACK_BYTES};
pub use figures::{FiguresIndex, Names, SessionFigures, figures_hash};
pub use filter::EventIndex;
pub use hashes::{HashIndex, key_hash, session_hash, short_hash};
pub use header::PackFacts;
use header::{FORMAT, IndexHeader, IndexHeaderPack, sections};

/// What indexes store about one pack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexEntry {
    /// What each of them says of the pack itself.
    pub pack: PackFacts,
    /// The [`session_hash`] of each of its sessions.
    sessions: BTreeSet<u64>,
    /// The [`key_hash`] of each external key of its sessions.
    external_keys: BTreeSet<u64>,
    /// The Bloom filter over its events.
    filter: Vec<u8>,
    /// The [`SessionFigures`] of its sessions.
    figures: Vec<u8>,
}

impl IndexEntry {
    /// Makes the entry of a pack from its head and the size of its value.
    pub fn from_head(site: &Site, head: &Head, bytes: usize) -> Self {
        let external_keys = head.sessions.iter().flat_map(|session| session.external_keys());
        Self {
            pack: PackFacts {
                bytes: bytes as u64,
                events: head.events,
                recorded: head.recorded,
                others: Some(head.others.len() as u64),
                unannounced: head.sessions.iter().filter(|session| session.is_unannounced()).count() as u64,
                full: head.full,
            },
            sessions: gather(head.sessions.iter().map(|session| session_hash(site, &session.lsid))),
            external_keys: gather(external_keys.map(key_hash)),
            filter: filter::filter(head.ids().collect()),
            figures: figures::section(site, &head.sessions),
        }
    }

    /// Whether two entries agree in the fields that an index of this kind stores.
    pub fn agrees(&self, finds: Finds, other: &Self) -> bool {
        let facts = self.pack.clone();
        let of_sessions = PackFacts {
            recorded: self.pack.recorded.and(other.pack.recorded),
            others: self.pack.others.and(other.pack.others),
            ..other.pack.clone()
        };
        (finds != Finds::Sessions || facts == of_sessions)
            && self.hashes(finds) == other.hashes(finds)
            && self.section(finds) == other.section(finds)
    }

    /// Whether the pack has a session with this [`session_hash`].
    pub fn has_session(&self, hash: u64) -> bool {
        self.sessions.contains(&hash)
    }

    /// The hashes that an index of this kind has of the pack.
    fn hashes(&self, finds: Finds) -> Option<&BTreeSet<u64>> {
        match finds {
            Finds::Sessions => Some(&self.sessions),
            Finds::ExternalKeys => Some(&self.external_keys),
            Finds::Events | Finds::Figures | Finds::Open => None,
        }
    }

    /// The section that an index of this kind has of the pack.
    fn section(&self, finds: Finds) -> Option<&[u8]> {
        match finds {
            Finds::Events => Some(&self.filter),
            Finds::Figures | Finds::Open => Some(&self.figures),
            Finds::Sessions | Finds::ExternalKeys => None,
        }
    }
}

impl IndexHeaderPack {
    fn new(finds: Finds, key: &PackKey, entry: &IndexEntry) -> Self {
        let own = if finds == Finds::Sessions { entry.pack.clone() } else { PackFacts::default() };
        Self {
            key: key.to_string(),
            bytes: own.bytes,
            events: entry.pack.events,
            recorded: own.recorded,
            others: own.others,
            unannounced: own.unannounced,
            full: own.full,
            section: entry.section(finds).map_or(0, |section| section.len() as u64),
        }
    }
}

/// Entries of packs by their keys: read from several indexes, and written as one.
pub type IndexEntries = BTreeMap<PackKey, IndexEntry>;

/// Parses the entries of an index: of each only what an index of this kind stores.
pub fn parse_entries(finds: Finds, value: Vec<u8>) -> Option<IndexEntries> {
    let mut entries = Vec::new();
    match finds {
        Finds::Sessions | Finds::ExternalKeys => {
            let index = HashIndex::parse(value)?;
            entries.extend(
                index.packs.iter().cloned().map(|(key, pack)| (key, IndexEntry { pack, ..Default::default() })),
            );
            for (hash, pack) in index.hashes() {
                if let Some((_, entry)) = entries.get_mut(pack) {
                    let IndexEntry { sessions, external_keys, .. } = entry;
                    if finds == Finds::Sessions { sessions } else { external_keys }.insert(hash);
                }
            }
        }
        Finds::Events | Finds::Figures | Finds::Open => {
            for (key, pack, range) in sections(&value)? {
                let section = value.get(range).unwrap_or_default().to_vec();
                let (filter, figures) =
                    if finds == Finds::Events { (section, Vec::new()) } else { (Vec::new(), section) };
                entries.push((key, IndexEntry { pack, filter, figures, ..Default::default() }));
            }
        }
    }
    Some(gather(entries))
}

/// Makes indexes of these entries, as few as possible.
pub fn make_indexes(finds: Finds, entries: &IndexEntries) -> Vec<(IndexKey, Vec<u8>)> {
    let mut parts: Vec<Vec<(&PackKey, &IndexEntry)>> = Vec::new();
    let mut room = 0;
    for (key, entry) in entries {
        // The most bytes of an entry in an index.
        let hashes = entry.hashes(finds).map_or(0, BTreeSet::len) * hashes::ENTRY_BYTES;
        let bytes = 250 + hashes + entry.section(finds).map_or(0, <[u8]>::len);
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

fn encode_index(finds: Finds, part: &[(&PackKey, &IndexEntry)]) -> (IndexKey, Vec<u8>) {
    let packs = part.iter().map(|(key, entry)| IndexHeaderPack::new(finds, key, entry)).collect();
    let mut value = serde_json::to_vec(&IndexHeader { format: FORMAT, packs }).unwrap_or_default();
    value.push(b'\n');
    let numbered = part.iter().zip(0_u64..).filter_map(|((_, entry), pack)| Some((entry.hashes(finds)?, pack)));
    hashes::write_table(&mut value, numbered);
    part.iter().filter_map(|(_, entry)| entry.section(finds)).for_each(|section| value.extend_from_slice(section));
    (IndexKey { finds, id: Id::of_value(&value) }, value)
}
