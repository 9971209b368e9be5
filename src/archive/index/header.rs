//! The first line of an index, and what it says of its packs.

use serde::{Deserialize, Serialize};

use crate::keys::PackKey;

/// The format that this version writes. It ignores a value of a later format.
pub(super) const FORMAT: u32 = 1;

/// What an index says of a pack itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackFacts {
    /// Bytes of the pack's value. Zero in an index other than of sessions.
    pub bytes: u64,
    /// Number of its events.
    pub events: u64,
    /// First and last recording time of its records, in Unix milliseconds. `None` if not known.
    pub recorded: Option<(u64, u64)>,
    /// Number of its events that belong to no session. `None` if not known.
    pub others: Option<u64>,
    /// Number of its sessions whose report it has, and not their `end` event.
    pub unannounced: u64,
    /// Whether its head says that it is full. False in an index other than of sessions.
    pub full: bool,
}

/// The first line of an index.
#[derive(Serialize, Deserialize)]
pub(super) struct IndexHeader {
    pub(super) format: u32,
    pub(super) packs: Vec<IndexHeaderPack>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct IndexHeaderPack {
    pub(super) key: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) bytes: u64,
    pub(super) events: u64,
    /// Absent in indexes of earlier versions, and in indexes other than of sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) recorded: Option<(u64, u64)>,
    /// Absent as `recorded` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) others: Option<u64>,
    /// Absent for none, and in indexes other than of sessions.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) unannounced: u64,
    /// Absent for false, and in indexes other than of sessions.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) full: bool,
    /// Bytes of the pack's section.
    #[serde(default, alias = "filter", skip_serializing_if = "is_zero")]
    pub(super) section: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl IndexHeaderPack {
    pub(super) fn facts(&self) -> PackFacts {
        let Self { bytes, events, recorded, others, unannounced, full, .. } = *self;
        PackFacts { bytes, events, recorded, others, unannounced, full }
    }
}

/// The header of an index, and what is after it.
pub(super) fn header(value: &[u8]) -> Option<(IndexHeader, &[u8])> {
    let end = value.iter().position(|&b| b == b'\n')?;
    let header: IndexHeader = serde_json::from_slice(value.get(..end)?).ok()?;
    (header.format == FORMAT).then_some((header, value.get(end + 1..)?))
}

/// A pack of an index with sections, and where its section is in the value.
pub(super) type Section = (PackKey, PackFacts, std::ops::Range<usize>);

/// The sections of an index. `None` if it has none, or if a later version wrote it.
pub(super) fn sections(value: &[u8]) -> Option<Vec<Section>> {
    let (header, rest) = header(value)?;
    let mut start = value.len() - rest.len();
    let mut sections = Vec::with_capacity(header.packs.len());
    for pack in header.packs {
        let end = start.checked_add(usize::try_from(pack.section).ok()?)?;
        sections.push((pack.key.parse().ok()?, pack.facts(), start..end));
        start = end;
    }
    (start == value.len()).then_some(sections)
}
