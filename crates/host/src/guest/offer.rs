//! What a guest is offered besides WASI's proxy world: a store and settings, behind Spin's interfaces and behind WASI's, which are
//! one thing under two names. So either component runs here, and each finds what the other stored.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

use self::bindings::fermyon::spin::{key_value, variables};
use self::bindings::wasi::config::store as config;
use self::bindings::wasi::keyvalue::store as keyvalue;
use crate::store::{KeyValueStore, StoreError};

/// The interfaces, as `wit/world.wit` has them.
mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "host",
        // What only looks answers at once, and need not be made a future.
        imports: {
            "fermyon:spin/key-value.[method]store.set": async | trappable,
            "fermyon:spin/key-value.[method]store.delete": async | trappable,
            "fermyon:spin/key-value.[method]store.get-keys": async | trappable,
            "wasi:keyvalue/store.[method]bucket.set": async | trappable,
            "wasi:keyvalue/store.[method]bucket.delete": async | trappable,
            "wasi:keyvalue/store.[method]bucket.list-keys": async | trappable,
            default: trappable,
        },
        with: {
            "fermyon:spin/key-value.store": super::OpenStore,
            "wasi:keyvalue/store.bucket": super::OpenStore,
        },
    });
}

/// The one store that there is.
pub const BUCKET: &str = "default";

/// What a key costs a guest beside its own bytes: where it is, how long it is, and what its allocator adds.
const KEY_COST: usize = 28;

/// The store and the settings of one instance.
pub struct Offer {
    pub store: KeyValueStore,
    pub variables: Arc<HashMap<String, String>>,
    /// The most memory that a list of all keys may take in the guest.
    pub list_bytes: usize,
    /// Whether it has to wait before it lists very many keys.
    pub turn: Turn,
}

/// To list very many keys takes as much memory as all else together, here and in the guest. So it is done one after the other.
pub enum Turn {
    /// It takes no turn, and nobody waits until it is gone: only for the list itself, if that was asked for first.
    Nobodys,
    /// It waits for its turn.
    Waits(Arc<Semaphore>),
    /// It is its turn until it is gone.
    Its(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit),
}

/// How many keys are very many: a few megabytes.
const VERY_MANY: u64 = 20_000;

/// How long an instance waits for its turn: with the list itself and what is made of it, less than its time.
const TURN_TIMEOUT: Duration = Duration::from_secs(15);

/// An instance's offer, and what it has open of it.
pub struct OfferView<'a> {
    pub offer: &'a mut Offer,
    pub table: &'a mut ResourceTable,
}

/// A guest's handle on the store.
pub struct OpenStore;

struct HasOffer;

impl HasData for HasOffer {
    type Data<'a> = OfferView<'a>;
}

/// Offers it to all instances that are made with `linker`.
pub fn add_to_linker<T: Send>(linker: &mut Linker<T>, view: fn(&mut T) -> OfferView<'_>) -> wasmtime::Result<()> {
    key_value::add_to_linker::<_, HasOffer>(linker, view)?;
    variables::add_to_linker::<_, HasOffer>(linker, view)?;
    keyvalue::add_to_linker::<_, HasOffer>(linker, view)?;
    config::add_to_linker::<_, HasOffer>(linker, view)
}

impl Offer {
    /// A list of all keys, unless it is more than fits: that would trap the guest before it could say so.
    async fn keys(&mut self) -> Result<Vec<String>, String> {
        self.wait_for_its_turn().await?;
        let keys = self.store.get_keys().await.map_err(|error| error.to_string())?;
        let bytes: usize = keys.iter().map(|key| key.len() + KEY_COST).sum();
        if bytes > self.list_bytes {
            return Err(format!("its {} keys are more than an instance's memory holds", keys.len()));
        }
        Ok(keys)
    }

    async fn wait_for_its_turn(&mut self) -> Result<(), String> {
        let Turn::Waits(turns) = &self.turn else { return Ok(()) };
        let keys = self.store.count_between("", LAST, VERY_MANY).map_err(|error| error.to_string())?;
        if keys >= VERY_MANY {
            let its = timeout(TURN_TIMEOUT, Arc::clone(turns).acquire_owned()).await;
            let its =
                its.ok().and_then(Result::ok).ok_or("others list its very many keys, and none was done in time")?;
            self.turn = Turn::Its(its);
        }
        Ok(())
    }
}

