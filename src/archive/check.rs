//! Every value of a store, held against what its key says.

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

/// What was looked at, and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Loose records.
    pub loose: usize,
    /// Packs.
    pub packs: usize,
    /// Records in packs.
    pub packed: usize,
    /// Indexes.
    pub indexes: usize,
    /// What is not as it should be. Empty where all is well.
    pub faults: BTreeSet<Unreadable>,
}

/// Checks a store, and changes nothing. `progress` is told how many keys of how many were looked at.
pub async fn check_store<S: Store>(store: &S, mut progress: impl FnMut(usize, usize)) -> Result<Checked, StoreError> {
    let Listing { loose, packs, indexes, .. } = Listing::load(store).await?;
    let (mut checked, mut heads) = (Checked::default(), BTreeMap::new());
    let all = loose.len() + packs.len() + indexes.len();
    let mut done = 0;
    let mut tell = || {
        done += 1;
        progress(done, all);
    };
    for key in loose {
        // What is gone meanwhile was packed or removed.
        if let Some(value) = store.get(&key).await? {
            checked.loose += 1;
            let fault = RecordEntry::under(&key, value).and_then(|entry| summary(&entry)).err();
            checked.note(&key, fault);
        }
        tell();
    }
    for key in packs {
        if let Some(value) = store.get(&key.to_string()).await? {
            checked.packs += 1;
            match pack(&key, &value) {
                Ok(head) => {
                    checked.packed += head.events as usize;
                    heads.insert(key.clone(), IndexEntry::from_head(&key.site, &head, value.len()));
                }
                Err(fault) => checked.note(key, Some(fault)),
            }
        }
        tell();
    }
    for key in indexes {
        if let Some(value) = store.get(&key.to_string()).await? {
            checked.indexes += 1;
            checked.note(key, index(key, value, &heads).err());
        }
        tell();
    }
    Ok(checked)
}

impl Checked {
    fn note(&mut self, key: impl ToString, fault: Option<String>) {
        self.faults.extend(fault.map(|reason| Unreadable { key: key.to_string(), reason }));
    }
}

/// What a record tells of its session, if it is an event that its id and its key belong to.
fn summary(entry: &RecordEntry) -> Result<Option<Summary>, String> {
    let (record, _) = Record::read(&entry.value)?;
    if Id::of_event(&entry.key.site, &record.data.form()) == entry.key.id {
        entry.summary()
    } else {
        Err(format!("{} is not the id of what it says", record.id))
    }
}

fn pack(key: &PackKey, value: &[u8]) -> Result<Head, String> {
    if !pack::is_named_by_its_hash(key, value) {
        return Err(pack::PackFault::Hash.to_string());
    }
    let pack = Pack::open(key, value).map_err(|fault| fault.to_string())?;
    let entries = pack.all_records().map_err(|fault| fault.to_string())?;
    let told = entries.iter().map(|entry| {
        let summary = summary(entry).map_err(|reason| format!("{}: {reason}", entry.key))?;
        Ok((entry.key.id, summary))
    });
    let told: Vec<_> = told.collect::<Result<_, String>>()?;
    let (sessions, others) = pack::summarise(told.into_iter());
    let in_head: BTreeMap<Lsid, Summary> =
        pack.head.sessions.iter().map(|summary| (summary.lsid.clone(), summary.clone())).collect();
    // An earlier version told less.
    let agrees = |(told, summary): (&Summary, Summary)| match told.owner_changes {
        Some(_) => *told == summary,
        None => *told == summary.of_earlier_version(),
    };
    let recorded = entries.iter().map(|entry| entry.recorded);
    let recorded = recorded.clone().min().zip(recorded.max());
    let same = sessions.len() == in_head.len() && in_head.values().zip(sessions.into_values()).all(agrees);
    if same && others == pack.head.others && (pack.head.recorded.is_none() || pack.head.recorded == recorded) {
        Ok(pack.head)
    } else {
        Err("its head does not tell what its records do".to_owned())
    }
}

fn index(key: IndexKey, value: Vec<u8>, packs: &BTreeMap<PackKey, IndexEntry>) -> Result<(), String> {
    if Id::of_value(&value) != key.id {
        return Err(pack::PackFault::Hash.to_string());
    }
    let told =
        index::parse_entries(key.finds, value).ok_or("it cannot be read; without it, the next pass makes another")?;
    for (pack, told) in told {
        // Of a pack that is gone it may tell anything.
        if packs.get(&pack).is_some_and(|is| !told.agrees(key.finds, is)) {
            return Err(format!("it does not tell what {pack} does"));
        }
    }
    Ok(())
}
