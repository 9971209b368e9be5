//! Finds records older than `retention_days`. `drop.rs` deletes loose records, set-aside bodies, and packs in which
//! every record has aged. `rewrite.rs` writes other packs again without aged records, and `replace.rs` deletes the old
//! ones.

use super::drop::TOGETHER;
use super::pass::{Pass, time};
use crate::archive::listing::Listing;
use crate::archive::pack::RecordEntry;
use crate::archive::retention::{Aged, Aging, Retention, first_seen};
use crate::keys::PackKey;
use crate::platform::Platform;
use crate::store::{Store, StoreError};

impl<P: Platform> Pass<'_, P> {
    /// Deletes aged records in the order of keys. If the time is up, the next pass continues.
    pub(super) async fn drop_aged(&mut self) -> Result<(), StoreError> {
        let Some(mut retention) = self.retention.clone().filter(Retention::is_due) else { return Ok(()) };
        let Some(aging) = retention.aging else { return Ok(()) };
        // A component can lack the memory for two lists of all keys, and this pass has finished packing.
        self.listing.loose = Vec::new();
        let listing = Listing::load(self.store()).await?;
        let (mut gone, mut last) = (Vec::new(), None);
        for key in retention.unseen(self.suspects(&listing, aging)) {
            // At least one key is handled, even without time left: else a store with slow lists would never advance.
            if last.is_some() && self.is_over() {
                self.drop_loose(&gone).await?;
                retention.pause(self.store(), last).await;
                return Ok(());
            }
            if let Ok(pack) = key.parse() {
                self.drop_aged_packed(aging, &pack).await?;
            } else if key.starts_with("event.") {
                gone.extend(self.has_aged(aging, &key).await?.then(|| key.clone()));
            } else {
                self.drop_aged_set_aside(aging, &key).await?;
            }
            last = Some(key);
            if gone.len() >= TOGETHER {
                self.drop_loose(&std::mem::take(&mut gone)).await?;
            }
        }
        self.drop_loose(&gone).await?;
        retention.finish(self.store()).await;
        Ok(())
    }

    /// The keys of everything that can have aged, according to keys and known recording times.
    fn suspects(&self, listing: &Listing, aging: Aging) -> Vec<String> {
        let loose = listing.loose.iter().filter(|key| time(key).is_some_and(|own| aging.suspects(own)));
        let mut suspects: Vec<_> = loose.cloned().collect();
        for (pack, known) in &self.packs {
            let own = aging.suspects(pack.first) || aging.suspects(pack.last);
            if own && aging.of_pack(pack, known.recorded) != Aged::Nothing {
                suspects.push(pack.to_string());
            }
        }
        suspects.extend(listing.set_aside.iter().map(ToString::to_string));
        suspects
    }

    async fn has_aged(&mut self, aging: Aging, key: &str) -> Result<bool, StoreError> {
        let entry = self.store().get(key).await?.and_then(|value| RecordEntry::under(key, value).ok());
        Ok(entry.is_some_and(|entry| aging.has_aged_entry(&entry)))
    }

    async fn drop_aged_packed(&mut self, aging: Aging, pack: &PackKey) -> Result<(), StoreError> {
        let Some(head) = self.head(pack).await? else { return Ok(()) };
        match aging.of_pack(pack, head.recorded) {
            Aged::All => self.drop_pack(pack, head.events as usize).await,
            Aged::Perhaps => self.rewrite(pack).await.map(drop),
            Aged::Nothing => Ok(()),
        }
    }

    async fn drop_aged_set_aside(&mut self, aging: Aging, key: &str) -> Result<(), StoreError> {
        let Some(value) = self.store().get(key).await? else { return Ok(()) };
        match first_seen(&value) {
            Ok(seen) if aging.has_aged_set_aside(seen) => {
                self.drop_set_aside(key).await?;
            }
            Ok(_) => {}
            Err(reason) => self.note(key, reason),
        }
        Ok(())
    }
}
