//! The host's store, and this machine, as the library knows them: for what works on a store without a component in between.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use outbound_events::http_client::NoHttpClient;
use outbound_events::platform::Platform;
use outbound_events::store::{Store, StoreError};

use crate::store::error;
use crate::store::key_value::KeyValueStore;
use crate::store::snapshot::Snapshot;

/// The host's store behind the library's port. Cheap to clone; all clones are one store.
#[derive(Clone, Debug)]
pub struct NativeStore(pub KeyValueStore);

/// This machine, with a store and without outgoing requests.
#[derive(Clone, Debug)]
pub struct NativePlatform<S> {
    store: S,
    started: Instant,
}

impl<S> NativePlatform<S> {
    /// With this store.
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
        // Without randomness two leases may have one owner, and events are sent twice.
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

/// What is looked at is not changed.
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
    StoreError::Denied("it is only looked at".to_owned())
}

/// The host's error as the library has it. A component gets the words alone, and finds the same by them
/// (`StoreError::of_words`).
fn failed(error: error::StoreError) -> StoreError {
    let words = error.to_string();
    match error {
        error::StoreError::Full => StoreError::Full(words),
        error::StoreError::Moved(_) | error::StoreError::Slow(_) | error::StoreError::Closed => {
            StoreError::Unavailable(words)
        }
        error::StoreError::Open { .. }
        | error::StoreError::Backup { .. }
        | error::StoreError::Damaged(_)
        | error::StoreError::Sqlite(_) => StoreError::Other(words),
    }
}

#[cfg(test)]
mod tests {
    use super::{StoreError, error, failed};

    /// Over Spin's and WASI's interfaces an error is a text.
    #[test]
    fn a_component_finds_the_same_by_the_words_as_the_host_has_by_the_error() {
        let text = || "x".to_owned();
        let errors = [
            error::StoreError::Full,
            error::StoreError::Moved(text()),
            error::StoreError::Slow(5),
            error::StoreError::Closed,
            error::StoreError::Damaged(text()),
            error::StoreError::Sqlite("disk I/O error".to_owned()),
            error::StoreError::Open { path: text(), reason: text() },
        ];
        for error in errors {
            assert_eq!(StoreError::of_words(error.to_string()), failed(error));
        }
    }
}
