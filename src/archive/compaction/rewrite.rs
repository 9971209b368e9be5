//! Writes a pack again without what was removed or has aged. `replace.rs` then deletes the old one.

use super::pass::{Pass, by_key};
use crate::keys::PackKey;
use crate::platform::Platform;
use crate::store::StoreError;

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
}
