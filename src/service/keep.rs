//! Stores a value once: the record of a POST, or of a retried body.

use std::pin::Pin;

use super::answer::Service;
use super::problem::Refusal;
use crate::archive::compaction::{Bound, make_room};
use crate::forward::backlogs::Backlogs;
use crate::platform::Platform;
use crate::store::{self, Kept, Store, StoreError};

impl<P: Platform> Service<'_, P> {
    /// Stores `value`, which is JSON, under a key that identifies it: one `exists`, and one `set` if the key is new.
    /// A full store is compacted first, and the write is tried again.
    ///
    /// Two overlapping repeats may both write: the same value, except for the time of recording. Log lines go to
    /// `log`.
    pub(super) async fn keep(&self, key: &str, value: &[u8], log: &mut Vec<String>) -> Result<Kept, Refusal> {
        if store::holds(self.platform.store(), key).await? {
            return Ok(Kept::Before);
        }
        match self.platform.store().set(key, value).await {
            Ok(()) => {}
            // Neither error improves by compaction: a slow store would only become slower.
            Err(refused @ (StoreError::Unavailable(_) | StoreError::Denied(_))) => return Err(refused.into()),
            Err(refused) => self.keep_in_full_store(key, value, refused, log).await?,
        }
        Ok(Kept::New)
    }

    /// Compacts a store that `refused` a write, and tries again. Boxed in a function of its own, so that it takes no room
    /// in the memory of an event.
    #[inline(never)]
    fn keep_in_full_store<'f>(
        &'f self,
        key: &'f str,
        value: &'f [u8],
        refused: StoreError,
        log: &'f mut Vec<String>,
    ) -> Pin<Box<dyn Future<Output = Result<(), Refusal>> + 'f>> {
        Box::pin(async move {
            let (Ok(policy), Ok(destinations)) = (self.variables.packing(), self.variables.destinations()) else {
                return Err(refused.into());
            };
            let mut pending = Backlogs::new(&destinations);
            let room = make_room(self.platform, &policy, &mut pending, &Bound::default(), &refused).await;
            log.extend(pending.take_log());
            let mut stored = Err(refused);
            if let Ok(Some(room)) = room {
                stored = self.platform.store().set(key, value).await;
                room.put_back(self.platform, stored.is_ok()).await;
            }
            // Try again last: our host's `/health` judges whether the store accepts events by the last write.
            if matches!(stored, Err(StoreError::Full(_))) {
                stored = self.platform.store().set(key, value).await;
            }
            Ok(stored?)
        })
    }
}
