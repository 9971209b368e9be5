//! Makes room in a store that is full.

use super::pass::Pass;
use super::pending::PendingDeliveries;
use super::policy::{Bound, FEW, Policy};
use crate::archive::delete::delete;
use crate::archive::listing::Listing;
use crate::keys::{self, IndexKey};
use crate::platform::Platform;
use crate::store::StoreError;

/// Packs half of what may stay loose, in a store that has no key left. Indexes and the lease give up theirs: they can be made
/// again. Whether any record was packed.
pub async fn make_room<P: Platform>(
    platform: &P,
    policy: &Policy,
    pending: &mut impl PendingDeliveries,
    bound: &Bound,
) -> Result<bool, StoreError> {
    let store = platform.store();
    let listing = Listing::of(store).await?;
    if listing.loose.len() < FEW {
        return Ok(false);
    }
    let spare: Vec<_> = listing.indexes.iter().map(IndexKey::to_string).chain([keys::LEASE.to_owned()]).collect();
    let loose_events = (policy.loose_events / 2).min(listing.loose.len() / 2);
    let pressed = Policy { loose_events, key_budget: Some(listing.keys), ..policy.clone() };
    delete(store, &spare, || true).await?;
    let listing = Listing { keys: listing.keys - listing.indexes.len(), indexes: Vec::new(), ..listing };
    let pass = Pass::new(platform, &pressed, bound, listing, None).await?;
    pass.run(pending).await.map(|report| report.packed > 0)
}
