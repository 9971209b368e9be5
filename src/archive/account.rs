//! What reconciliation knows of a site: through which time its sessions are complete, and when it asks the appliance
//! again. `appliance_api/` writes it. It is here, since reading and removal depend on it.
//!
//! It is advisory: if it is lost, reconciliation begins again, and nothing is stored twice.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::listing::Listing;
use crate::deadline::Deadline;
use crate::event::{Lsid, Timestamp};
use crate::identity::Site;
use crate::keys::AccountKey;
use crate::store::{Store, StoreError};

/// The state of a site's reconciliation. Times of sessions are by the appliance's clock, deadlines by the recipient's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Every session that ended before this is here, or is listed in `unreadable`.
    pub through: Timestamp,
    /// Reports of sessions that ended before this were fetched again a day after their end.
    pub revised: Timestamp,
    /// Whether a check has begun at the time of the setting. Before the first answer, the appliance's time is not known.
    #[serde(default)]
    pub begun: bool,
    /// The number of failed checks since the last one that succeeded.
    #[serde(default)]
    pub failures: u32,
    /// Until when no check is due, unless a session ends.
    #[serde(default)]
    pub next: Option<Deadline>,
    /// Until when a running check keeps others away.
    #[serde(default)]
    pub running: Option<Deadline>,
    /// When the last check began, in Unix milliseconds.
    #[serde(default)]
    pub checked: i64,
    /// By how much the appliance's clock was ahead of the recipient's at the last check, in milliseconds.
    #[serde(default)]
    pub ahead: i64,
    /// The number of reports to ask for at once, if answers with more were too large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_once: Option<NonZeroU32>,
    /// The seconds of sessions that a revision asks for at once, if an hour of them took too long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision_seconds: Option<NonZeroU32>,
    /// Whether an `end` event of the site was seen. If not, it is polled, and no session counts as missed.
    #[serde(default)]
    pub announces: bool,
    /// Why the last check failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<AccountFault>,
    /// Sessions whose reports could not be read, with the reason. At most [`Account::MOST_UNREADABLE`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unreadable: BTreeMap<String, String>,
}

/// Why a check failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountFault {
    /// A stable name, such as `wrong-secret`.
    pub state: String,
    /// What is wrong, and what to change.
    pub detail: String,
    /// When the first of the failed checks was: Unix milliseconds.
    pub since: i64,
}

/// How long after a session's end its `end` event can be late before the session counts as missed.
pub const LATE_SECONDS: u64 = 60 * 60;

/// A tombstone or a cutoff stays until reconciliation has passed the sessions that it covers by this time: windows
/// overlap, a session can end long after its last event here, and a removed session must not be fetched again.
const MARKER_SECONDS: u64 = 2 * 24 * 60 * 60;

impl Account {
    /// The most sessions in [`Account::unreadable`].
    pub const MOST_UNREADABLE: usize = 50;

    /// The state before the first answer.
    pub fn unknown() -> Self {
        Self {
            through: Timestamp::default(),
            revised: Timestamp::default(),
            begun: false,
            failures: 0,
            next: None,
            running: None,
            checked: 0,
            ahead: 0,
            at_once: None,
            revision_seconds: None,
            announces: false,
            fault: None,
            unreadable: BTreeMap::new(),
        }
    }

    /// Reads the state of a site. `None` if there is none, or it is damaged: then reconciliation begins again.
    pub async fn load(store: &impl Store, site: &Site) -> Result<Option<Self>, StoreError> {
        let value = store.get(&AccountKey(site.clone()).to_string()).await?;
        Ok(value.and_then(|value| serde_json::from_slice(&value).ok()))
    }

    /// Reads the states of all sites that have one.
    pub async fn load_all(store: &impl Store, listing: &Listing) -> Result<Vec<(Site, Self)>, StoreError> {
        let mut all = Vec::new();
        for AccountKey(site) in &listing.accounts {
            all.extend(Self::load(store, site).await?.map(|account| (site.clone(), account)));
        }
        Ok(all)
    }

    /// Writes the state of a site.
    pub async fn save(&self, store: &impl Store, site: &Site) -> Result<(), StoreError> {
        let value = serde_json::to_vec(self).map_err(|error| StoreError::Other(error.to_string()))?;
        store.set(&AccountKey(site.clone()).to_string(), &value).await
    }

    /// Sessions that ended before this time and whose end was never announced count as missed. `None` if the site
    /// announces nothing.
    pub fn missed_before(&self) -> Option<Timestamp> {
        let seconds = self.through.seconds().saturating_sub(LATE_SECONDS);
        if self.announces && self.begun { Timestamp::from_seconds(seconds) } else { None }
    }

    /// Whether a marker must stay: reconciliation can still list a session that it covers. `last` is the latest time
    /// of the records that it covers.
    pub fn needs_marker(&self, last: Timestamp) -> bool {
        let passed = self.through.min(self.revised).seconds();
        passed < last.seconds().saturating_add(MARKER_SECONDS)
    }

    /// The appliance's time at a time of the recipient's clock, in Unix seconds.
    pub fn appliance_seconds(&self, unix_millis: i64) -> i64 {
        unix_millis.saturating_add(self.ahead) / 1_000
    }

    /// Through which time the site is complete. `None` before the first check.
    pub fn complete_through(&self) -> Option<Timestamp> {
        self.begun.then_some(self.through)
    }

    /// Whether the recipient waits before the next check.
    pub fn waits(&self, now: DateTime<Utc>) -> bool {
        self.next.is_some_and(|next| next.holds(now))
    }

    /// Whether a check is running.
    pub fn is_running(&self, now: DateTime<Utc>) -> bool {
        self.running.is_some_and(|running| running.holds(now))
    }

    /// Notes that the report of a session cannot be read.
    pub fn note_unreadable(&mut self, lsid: &Lsid, reason: &str) {
        let is_known = self.unreadable.contains_key(lsid.as_str());
        if is_known || self.unreadable.len() < Self::MOST_UNREADABLE {
            self.unreadable.insert(lsid.as_str().to_owned(), reason.to_owned());
        }
    }
}
