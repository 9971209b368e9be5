//! The head of a pack, before its records.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::base64_array;
use crate::event::Lsid;
use crate::identity::Id;
use crate::session::Summary;

/// The format that this version writes. A pack of a later format is reported and stays in the store.
pub(super) const FORMAT: u32 = 1;

/// The head of a pack: a JSON line before the records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    pub(super) format: u32,
    pub(super) site: String,
    /// The time at which the pack was made, in Unix seconds. Present only if `packing_grace` is set: without it, two
    /// passes that pack the same records make identical packs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<u64>,
    /// Number of records.
    pub events: u64,
    /// Compressed bytes of the second member, which reveal a truncated pack.
    pub(super) records_bytes: u64,
    /// First and last recording time of its records, in Unix milliseconds. Absent in packs of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<(u64, u64)>,
    /// Whether the record after its last did not fit. Merging such a pack with others would save no key, however few
    /// bytes it has. Packs of earlier versions do not say it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub full: bool,
    /// The summary of each session.
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

    /// Last recording time of its records, in Unix milliseconds. In packs of earlier versions, of records of a session
    /// only.
    pub fn last_recorded(&self) -> Option<u64> {
        let of_sessions = || self.sessions.iter().map(|session| session.recorded.1).max();
        self.recorded.map(|(_, last)| last).or_else(of_sessions)
    }

    /// The summary of a session, if the pack has records of it.
    pub fn session(&self, lsid: &Lsid) -> Option<&Summary> {
        self.sessions.iter().find(|session| session.lsid == *lsid)
    }
}

/// Joins the summaries of events by session. Returns them, and the short ids of the events that belong to no session.
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
