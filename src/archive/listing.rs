//! All keys of a store, sorted by kind.

use crate::keys::{
    self, AccountKey, CutoffKey, ErasedKey, ForwardKey, IndexKey, KeyParts, OldCutoffKey, PackKey, SetAsideKey,
};
use crate::store::{Store, StoreError};

/// All keys of a store, sorted by kind.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The keys of loose records, unordered.
    pub loose: Vec<String>,
    /// The packs, ordered by their last time, the latest first.
    pub packs: Vec<PackKey>,
    /// The tombstones.
    pub erased: Vec<ErasedKey>,
    /// The cutoffs.
    pub cutoffs: Vec<CutoffKey>,
    /// The cutoffs that an earlier version wrote.
    pub old_cutoffs: Vec<OldCutoffKey>,
    /// The indexes.
    pub indexes: Vec<IndexKey>,
    /// The set-aside bodies.
    pub set_aside: Vec<SetAsideKey>,
    /// The keys of reconciliation.
    pub accounts: Vec<AccountKey>,
    /// The keys of forwarding.
    pub forwards: Vec<ForwardKey>,
    /// Number of all keys.
    pub keys: usize,
    /// Number of keys of an unknown kind.
    pub others: usize,
}

impl Listing {
    /// Lists the keys of a store.
    pub async fn load(store: &impl Store) -> Result<Self, StoreError> {
        Ok(Self::new(store.get_keys().await?))
    }

    /// Sorts keys by kind. Reuses the list, since a component can lack the memory for a second one.
    pub fn new(mut keys: Vec<String>) -> Self {
        let mut listing = Self { keys: keys.len(), ..Self::default() };
        keys.retain(|key| {
            let is_event = KeyParts::split(key).is_some();
            if !is_event && !keys::is_advisory(key) {
                let kind = key.split_once('.').map_or("", |(kind, _)| kind);
                listing.others += usize::from(!listing.add(kind, key));
            }
            is_event
        });
        listing.loose = keys;
        listing.packs.sort_unstable_by(|one, other| (other.last, one).cmp(&(one.last, other)));
        // A store with late lists can name a key twice.
        listing.packs.dedup();
        listing
    }

    /// Adds a key. False if it is not a valid key of this kind.
    fn add(&mut self, kind: &str, key: &str) -> bool {
        match kind {
            "pack" => key.parse().map(|key| self.packs.push(key)).is_ok(),
            "erased" => key.parse().map(|key| self.erased.push(key)).is_ok(),
            "cutoff" => key.parse().map(|key| self.cutoffs.push(key)).is_ok(),
            keys::OLD_CUTOFF_KIND => key.parse().map(|key| self.old_cutoffs.push(key)).is_ok(),
            "index" => key.parse().map(|key| self.indexes.push(key)).is_ok(),
            "account" => key.parse().map(|key| self.accounts.push(key)).is_ok(),
            "setaside" => key.parse().map(|key| self.set_aside.push(key)).is_ok(),
            _ => key.parse().map(|key| self.forwards.push(key)).is_ok(),
        }
    }
}
