//! All keys of a store, by what they are.

use crate::keys::{self, CutoffKey, ErasedKey, ForwardKey, HorizonKey, IndexKey, KeyParts, PackKey, SetAsideKey};
use crate::store::{Store, StoreError};

/// All keys of a store, by what they are.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The keys of loose records, in no order.
    pub loose: Vec<String>,
    /// The packs, the one that ends last first.
    pub packs: Vec<PackKey>,
    /// The tombstones.
    pub erased: Vec<ErasedKey>,
    /// The cutoffs.
    pub cutoffs: Vec<CutoffKey>,
    /// The cutoffs of an earlier version.
    pub old_cutoffs: Vec<HorizonKey>,
    /// The indexes.
    pub indexes: Vec<IndexKey>,
    /// The bodies that were set aside.
    pub set_aside: Vec<SetAsideKey>,
    /// What forwarding keeps.
    pub forwards: Vec<ForwardKey>,
    /// How many keys there are, whatever they are.
    pub keys: usize,
    /// How many of them are of no kind that is known here.
    pub others: usize,
}

impl Listing {
    /// Lists a store.
    pub async fn load(store: &impl Store) -> Result<Self, StoreError> {
        Ok(Self::new(store.get_keys().await?))
    }

    /// Sorts keys by what they are. There may be so many that there is no room for a second list of them.
    pub fn new(mut keys: Vec<String>) -> Self {
        let mut listing = Self { keys: keys.len(), ..Self::default() };
        keys.retain(|key| {
            let is_event = KeyParts::of(key).is_some();
            if !is_event && !keys::is_advisory(key) {
                let kind = key.split_once('.').map_or("", |(kind, _)| kind);
                listing.others += usize::from(!listing.add(kind, key));
            }
            is_event
        });
        listing.loose = keys;
        listing.packs.sort_unstable_by(|one, other| (other.last, one).cmp(&(one.last, other)));
        // A store that is late may name a key twice.
        listing.packs.dedup();
        listing
    }

    /// Whether it is a key of that kind.
    fn add(&mut self, kind: &str, key: &str) -> bool {
        match kind {
            "pack" => key.parse().map(|key| self.packs.push(key)).is_ok(),
            "erased" => key.parse().map(|key| self.erased.push(key)).is_ok(),
            "cutoff" => key.parse().map(|key| self.cutoffs.push(key)).is_ok(),
            "horizon" => key.parse().map(|key| self.old_cutoffs.push(key)).is_ok(),
            "index" => key.parse().map(|key| self.indexes.push(key)).is_ok(),
            "setaside" => key.parse().map(|key| self.set_aside.push(key)).is_ok(),
            _ => key.parse().map(|key| self.forwards.push(key)).is_ok(),
        }
    }
}
