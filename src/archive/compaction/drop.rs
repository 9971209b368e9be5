//! Deletes removed and aged records, and markers. Of records that a reader still sees, it deletes only aged ones.
//!
//! The callers check the rule. `clear.rs` and `cutoff.rs` have found that a tombstone or a cutoff covers the record.
//! `aged.rs` has found that it is older than `retention_days`. `markers.rs` has found that a marker covers nothing any
//! more.

use super::pass::Pass;
use crate::archive::delete::delete;
use crate::keys::PackKey;
use crate::platform::Platform;
use crate::store::{Store, StoreError};

/// The most loose records that are checked and deleted together.
pub(super) const TOGETHER: usize = 256;

impl<P: Platform> Pass<'_, P> {
    /// Deletes a pack in which every record has aged.
    pub(super) async fn drop_pack(&mut self, pack: &PackKey, events: usize) -> Result<(), StoreError> {
        self.store().delete(&pack.to_string()).await?;
        self.report.dropped += events;
        self.forget(pack);
        Ok(())
    }

    /// Deletes loose records. The first batch is deleted even without time left, or a slow store would never advance.
    pub(super) async fn drop_loose(&mut self, keys: &[String]) -> Result<(), StoreError> {
        let store = self.store();
        let mut begins = true;
        self.report.dropped += delete(store, keys, || std::mem::take(&mut begins) || !self.is_over()).await?;
        Ok(())
    }

    /// Deletes a set-aside body.
    pub(super) async fn drop_set_aside(&mut self, key: &str) -> Result<(), StoreError> {
        self.store().delete(key).await?;
        self.report.dropped_set_aside += 1;
        Ok(())
    }

    /// Deletes a tombstone or a cutoff.
    pub(super) async fn drop_marker(&self, key: &str) -> Result<(), StoreError> {
        self.store().delete(key).await
    }
}
