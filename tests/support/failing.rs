//! A store with one call that fails.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use outbound_events::store::{Store, StoreError};

use super::memory::Memory;

/// The ways in which a call can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreFault {
    /// Nothing is done, and the store reports an error.
    Refused,
    /// The call is done, and the store reports an error.
    AnswerLost,
    /// Nothing is done, and the store does not answer.
    Hangs,
    /// The call is done, and the store does not answer.
    HangsWhenDone,
}

/// A store whose call number `at`, counted from 0, fails; all others succeed.
pub struct FailingStore {
    pub inner: Memory,
    fault: StoreFault,
    at: usize,
    calls: Cell<usize>,
}

impl FailingStore {
    pub fn new(values: BTreeMap<String, Vec<u8>>, fault: StoreFault, at: usize) -> Self {
        let inner = Memory { values: RefCell::new(values), calls: RefCell::default() };
        Self { inner, fault, at, calls: Cell::new(0) }
    }

    /// The number of calls.
    pub fn calls(&self) -> usize {
        self.calls.get()
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let number = self.calls.replace(self.calls.get() + 1);
        if number != self.at {
            return call.await;
        }
        if matches!(self.fault, StoreFault::AnswerLost | StoreFault::HangsWhenDone) {
            call.await?;
        }
        match self.fault {
            StoreFault::Refused | StoreFault::AnswerLost => Err(StoreError::Other("the disk is on fire".to_owned())),
            StoreFault::Hangs | StoreFault::HangsWhenDone => std::future::pending().await,
        }
    }
}

impl Store for FailingStore {
    async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        self.call(self.inner.exists(key)).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.call(self.inner.get(key)).await
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.call(self.inner.set(key, value)).await
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.call(self.inner.delete(key)).await
    }

    async fn get_keys(&self) -> Result<Vec<String>, StoreError> {
        self.call(self.inner.get_keys()).await
    }
}
