//! A store in which one call fails or hangs.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use outbound_events::store::{Store, StoreError};

use super::memory::Memory;

/// The fault of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not done, and answered with an error.
    Refused,
    /// Done, and answered with an error.
    AnswerLost,
    /// Not done, and never answered.
    Hangs,
    /// Done, and never answered.
    HangsWhenDone,
}

/// A store in which only call number `at`, counted from 0, has a fault.
pub struct Failing {
    pub inner: Memory,
    fault: Fault,
    at: usize,
    calls: Cell<usize>,
}

impl Failing {
    pub fn new(values: BTreeMap<String, Vec<u8>>, fault: Fault, at: usize) -> Self {
        let inner = Memory { values: RefCell::new(values), calls: RefCell::default() };
        Self { inner, fault, at, calls: Cell::new(0) }
    }

    /// Number of calls.
    pub fn calls(&self) -> usize {
        self.calls.get()
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let number = self.calls.replace(self.calls.get() + 1);
        if number != self.at {
            return call.await;
        }
        if matches!(self.fault, Fault::AnswerLost | Fault::HangsWhenDone) {
            call.await?;
        }
        match self.fault {
            Fault::Refused | Fault::AnswerLost => Err(StoreError::Other("the disk is on fire".to_owned())),
            Fault::Hangs | Fault::HangsWhenDone => std::future::pending().await,
        }
    }
}

impl Store for Failing {
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