/// After every key.
const LAST: &str = "\u{10ffff}";

/// What both interfaces ask of an open store, word for word the same. `$error` is the interface's own.
macro_rules! open_store {
    ($error:ty) => {
        fn get(&mut self, _: Resource<OpenStore>, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, $error>> {
            Ok(self.offer.store.get(&key).map_err(Into::into))
        }

        async fn set(
            &mut self,
            _: Resource<OpenStore>,
            key: String,
            value: Vec<u8>,
        ) -> wasmtime::Result<Result<(), $error>> {
            Ok(self.offer.store.set(key, value).await.map_err(Into::into))
        }

        async fn delete(&mut self, _: Resource<OpenStore>, key: String) -> wasmtime::Result<Result<(), $error>> {
            Ok(self.offer.store.delete(key).await.map_err(Into::into))
        }

        fn exists(&mut self, _: Resource<OpenStore>, key: String) -> wasmtime::Result<Result<bool, $error>> {
            Ok(self.offer.store.exists(&key).map_err(Into::into))
        }

        fn drop(&mut self, store: Resource<OpenStore>) -> wasmtime::Result<()> {
            self.table.delete(store)?;
            Ok(())
        }
    };
}

impl OfferView<'_> {
    /// The one store, or `no_such_store` under any other name.
    fn open_by_name<E>(&mut self, name: &str, no_such_store: E) -> wasmtime::Result<Result<Resource<OpenStore>, E>> {
        if name != BUCKET {
            return Ok(Err(no_such_store));
        }
        Ok(Ok(self.table.push(OpenStore)?))
    }
}

impl key_value::Host for OfferView<'_> {}

impl key_value::HostStore for OfferView<'_> {
    fn open(&mut self, label: String) -> wasmtime::Result<Result<Resource<OpenStore>, key_value::Error>> {
        self.open_by_name(&label, key_value::Error::NoSuchStore)
    }

    async fn get_keys(&mut self, _: Resource<OpenStore>) -> wasmtime::Result<Result<Vec<String>, key_value::Error>> {
        Ok(self.offer.keys().await.map_err(key_value::Error::Other))
    }

    open_store!(key_value::Error);
}

impl From<StoreError> for key_value::Error {
    fn from(error: StoreError) -> Self {
        Self::Other(error.to_string())
    }
}

impl variables::Host for OfferView<'_> {
    fn get(&mut self, name: String) -> wasmtime::Result<Result<String, variables::Error>> {
        let value = self.offer.variables.get(&name).cloned();
        Ok(value.ok_or(variables::Error::Undefined(name)))
    }
}

impl keyvalue::Host for OfferView<'_> {
    fn open(&mut self, identifier: String) -> wasmtime::Result<Result<Resource<OpenStore>, keyvalue::Error>> {
        self.open_by_name(&identifier, keyvalue::Error::NoSuchStore)
    }
}

impl keyvalue::HostBucket for OfferView<'_> {
    /// All of them on one page, as Spin's interface tells them.
    async fn list_keys(
        &mut self,
        _: Resource<OpenStore>,
        _cursor: Option<u64>,
    ) -> wasmtime::Result<Result<keyvalue::KeyResponse, keyvalue::Error>> {
        let keys = self.offer.keys().await.map_err(keyvalue::Error::Other);
        Ok(keys.map(|keys| keyvalue::KeyResponse { keys, cursor: None }))
    }

    open_store!(keyvalue::Error);
}

impl From<StoreError> for keyvalue::Error {
    fn from(error: StoreError) -> Self {
        Self::Other(error.to_string())
    }
}

impl config::Host for OfferView<'_> {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, config::Error>> {
        Ok(Ok(self.offer.variables.get(&key).cloned()))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, config::Error>> {
        Ok(Ok(self.offer.variables.iter().map(|(name, value)| (name.clone(), value.clone())).collect()))
    }
}
