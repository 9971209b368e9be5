//! The backlog of each destination, as compaction asks for it.

use chrono::{DateTime, Utc};

use super::destination::Destination;
use super::owed::{self, Owing};
use super::standing;
use crate::archive::Listing;
use crate::archive::compaction::PendingDeliveries;
use crate::identity::DestinationName;
use crate::keys::KeyParts;
use crate::store::{Store, StoreError};

/// What all destinations are owed.
#[derive(Debug)]
pub struct Backlogs<'d> {
    destinations: &'d [Destination],
    owing: Vec<Owing<'d>>,
}

impl<'d> Backlogs<'d> {
    /// Those of these destinations. Nothing is read yet.
    pub fn new(destinations: &'d [Destination]) -> Self {
        Self { destinations, owing: Vec::new() }
    }

    /// The name of the destination that is owed most, if any is owed anything.
    fn greatest(&self, listing: &Listing) -> Option<&'d DestinationName> {
        let count = |owing: &Owing<'_>| {
            listing.loose.iter().filter(|key| KeyParts::of(key).is_some_and(|parts| owing.owes(&parts))).count()
        };
        let counted = self.owing.iter().map(|owing| (&owing.destination.name, count(owing)));
        let most = counted.filter(|(_, count)| *count > 0).max_by_key(|(_, count)| *count);
        most.map(|(name, _)| name)
    }
}

impl PendingDeliveries for Backlogs<'_> {
    /// Reads all receipts.
    async fn learn(&mut self, store: &impl Store, listing: &Listing) -> Result<bool, StoreError> {
        self.owing.clear();
        for destination in self.destinations {
            self.owing.push(Owing::of(store, destination, listing).await?);
        }
        Ok(!self.destinations.is_empty())
    }

    fn is_pending(&self, key: &KeyParts<'_>) -> bool {
        self.owing.iter().any(|owing| owing.owes(key))
    }

    async fn pause_greatest_backlog(
        &mut self,
        store: &impl Store,
        listing: &Listing,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError> {
        let Some(name) = self.greatest(listing) else { return Ok(false) };
        standing::pause(store, name, "what it is owed would fill the store", now).await?;
        for owing in self.owing.iter_mut().filter(|owing| owing.destination.name == *name) {
            owing.paused = true;
        }
        Ok(true)
    }

    async fn tidy(&self, store: &impl Store, listing: &Listing, now: DateTime<Utc>) -> Result<(), StoreError> {
        owed::tidy(store, listing, now).await
    }
}
