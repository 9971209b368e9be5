//! Compares every value of a store with its key.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::event::Lsid;
use crate::identity::Id;
use crate::keys::{IndexKey, PackKey};
use crate::record::Record;
use crate::session::Summary;
use crate::store::{Store, StoreError};

use super::index::{self, IndexEntry};
use super::listing::Listing;
use super::pack::{self, Head, Pack, RecordEntry};
use super::unreadable::Unreadable;

/// What a check has read, and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Number of loose records.
    pub loose: usize,
    /// Number of packs.
    pub packs: usize,
    /// Number of records in packs.
    pub packed: usize,
    /// Number of indexes.
    pub indexes: usize,
    /// The values that do not match their keys. Empty if all do.
    pub faults: BTreeSet<Unreadable>,
}

/// Checks a store without changing it. Calls `progress` with the number of keys read and the number of all keys.
pub async fn check_store<S: Store>(store: &S, mut progress: impl FnMut(usize, usize)) -> Result<Checked, StoreError> {
    let Listing { loose, packs, indexes, .. } = Listing::load(store).await?;
    let (mut checked, mut heads) = (Checked::default(), BTreeMap::new());
    let all = loose.len() + packs.len() + indexes.len();
    let mut done = 0;
    let mut report = || {
        done += 1;
        progress(done, all);
    };
    for key in loose {
        // A key that is gone by now was packed or removed.
        if let Some(value) = store.get(&key).await? {
            checked.loose += 1;
            let fault = RecordEntry::under(&key, value).and_then(|entry| checked_summary(&entry)).err();
            checked.note(&key, fault);
        }
        report();
    }
    for key in packs {
        if let Some(value) = store.get(&key.to_string()).await? {
            checked.packs += 1;
            match check_pack(&key, &value) {
                Ok(head) => {
                    checked.packed += head.events as usize;
                    heads.insert(key.clone(), IndexEntry::from_head(&key.site, &head, value.len()));
                }
                Err(fault) => checked.note(key, Some(fault)),
            }
        }
        report();
    }
    for key in indexes {
        if let Some(value) = store.get(&key.to_string()).await? {
            checked.indexes += 1;
            checked.note(key, check_index(key, value, &heads).err());
        }
        report();
    }
    Ok(checked)
}

impl Checked {
    fn note(&mut self, key: impl ToString, fault: Option<String>) {
        self.faults.extend(fault.map(|reason| Unreadable { key: key.to_string(), reason }));
    }
}

/// The summary of a record's event. An error if its id is not the hash of its variables.
fn checked_summary(entry: &RecordEntry) -> Result<Option<Summary>, String> {
    let (record, _) = Record::from_json(&entry.value)?;
    if Id::of_event(&entry.key.site, &record.data.form()) == entry.key.id {
        entry.summary()
    } else {
        Err(format!("its id {} is not the hash of its variables", record.id))
    }
}

fn check_pack(key: &PackKey, value: &[u8]) -> Result<Head, String> {
    if !pack::is_named_by_its_hash(key, value) {
        return Err(pack::PackFault::Hash.to_string());
    }
    let pack = Pack::open(key, value).map_err(|fault| fault.to_string())?;
    let entries = pack.all_records().map_err(|fault| fault.to_string())?;
    let summaries = entries.iter().map(|entry| {
        let summary = checked_summary(entry).map_err(|reason| format!("{}: {reason}", entry.key))?;
        Ok((entry.key.id, summary))
    });
    let summaries: Vec<_> = summaries.collect::<Result<_, String>>()?;
    let (sessions, others) = pack::summarise(summaries.into_iter());
    let in_head: BTreeMap<Lsid, Summary> =
        pack.head.sessions.iter().map(|summary| (summary.lsid.clone(), summary.clone())).collect();
    // An earlier version wrote fewer fields.
    let agrees = |(written, summary): (&Summary, Summary)| *written == summary.of_version_of(written);
    let recorded = entries.iter().map(|entry| entry.recorded);
    let recorded = recorded.clone().min().zip(recorded.max());
    let same = sessions.len() == in_head.len() && in_head.values().zip(sessions.into_values()).all(agrees);
    if same && others == pack.head.others && (pack.head.recorded.is_none() || pack.head.recorded == recorded) {
        Ok(pack.head)
    } else {
        Err("its head does not match its records".to_owned())
    }
}

fn check_index(key: IndexKey, value: Vec<u8>, packs: &BTreeMap<PackKey, IndexEntry>) -> Result<(), String> {
    if Id::of_value(&value) != key.id {
        return Err(pack::PackFault::Hash.to_string());
    }
    let entries =
        index::parse_entries(key.finds, value).ok_or("it cannot be read; delete it and compaction makes another")?;
    for (pack, entry) in entries {
        // What an index says about a pack that is gone does not matter.
        if packs.get(&pack).is_some_and(|of_head| !entry.agrees(key.finds, of_head)) {
            return Err(format!("it does not match {pack}"));
        }
    }
    Ok(())
}
