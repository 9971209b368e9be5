//! What compaction asks forwarding. Compaction owns the trait and forwarding implements it (`forward/backlogs.rs`), so
//! the archive imports nothing from forwarding. The caller of a pass provides the implementation.

use chrono::{DateTime, Utc};

use crate::archive::listing::Listing;
use crate::keys::KeyParts;
use crate::store::{Store, StoreError};

/// The pending deliveries. An event that is pending for a destination is not packed, since forwarding finds events by
/// their loose keys.
#[expect(async_fn_in_trait, reason = "components are single-threaded, native hosts name their store's type")]
pub trait PendingDeliveries {
    /// Finds the pending events among the keys of a listing. False if there is no destination: then nothing is pending.
    async fn learn(&mut self, store: &impl Store, listing: &Listing) -> Result<bool, StoreError>;

    /// Whether an event is pending for any destination, according to its key and the last [`PendingDeliveries::learn`].
    fn is_pending(&self, key: &KeyParts<'_>) -> bool;

    /// Pauses the destination with the greatest backlog, since the store would fill: storing events comes before
    /// forwarding them. False if no destination has a backlog.
    async fn pause_greatest_backlog(
        &mut self,
        store: &impl Store,
        listing: &Listing,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError>;

    /// Whether [`PendingDeliveries::tidy`] has something to delete, for which a pass must run.
    fn needs_tidying(&self, listing: &Listing) -> bool;

    /// Deletes and shortens receipts of events that are no longer loose. `listing` was made after the pass.
    async fn tidy(&self, store: &impl Store, listing: &Listing, now: DateTime<Utc>) -> Result<(), StoreError>;
}
