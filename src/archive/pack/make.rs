//! Makes packs of records.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::entry::RecordEntry;
use super::head::{FORMAT, Head, summarise};
use crate::archive::whole_seconds::of_whole_seconds;
use crate::identity::{Id, Site};
use crate::keys::PackKey;
use crate::session::Summary;

/// The most bytes of a pack's value, as of a record's: below the 400 KB of DynamoDB and Cosmos DB.
pub const MAX_PACK_BYTES: usize = 400_000;

/// The most bytes of a pack's records before compression.
const MAX_MADE_BYTES: usize = 8 << 20;

/// The most events of a pack.
pub const MAX_PACK_EVENTS: usize = 10_000;

/// A pack that is not written yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadePack {
    /// Its key.
    pub key: PackKey,
    /// Its value.
    pub value: Vec<u8>,
    /// Its head.
    pub head: Head,
    /// The loose keys of its records.
    pub keys: Vec<String>,
}

/// The records of one site by their loose keys.
pub type RecordEntries = BTreeMap<String, RecordEntry>;

/// Makes packs of the records of one site, as few as possible. Leaves out a record that is too large for a pack, or
/// that today's rules reject: it stays loose. `made` is the time for [`Head::made`], in Unix seconds.
pub fn make_packs(site: &Site, entries: &RecordEntries, made: Option<u64>) -> io::Result<Vec<MadePack>> {
    let summaries = entries.iter().filter_map(|(key, entry)| Some((key, entry, entry.summary().ok()?)));
    let all: Vec<PackItem> = summaries.map(|(key, entry, summary)| PackItem { key, entry, summary }).collect();
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

struct PackItem<'e> {
    key: &'e str,
    entry: &'e RecordEntry,
    summary: Option<Summary>,
}

/// Makes a pack of as many of the first items as it can hold. Returns it, and how many items it took or skipped. `None`
/// if it cannot hold the first item.
fn first_pack(site: &Site, items: &[PackItem], made: Option<u64>) -> io::Result<(Option<MadePack>, usize)> {
    let mut most = items.len().min(MAX_PACK_EVENTS);
    let mut is_cut = false;
    loop {
        let (records, taken) = compress_first(items.get(..most).unwrap_or(items))?;
        let taken_items = items.get(..taken).unwrap_or(items);
        let pack = pack(site, taken_items, records, made, taken < items.len())?;
        if pack.as_ref().is_some_and(|pack| pack.value.len() <= MAX_PACK_BYTES) {
            let whole = of_whole_seconds(taken_items, items.get(taken), |item| Some(item.entry.key.timestamp));
            if is_cut || whole == taken {
                return Ok((pack, taken));
            }
            (most, is_cut) = (whole, true);
            continue;
        }
        if taken <= 1 {
            return Ok((None, 1));
        }
        // The estimate was too low: names are long, or do not compress.
        most = taken - taken.div_ceil(8);
    }
}

/// Compresses the second member, of as many items as are likely to fit beside their head. Returns it and the number of
/// items.
fn compress_first(items: &[PackItem]) -> io::Result<(Vec<u8>, usize)> {
    // The most bytes that the compressor has taken and not yet written.
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

/// Estimates the compressed bytes that an event adds to a head: its id, and a share of its session.
fn head_bytes(item: &PackItem) -> usize {
    let names = item.summary.iter().flat_map(|summary| summary.customers().into_iter().chain(summary.external_keys()));
    20 + names.map(|name| name.len() / 16).sum::<usize>()
}

fn pack(
    site: &Site,
    items: &[PackItem],
    records: Vec<u8>,
    made: Option<u64>,
    full: bool,
) -> io::Result<Option<MadePack>> {
    let times = || items.iter().map(|item| item.entry.key.timestamp);
    let (Some(first), Some(last)) = (times().min(), times().max()) else { return Ok(None) };
    let (sessions, others) = summarise(items.iter().map(|item| (item.entry.key.id, item.summary.clone())));
    let recorded = || items.iter().map(|item| item.entry.recorded);
    let head = Head {
        format: FORMAT,
        site: site.as_str().to_owned(),
        made,
        events: items.len() as u64,
        records_bytes: records.len() as u64,
        recorded: recorded().min().zip(recorded().max()),
        full,
        sessions: sessions.into_values().collect(),
        others,
    };
    // As one text: the compressor clears 32 KiB for each write, and JSON is written in a few bytes at a time.
    let mut line = serde_json::to_vec(&head)?;
    line.push(b'\n');
    let mut member = GzEncoder::new(Vec::new(), Compression::default());
    member.write_all(&line)?;
    let value = [member.finish()?, records].concat();
    let key = PackKey { site: site.clone(), first, last, id: Id::of_value(&value) };
    let keys = items.iter().map(|item| item.key.to_owned()).collect();
    Ok(Some(MadePack { key, value, head, keys }))
}
