//! Indexes of sessions and of external keys: hashes, each with the packs that hold it.

use std::collections::BTreeSet;

use super::header::{PackFacts, header};
use crate::event::Lsid;
use crate::identity::{Id, Site};
use crate::keys::PackKey;

/// Bytes of a hash in an index: five of the hash, two of its pack's number.
pub(super) const ENTRY_BYTES: usize = 7;

/// An index of sessions or of external keys.
#[derive(Clone, Debug)]
pub struct HashIndex {
    /// The packs that it covers.
    pub packs: Vec<(PackKey, PackFacts)>,
    value: Vec<u8>,
    table: usize,
}

impl HashIndex {
    /// Parses a value. `None` if it is not such an index, or if a later version wrote it.
    pub fn parse(value: Vec<u8>) -> Option<Self> {
        let (header, table) = header(&value)?;
        let packs = header.packs.into_iter().map(|pack| Some((pack.key.parse().ok()?, pack.facts())));
        let index = Self { packs: packs.collect::<Option<_>>()?, table: value.len() - table.len(), value };
        let (entries, rest) = index.entries();
        let is_valid = entries.iter().all(|entry| usize::from(pack_of(entry)) < index.packs.len());
        (rest.is_empty() && is_valid).then_some(index)
    }

    fn entries(&self) -> (&[[u8; ENTRY_BYTES]], &[u8]) {
        self.value.get(self.table..).unwrap_or_default().as_chunks()
    }

    /// The packs that hold what has this hash. In one of a trillion lookups, a pack is among them that does not.
    pub fn find(&self, hash: u64) -> impl Iterator<Item = &PackKey> {
        let entries = self.entries().0;
        let from = entries.partition_point(|entry| hash_of(entry) < hash);
        let found = entries.iter().skip(from).take_while(move |entry| hash_of(entry) == hash);
        found.filter_map(|entry| self.packs.get(usize::from(pack_of(entry)))).map(|(pack, _)| pack)
    }

    /// Each hash, with the position in [`HashIndex::packs`] of a pack that holds it.
    pub fn hashes(&self) -> impl Iterator<Item = (u64, usize)> {
        self.entries().0.iter().map(|entry| (hash_of(entry), usize::from(pack_of(entry))))
    }
}

/// The first five bytes of [`Id::of_session`], as a number.
pub fn session_hash(site: &Site, lsid: &Lsid) -> u64 {
    short_hash(Id::of_session(site, lsid).short())
}

/// The [`session_hash`] of a session by [`super::SessionFigures::session`].
pub fn short_hash(session: u64) -> u64 {
    session >> 24
}

/// The first five bytes of [`Id::of_value`] of an external key, as a number. It is that of every site.
pub fn key_hash(external_key: &str) -> u64 {
    Id::of_value(external_key.as_bytes()).short() >> 24
}

fn hash_of([a, b, c, d, e, ..]: &[u8; ENTRY_BYTES]) -> u64 {
    u64::from_be_bytes([0, 0, 0, *a, *b, *c, *d, *e])
}

fn pack_of([.., high, low]: &[u8; ENTRY_BYTES]) -> u16 {
    u16::from_be_bytes([*high, *low])
}

/// Writes the hashes of packs, each with its pack's number, as a sorted table.
pub(super) fn write_table<'a>(value: &mut Vec<u8>, packs: impl Iterator<Item = (&'a BTreeSet<u64>, u64)>) {
    let numbered = packs.flat_map(|(hashes, pack)| hashes.iter().map(move |hash| hash << 16 | pack));
    let mut table: Vec<u64> = numbered.collect();
    table.sort_unstable();
    value.extend(table.into_iter().flat_map(|entry| entry.to_be_bytes().into_iter().skip(1)));
}
