//! Stores a value once: what a POST brings, and what a retry makes of a body that was set aside.

use super::answer::Service;
use super::problem::Refusal;
use crate::archive::compaction::{Bound, make_room};
use crate::forward::backlogs::Backlogs;
use crate::platform::Platform;
use crate::store::{self, Kept, Store, StoreError};

impl<P: Platform> Service<'_, P> {
    /// Stores `value`, which is JSON, under a key that no other value can have: one read, and a write if it was not there. A store that
    /// is full is packed first, and the write is tried once more.
    ///
    /// Two overlapping repeats may both write. They write the same, but for the time of recording. Lines for the log go to `log`.
    pub(super) async fn keep(&self, key: &str, value: &[u8], log: &mut Vec<String>) -> Result<Kept, Refusal> {
        if store::holds(self.platform.store(), key).await? {
            return Ok(Kept::Before);
        }
        if let Err(refused) = self.platform.store().set(key, value).await {
            // Neither is any better after more reads and writes: a store that is slow would only become slower.
            if matches!(refused, StoreError::Unavailable(_) | StoreError::Denied(_)) {
                return Err(refused.into());
            }
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
            // Again after all else that was written: whether a store takes events is judged by the last write, as our host's `/health` does.
            if matches!(stored, Err(StoreError::Full(_))) {
                stored = self.platform.store().set(key, value).await;
            }
            stored?;
        }
        Ok(Kept::New)
    }
}
