//! What compaction asks forwarding. Compaction owns the trait and forwarding implements it (`forward/backlogs.rs`), so the archive
//! imports nothing of forwarding. Whoever runs a pass hands it in.

use chrono::{DateTime, Utc};

use crate::archive::listing::Listing;
use crate::keys::KeyParts;
use crate::store::{Store, StoreError};

/// The deliveries that are pending. A loose event that is pending for a destination is not packed: forwarding finds events by their
/// loose keys.
#[expect(async_fn_in_trait, reason = "components are single-threaded, native hosts name their store's type")]
pub trait PendingDeliveries {
    /// Learns what is pending among the keys of a listing. False if there is no destination: then nothing is pending.
    async fn learn(&mut self, store: &impl Store, listing: &Listing) -> Result<bool, StoreError>;

    /// Whether an event is pending for any destination, as far as its key and what was learned last tell.
    fn is_pending(&self, key: &KeyParts<'_>) -> bool;

    /// Pauses the destination with the greatest backlog, since the store would fill: to keep what arrives comes before forwarding it.
    /// False if no destination has a backlog.
    async fn pause_greatest_backlog(
        &mut self,
        store: &impl Store,
        listing: &Listing,
        now: DateTime<Utc>,
    ) -> Result<bool, StoreError>;

    /// Whether something is kept that [`PendingDeliveries::tidy`] would delete, and that no pass would be due for otherwise.
    fn needs_tidying(&self, listing: &Listing) -> bool;

    /// Makes fewer and shorter what forwarding keeps of events that are loose no longer. `listing` was made after the pass.
    async fn tidy(&self, store: &impl Store, listing: &Listing, now: DateTime<Utc>) -> Result<(), StoreError>;
}
