//! The host's store and this machine behind the library's ports, for work on a store without a component.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use outbound_events::http_client::NoHttpClient;
use outbound_events::platform::Platform;
use outbound_events::store::{Store, StoreError};

use crate::store::error::HostStoreError;
use crate::store::key_value::KeyValueStore;
use crate::store::snapshot::Snapshot;

/// The host's store behind the library's port. Cheap to clone; all clones share it.
#[derive(Clone, Debug)]
pub struct NativeStore(pub KeyValueStore);

/// This machine, with a store and without outgoing requests.
#[derive(Clone, Debug)]
pub struct NativePlatform<S> {
    store: S,
    started: Instant,
}

impl<S> NativePlatform<S> {
    /// A platform with this store.
    pub fn new(store: S) -> Self {
        Self { store, started: Instant::now() }
    }
}

impl<S: Store> Platform for NativePlatform<S> {
    type Store = S;
    type HttpClient = NoHttpClient;

    fn store(&self) -> &S {
        &self.store
    }

    fn http_client(&self) -> &NoHttpClient {
        &NoHttpClient
    }

    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn random(&self) -> u64 {
        // Without randomness, two leases can have the same owner, and events are sent twice.
        getrandom::u64().unwrap_or_default()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Store for NativeStore {
    async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        self.0.exists(key).map_err(failed)
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(key).map_err(failed)
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.0.set(key.to_owned(), value.to_vec()).await.map_err(failed)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.0.delete(key.to_owned()).await.map_err(failed)
    }

    async fn get_keys(&self) -> Result<Vec<String>, StoreError> {
        self.0.get_keys().await.map_err(failed)
    }
}

/// A snapshot refuses writes.
impl Store for Snapshot {
    async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        self.exists(key).map_err(failed)
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.get(key).map_err(failed)
    }

    async fn set(&self, _key: &str, _value: &[u8]) -> Result<(), StoreError> {
        Err(read_only())
    }

    async fn delete(&self, _key: &str) -> Result<(), StoreError> {
        Err(read_only())
    }

    async fn get_keys(&self) -> Result<Vec<String>, StoreError> {
        self.get_keys().map_err(failed)
    }
}

fn read_only() -> StoreError {
    StoreError::Denied("a snapshot is read-only".to_owned())
}

/// Converts the host's error to the library's. A component gets only the text and derives the same error from it
/// (`StoreError::of_words`).
fn failed(error: HostStoreError) -> StoreError {
    let words = error.to_string();
    match error {
        HostStoreError::Full => StoreError::Full(words),
        HostStoreError::Moved(_) | HostStoreError::Slow(_) | HostStoreError::Closed => StoreError::Unavailable(words),
        HostStoreError::Open { .. }
        | HostStoreError::Backup { .. }
        | HostStoreError::Damaged(_)
        | HostStoreError::Sqlite(_) => StoreError::Other(words),
    }
}

#[cfg(test)]
mod tests {
    use super::{HostStoreError, StoreError, failed};

    /// Over Spin's and WASI's interfaces, an error is text.
    #[test]
    fn a_component_derives_the_same_error_from_the_text_as_the_host() {
        let text = || "x".to_owned();
        let errors = [
            HostStoreError::Full,
            HostStoreError::Moved(text()),
            HostStoreError::Slow(5),
            HostStoreError::Closed,
            HostStoreError::Damaged(text()),
            HostStoreError::Sqlite("disk I/O error".to_owned()),
            HostStoreError::Open { path: text(), reason: text() },
        ];
        for error in errors {
            assert_eq!(StoreError::of_words(error.to_string()), failed(error));
        }
    }
}
