//! The backlogs of all destinations, for compaction; and the removal of keys that belong to no configured
//! destination.

use chrono::{DateTime, Utc};

use super::commands;
use super::destination::Destination;
use super::pending::Pending;
use super::receipts;
use crate::archive::Listing;
use crate::archive::compaction::PendingDeliveries;
use crate::identity::DestinationName;
use crate::keys::{ForwardKey, Forwards, KeyParts};
use crate::store::{Store, StoreError};

/// The pending events of all destinations.
#[derive(Debug)]
pub struct Backlogs<'d> {
    destinations: &'d [Destination],
    /// Whether `destinations` is the whole setting: only then can keys of other destinations be deleted.
    are_all: bool,
    pending: Vec<Pending<'d>>,
    log: Vec<String>,
}

impl<'d> Backlogs<'d> {
    /// The backlogs of all configured destinations. Nothing is pending for any other destination, and its keys are
    /// deleted. Reads nothing yet.
    pub fn new(destinations: &'d [Destination]) -> Self {
        Self { destinations, are_all: true, pending: Vec::new(), log: Vec::new() }
    }

    /// The backlogs of some destinations, where the setting is not known. Keys of other destinations are kept.
    pub fn without_setting(destinations: &'d [Destination]) -> Self {
        Self { are_all: false, ..Self::new(destinations) }
    }

    /// Takes the log lines.
    pub fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    fn greatest(&self, listing: &Listing) -> Option<&'d DestinationName> {
        let counted = self.pending.iter().map(|pending| (&pending.destination.name, pending.count(listing).0));
        let most = counted.filter(|(_, count)| *count > 0).max_by_key(|(_, count)| *count);
        most.map(|(name, _)| name)
    }

    /// Whether a key belongs to a destination that is no longer configured.
    fn is_unconfigured(&self, key: &ForwardKey) -> bool {
        self.are_all && !self.destinations.iter().any(|known| known.name == key.destination)
    }

    /// Deletes the keys of destinations that are no longer configured, and of unreadable records that are no longer
    /// loose.
    async fn delete_unneeded(&self, store: &impl Store, listing: &Listing) -> Result<(), StoreError> {
        let is_unneeded = |key: &&ForwardKey| match key.what {
            _ if self.is_unconfigured(key) => true,
            Forwards::Unreadable(id) => {
                let id = id.text();
                !listing.loose.iter().any(|key| KeyParts::split(key).is_some_and(|parts| parts.id == id))
            }
            _ => false,
        };
        for key in listing.forwards.iter().filter(is_unneeded) {
            store.delete(&key.to_string()).await?;
        }
        Ok(())
    }
}

impl PendingDeliveries for Backlogs<'_> {
    /// Reads the receipts of all destinations.
    async fn learn(&mut self, store: &impl Store, listing: &Listing) -> Result<bool, StoreError> {
        self.pending.clear();
        for destination in self.destinations {
            self.pending.push(Pending::load(store, destination, listing).await?);
        }
        Ok(!self.destinations.is_empty())
    }

    fn is_pending(&self, key: &KeyParts<'_>) -> bool {
        self.pending.iter().any(|pending| pending.contains(key))
    }

    async fn pause_greatest_backlog(
        &mut self,
        store: &impl Store,
        listing: &Listing,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let Some(name) = self.greatest(listing) else { return Ok(false) };
        self.log.push(commands::pause(store, name, "its backlog would fill the store", now).await?);
        for pending in self.pending.iter_mut().filter(|pending| pending.destination.name == *name) {
            pending.paused = true;
        }
        Ok(true)
    }

    fn needs_tidying(&self, listing: &Listing) -> bool {
        listing.forwards.iter().any(|key| self.is_unconfigured(key))
    }

    async fn tidy(&self, store: &impl Store, listing: &Listing, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.delete_unneeded(store, listing).await?;
        receipts::tidy(store, listing, now).await
    }
}
