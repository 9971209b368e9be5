//! Deletes what was removed or has aged: whoever calls these has found that it is.

use super::pass::{Pass, by_key};
use crate::archive::delete::delete;
use crate::keys::PackKey;
use crate::platform::Platform;
use crate::store::{Store, StoreError};

/// How many loose records are deleted together.
pub(super) const TOGETHER: usize = 256;

impl<P: Platform> Pass<'_, P> {
    /// Deletes what is covered of a pack: writes it again without that. Whether there was anything.
    pub(super) async fn drop_covered(&mut self, pack: &PackKey) -> Result<bool, StoreError> {
        let Some(head) = self.head(pack).await? else { return Ok(false) };
        if !self.covers.suspect(pack, &head) {
            return Ok(false);
        }
        self.rewrite(pack).await
    }

    /// Writes a pack again without what was removed or has aged. Whether there was anything.
    pub(super) async fn rewrite(&mut self, pack: &PackKey) -> Result<bool, StoreError> {
        let Some((entries, gone)) = self.entries(pack).await? else { return Ok(false) };
        if gone == 0 {
            return Ok(false);
        }
        let entries = by_key(entries);
        if self.replace(&pack.site, &entries, std::slice::from_ref(pack)).await? {
            self.report.dropped += gone;
        }
        Ok(true)
    }

    pub(super) async fn drop_pack(&mut self, pack: &PackKey, events: usize) -> Result<(), StoreError> {
        self.store().delete(&pack.to_string()).await?;
        self.report.dropped += events;
        self.forget(pack);
        Ok(())
    }

    /// Deletes loose records; the first lot whatever the time, or a slow store would never get anywhere.
    pub(super) async fn drop_loose(&mut self, keys: &[String]) -> Result<(), StoreError> {
        let store = self.store();
        let mut begins = true;
        self.report.dropped += delete(store, keys, || std::mem::take(&mut begins) || !self.is_over()).await?;
        Ok(())
    }
}
