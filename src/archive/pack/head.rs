//! What stands before the records of a pack.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::base64_array;
use crate::event::Lsid;
use crate::identity::Id;
use crate::session::Summary;

/// The format that is written. A pack of a later one is left alone and named.
pub(super) const FORMAT: u32 = 1;

/// What stands before the records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub(super) format: u32,
    pub(super) site: String,
    /// When it was made, in Unix seconds. Only where a grace is set (`packing_grace`): otherwise two passes that pack the same
    /// make the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<u64>,
    /// How many records there are.
    pub events: u64,
    /// Bytes of the second member, compressed: a pack that is cut is known by its head.
    pub(super) records_bytes: u64,
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

/// What events tell of their sessions, and the short ids of those that belong to none.
pub fn summarise(events: impl Iterator<Item = (Id, Option<Summary>)>) -> (BTreeMap<Lsid, Summary>, BTreeSet<u64>) {
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
