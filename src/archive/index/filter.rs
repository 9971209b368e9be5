//! Indexes of events: for each pack a Bloom filter over the short ids of its events, with 16 bits for each event. Ids
//! are hashes, so their bits serve as the filter's hash functions.

use super::header::{Section, sections};
use crate::keys::PackKey;

/// Bits of a filter for each event, and bits that a lookup tests. One in two thousand lookups of an event that is not
/// in the pack says that it is.
const FILTER_BITS: usize = 16;
const FILTER_PROBES: u64 = 11;

/// An index of events.
#[derive(Clone, Debug)]
pub struct EventIndex {
    filters: Vec<Section>,
    value: Vec<u8>,
}

impl EventIndex {
    /// Parses a value. `None` if it is not an index of events, or if a later version wrote it.
    pub fn parse(value: Vec<u8>) -> Option<Self> {
        Some(Self { filters: sections(&value)?, value })
    }

    /// The packs that it covers, each with whether it can hold an event. False is certain.
    pub fn find(&self, id: u64) -> impl Iterator<Item = (&PackKey, bool)> {
        self.filters.iter().map(move |(key, _, range)| (key, can_hold(self.value.get(range.clone()), id)))
    }
}

/// A Bloom filter over these ids.
pub(super) fn filter(ids: Vec<u64>) -> Vec<u8> {
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
