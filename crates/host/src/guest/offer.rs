//! The imports beyond WASI's proxy world: the store and the settings, behind Spin's and WASI's interfaces. Both reach
//! the same data, so each of the two components runs here and finds what the other stored.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

use self::bindings::fermyon::spin::{key_value, variables};
use self::bindings::wasi::config::store as config;
use self::bindings::wasi::keyvalue::store as keyvalue;
use crate::store::{HostStoreError, KeyValueStore};

/// The interfaces in `wit/world.wit`.
mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "host",
        // Reads return at once and need no future. Calls are traced like those of WASI's interfaces.
        imports: {
            "fermyon:spin/key-value.[method]store.set": async | tracing | trappable,
            "fermyon:spin/key-value.[method]store.delete": async | tracing | trappable,
            "fermyon:spin/key-value.[method]store.get-keys": async | tracing | trappable,
            "wasi:keyvalue/store.[method]bucket.set": async | tracing | trappable,
            "wasi:keyvalue/store.[method]bucket.delete": async | tracing | trappable,
            "wasi:keyvalue/store.[method]bucket.list-keys": async | tracing | trappable,
            default: tracing | trappable,
        },
        with: {
            "fermyon:spin/key-value.store": super::OpenStore,
            "wasi:keyvalue/store.bucket": super::OpenStore,
        },
    });
}

/// The name of the only store.
pub const BUCKET: &str = "default";

/// The memory that a key needs in a guest besides its bytes: pointer, length, and overhead of the allocator.
const KEY_COST: usize = 28;

/// The store and the settings of one instance.
pub struct Offer {
    pub store: KeyValueStore,
    pub variables: Arc<HashMap<String, String>>,
    /// The most memory in bytes that a list of all keys can take in the guest.
    pub list_bytes: usize,
    pub turn: ListTurn,
    /// The bytes of the keys, values and settings that have passed between the instance and its host.
    pub moved_bytes: u64,
}

/// Whether an instance waits before it lists a large number of keys. Such a list takes as much memory as everything
/// else together, in the host and in the guest, so only one instance at a time has one.
pub enum ListTurn {
    /// The instance does not wait for others, and others do not wait for it.
    Exempt,
    /// The instance waits for the permit when it lists.
    Waiting(Arc<Semaphore>),
    /// The instance holds the permit until it is dropped.
    Held(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit),
}

/// From this number of keys on, a list is made in turn. It takes a few megabytes.
const VERY_MANY: u64 = 20_000;

/// How long an instance waits for its turn. With the list and the work on it, this is less than the instance's time
/// limit.
const TURN_TIMEOUT: Duration = Duration::from_secs(15);

/// The offer of an instance, and the table of its open handles.
pub struct OfferView<'a> {
    pub offer: &'a mut Offer,
    pub table: &'a mut ResourceTable,
}

/// A guest's handle of the store.
pub struct OpenStore;

struct HasOffer;

impl HasData for HasOffer {
    type Data<'a> = OfferView<'a>;
}

/// Adds the imports to `linker`.
pub fn add_to_linker<T: Send>(linker: &mut Linker<T>, view: fn(&mut T) -> OfferView<'_>) -> wasmtime::Result<()> {
    key_value::add_to_linker::<_, HasOffer>(linker, view)?;
    variables::add_to_linker::<_, HasOffer>(linker, view)?;
    keyvalue::add_to_linker::<_, HasOffer>(linker, view)?;
    config::add_to_linker::<_, HasOffer>(linker, view)
}

impl Offer {
    fn moved(&mut self, bytes: usize) {
        self.moved_bytes = self.moved_bytes.saturating_add(bytes as u64);
    }

    fn variable(&mut self, name: &str) -> Option<String> {
        let value = self.variables.get(name).cloned();
        self.moved(name.len() + value.as_ref().map_or(0, String::len));
        value
    }

