//! Deletes many keys, many at once. It is told which: `compaction/` decides that.

use futures_util::future::join_all;

use crate::store::{Store, StoreError};

/// How many calls are made at once where their order does not matter. A store that commits together commits them together.
const AT_ONCE: usize = 256;

/// How many are the first of them. More than come between two passes: a pass without time still deletes these.
const FEW_AT_ONCE: usize = 64;

/// Deletes keys, many at once, until `go_on` says no. How many of the first were deleted.
pub(super) async fn delete(
    store: &impl Store,
    keys: &[String],
    mut go_on: impl FnMut() -> bool,
) -> Result<usize, StoreError> {
    let (mut deleted, mut at_once) = (0, FEW_AT_ONCE);
    // Where each is a sync of its own, as in a component, a disk may take long for few: they become more as long as there is time.
    while let Some(some) =
        keys.get(deleted..keys.len().min(deleted + at_once)).filter(|some| !some.is_empty() && go_on())
    {
        join_all(some.iter().map(|key| store.delete(key))).await.into_iter().collect::<Result<(), _>>()?;
        deleted += some.len();
        at_once = (at_once * 2).min(AT_ONCE);
    }
    Ok(deleted)
}
