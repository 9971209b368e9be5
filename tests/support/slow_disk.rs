//! A store with slow writes.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use outbound_events::store::{Store, StoreError};

use super::memory::Memory;
use super::platform::now;

/// A store whose writes each take the same time by its own clock, one after the other.
pub struct SlowDisk {
    pub inner: Memory,
    write: TimeDelta,
    spent: Cell<TimeDelta>,
}

impl SlowDisk {
    pub fn new(values: BTreeMap<String, Vec<u8>>, write: TimeDelta) -> Self {
        let inner = Memory { values: RefCell::new(values), calls: RefCell::default() };
        Self { inner, write, spent: Cell::new(TimeDelta::zero()) }
    }

    pub fn now(&self) -> DateTime<Utc> {
        now() + self.spent.get()
    }

    fn writes(&self) {
        self.spent.set(self.spent.get() + self.write);
    }
}

impl Store for SlowDisk {
    async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        self.inner.exists(key).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.get(key).await
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.writes();
        self.inner.set(key, value).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.writes();
        self.inner.delete(key).await
    }

    async fn get_keys(&self) -> Result<Vec<String>, StoreError> {
        self.inner.get_keys().await
    }
}
