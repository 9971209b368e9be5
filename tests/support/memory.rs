//! A store in memory.

use std::cell::RefCell;
use std::collections::BTreeMap;

use outbound_events::store::{Store, StoreError};

/// A store in memory that records its calls.
#[derive(Default)]
pub struct Memory {
    pub values: RefCell<BTreeMap<String, Vec<u8>>>,
    pub calls: RefCell<Vec<&'static str>>,
}

impl Memory {
    pub fn keys(&self) -> Vec<String> {
        self.values.borrow().keys().cloned().collect()
    }

    pub fn json(&self, key: &str) -> serde_json::Value {
        serde_json::from_slice(&self.values.borrow()[key]).unwrap()
    }

    /// The only value. Panics if there are more.
    pub fn only(&self) -> serde_json::Value {
        let keys = self.keys();
        assert_eq!(keys.len(), 1, "{keys:?}");
        self.json(&keys[0])
    }
}

impl Store for Memory {
    async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        self.calls.borrow_mut().push("exists");
        Ok(self.values.borrow().contains_key(key))
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.calls.borrow_mut().push("get");
        Ok(self.values.borrow().get(key).cloned())
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.calls.borrow_mut().push("set");
        self.values.borrow_mut().insert(key.to_owned(), value.to_vec());
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.calls.borrow_mut().push("delete");
        self.values.borrow_mut().remove(key);
        Ok(())
    }

    async fn get_keys(&self) -> Result<Vec<String>, StoreError> {
        self.calls.borrow_mut().push("get_keys");
        Ok(self.keys())
    }
}
