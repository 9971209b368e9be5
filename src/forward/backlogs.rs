//! The backlog of each destination, as compaction asks for it; and what is kept of destinations that are configured no longer.

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

/// What is pending for all destinations.
#[derive(Debug)]
pub struct Backlogs<'d> {
    destinations: &'d [Destination],
    /// Whether these are all destinations that are configured.
    are_all: bool,
    pending: Vec<Pending<'d>>,
    /// Lines for the log.
    log: Vec<String>,
}

impl<'d> Backlogs<'d> {
    /// The backlogs of the destinations of a valid setting. Nothing is pending for any other, and what is kept of others is deleted. Nothing is
    /// read yet.
    pub fn new(destinations: &'d [Destination]) -> Self {
        Self { destinations, are_all: true, pending: Vec::new(), log: Vec::new() }
    }

    /// The backlogs of these destinations, where the setting is not known: nothing is deleted of others.
    pub fn without_setting(destinations: &'d [Destination]) -> Self {
        Self { are_all: false, ..Self::new(destinations) }
    }

    /// Takes the lines for the log.
    pub fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    /// The name of the destination with the greatest backlog, if any has one.
    fn greatest(&self, listing: &Listing) -> Option<&'d DestinationName> {
        let counted = self.pending.iter().map(|pending| (&pending.destination.name, pending.count(listing).0));
        let most = counted.filter(|(_, count)| *count > 0).max_by_key(|(_, count)| *count);
        most.map(|(name, _)| name)
    }

    /// Whether a key is of a destination that is configured no longer.
    fn is_of_none(&self, key: &ForwardKey) -> bool {
        self.are_all && !self.destinations.iter().any(|known| known.name == key.destination)
    }

    /// Deletes keys of destinations that are configured no longer, and of unreadable records that are loose no longer.
    async fn delete_unneeded(&self, store: &impl Store, listing: &Listing) -> Result<(), StoreError> {
        let is_unneeded = |key: &&ForwardKey| match key.what {
            _ if self.is_of_none(key) => true,
            Forwards::Unreadable(id) => {
                let id = id.text();
                !listing.loose.iter().any(|key| KeyParts::of(key).is_some_and(|parts| parts.id == id))
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
    /// Reads all receipts.
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
        listing.forwards.iter().any(|key| self.is_of_none(key))
    }

    async fn tidy(&self, store: &impl Store, listing: &Listing, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.delete_unneeded(store, listing).await?;
        receipts::tidy(store, listing, now).await
    }
}