    /// A list of all keys. An error if the list exceeds the guest's memory: it would trap before it could report that.
    async fn keys(&mut self) -> Result<Vec<String>, String> {
        self.wait_for_turn().await?;
        let keys = self.store.get_keys().await.map_err(|error| error.to_string())?;
        let bytes: usize = keys.iter().map(|key| key.len() + KEY_COST).sum();
        self.moved(keys.iter().map(String::len).sum());
        if bytes > self.list_bytes {
            return Err(format!("the list of its {} keys exceeds the memory of an instance", keys.len()));
        }
        Ok(keys)
    }

    async fn wait_for_turn(&mut self) -> Result<(), String> {
        let ListTurn::Waiting(turns) = &self.turn else { return Ok(()) };
        let keys = self.store.count_between("", LAST, VERY_MANY).map_err(|error| error.to_string())?;
        if keys >= VERY_MANY {
            let permit = timeout(TURN_TIMEOUT, Arc::clone(turns).acquire_owned()).await;
            let permit = permit.ok().and_then(Result::ok);
            let permit = permit.ok_or("timed out waiting for other listings of this store to finish")?;
            self.turn = ListTurn::Held(permit);
        }
        Ok(())
    }
}

/// Sorts after every key.
const LAST: &str = "\u{10ffff}";

/// The functions of an open store, which are identical in both interfaces. `$error` is the interface's error type.
macro_rules! open_store {
    ($error:ty) => {
        fn get(&mut self, _: Resource<OpenStore>, key: String) -> wasmtime::Result<Result<Option<Vec<u8>>, $error>> {
            let value = self.offer.store.get(&key);
            self.offer.moved(key.len() + value.as_ref().ok().and_then(Option::as_ref).map_or(0, Vec::len));
            Ok(value.map_err(Into::into))
        }

        async fn set(
            &mut self,
            _: Resource<OpenStore>,
            key: String,
            value: Vec<u8>,
        ) -> wasmtime::Result<Result<(), $error>> {
            self.offer.moved(key.len() + value.len());
            Ok(self.offer.store.set(key, value).await.map_err(Into::into))
        }

        async fn delete(&mut self, _: Resource<OpenStore>, key: String) -> wasmtime::Result<Result<(), $error>> {
            self.offer.moved(key.len());
            Ok(self.offer.store.delete(key).await.map_err(Into::into))
        }

        fn exists(&mut self, _: Resource<OpenStore>, key: String) -> wasmtime::Result<Result<bool, $error>> {
            self.offer.moved(key.len());
            Ok(self.offer.store.exists(&key).map_err(Into::into))
        }

        fn drop(&mut self, store: Resource<OpenStore>) -> wasmtime::Result<()> {
            self.table.delete(store)?;
            Ok(())
        }
    };
}

impl OfferView<'_> {
    /// Opens the only store; `no_such_store` for any other name.
    fn open_by_name<E>(&mut self, name: &str, no_such_store: E) -> wasmtime::Result<Result<Resource<OpenStore>, E>> {
        self.offer.moved(name.len());
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

impl From<HostStoreError> for key_value::Error {
    fn from(error: HostStoreError) -> Self {
        Self::Other(error.to_string())
    }
}

impl variables::Host for OfferView<'_> {
    fn get(&mut self, name: String) -> wasmtime::Result<Result<String, variables::Error>> {
        let value = self.offer.variable(&name);
        Ok(value.ok_or(variables::Error::Undefined(name)))
    }
}

impl keyvalue::Host for OfferView<'_> {
    fn open(&mut self, identifier: String) -> wasmtime::Result<Result<Resource<OpenStore>, keyvalue::Error>> {
        self.open_by_name(&identifier, keyvalue::Error::NoSuchStore)
    }
}

impl keyvalue::HostBucket for OfferView<'_> {
    /// All keys on one page, as in Spin's interface.
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

impl From<HostStoreError> for keyvalue::Error {
    fn from(error: HostStoreError) -> Self {
        Self::Other(error.to_string())
    }
}

impl config::Host for OfferView<'_> {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, config::Error>> {
        Ok(Ok(self.offer.variable(&key)))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, config::Error>> {
        let all: Vec<_> = self.offer.variables.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        self.offer.moved(all.iter().map(|(name, value)| name.len() + value.len()).sum());
        Ok(Ok(all))
    }
}
