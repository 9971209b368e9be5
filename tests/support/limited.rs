//! A store with the limits of all platforms.

use outbound_events::store::{Store, StoreError};

use super::memory::Memory;

/// A store with the strictest limits of all platforms: 1,024 keys (Fermyon Cloud) of 255 portable bytes (Cosmos DB,
/// Fermyon Cloud), and values of 400,000 bytes (DynamoDB).
#[derive(Default)]
pub struct Limited(pub Memory);

impl Store for Limited {
    async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        self.0.exists(key).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(key).await
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        let portable = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        assert!(key.len() <= 255 && key.bytes().all(portable), "{key} is not portable");
        assert!(value.len() <= 400_000, "{} bytes under {key}", value.len());
        if !self.0.exists(key).await? && self.0.values.borrow().len() >= 1024 {
            return Err(StoreError::Full("the limit of 1024 keys is reached".to_owned()));
        }
        self.0.set(key, value).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.0.delete(key).await
    }

    async fn get_keys(&self) -> Result<Vec<String>, StoreError> {
        self.0.get_keys().await
    }
}
