//! Deletes many keys at once. `compaction/` decides which.

use futures_util::future::join_all;

use crate::store::{Store, StoreError};

/// The most concurrent deletes. A store with group commit writes them in one commit.
const AT_ONCE: usize = 256;

/// The number of deletes in the first batch, which runs even if the pass has no time left. It is more than the events
/// that arrive between two passes.
const FEW_AT_ONCE: usize = 64;

/// Deletes keys in batches until `go_on` returns false. Returns how many keys, from the first on, were deleted.
pub(super) async fn delete(
    store: &impl Store,
    keys: &[String],
    mut go_on: impl FnMut() -> bool,
) -> Result<usize, StoreError> {
    let (mut deleted, mut at_once) = (0, FEW_AT_ONCE);
    // Each delete can be a disk sync of its own, as in a component. So batches begin small and grow while there is
    // time.
    while let Some(some) =
        keys.get(deleted..keys.len().min(deleted + at_once)).filter(|some| !some.is_empty() && go_on())
    {
        join_all(some.iter().map(|key| store.delete(key))).await.into_iter().collect::<Result<(), _>>()?;
        deleted += some.len();
        at_once = (at_once * 2).min(AT_ONCE);
    }
    Ok(deleted)
}
