//! Deletes what was removed or has aged, and what says so. Of the records that a reader still sees it deletes none but those that have
//! aged.
//!
//! The rule is the callers': `clear.rs` and `cutoff.rs` have found that a tombstone or a cutoff covers the record, `aged.rs` that it is
//! older than `retention_days`, `markers.rs` that nothing is left of what the tombstone or the cutoff covers.

use super::pass::Pass;
use crate::archive::delete::delete;
use crate::keys::PackKey;
use crate::platform::Platform;
use crate::store::{Store, StoreError};

/// How many loose records are deleted together.
pub(super) const TOGETHER: usize = 256;

impl<P: Platform> Pass<'_, P> {
    /// Deletes a pack of which everything has aged.
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

    /// Deletes a body that was set aside.
    pub(super) async fn drop_set_aside(&mut self, key: &str) -> Result<(), StoreError> {
        self.store().delete(key).await?;
        self.report.dropped_set_aside += 1;
        Ok(())
    }

    /// Deletes a tombstone, a cutoff or a horizon.
    pub(super) async fn drop_marker(&self, key: &str) -> Result<(), StoreError> {
        self.store().delete(key).await
    }
}
