//! Writes a pack again without removed and aged records. `replace.rs` then deletes the old one.

use super::pass::{Pass, by_key};
use crate::keys::PackKey;
use crate::platform::Platform;
use crate::store::StoreError;

impl<P: Platform> Pass<'_, P> {
    /// Deletes the records of a pack that a marker covers, by writing the pack again. Returns whether there were any.
    pub(super) async fn drop_covered(&mut self, pack: &PackKey) -> Result<bool, StoreError> {
        let Some(head) = self.head(pack).await? else { return Ok(false) };
        if !self.covers.suspects(pack, &head) {
            return Ok(false);
        }
        self.rewrite(pack).await
    }

    /// Writes a pack again without removed and aged records. Returns whether there were any.
    pub(super) async fn rewrite(&mut self, pack: &PackKey) -> Result<bool, StoreError> {
        let Some((entries, gone)) = self.entries(pack).await? else { return Ok(false) };
        if gone == 0 {
            return Ok(false);
        }
        let entries = by_key(entries);
        let packs = self.make_packs(&pack.site, &entries)?;
        if self.replace(&packs, &entries, std::slice::from_ref(pack)).await? {
            self.report.dropped += gone;
        }
        Ok(true)
    }
}
