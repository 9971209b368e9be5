//! The store and the settings of hosts that have `wasi:keyvalue` and `wasi:config`: the adapter's other half is `component.rs`.
//! It decides nothing.
//!
//! The versions are those that hosts have today, drafts both; another one is another `wit/`.
#![allow(unsafe_code, reason = "the macro makes the calls to the host with it")]

use std::cell::OnceCell;
use std::collections::BTreeSet;

use self::wit::wasi::config::store as config;
use self::wit::wasi::keyvalue::store as keyvalue;
use crate::settings::Variables;
use crate::store::{Store, StoreError};

mod wit {
    wit_bindgen::generate!({ path: "wit", world: "wasi", generate_all });
}

/// The host's store whose name the setting `bucket` is, opened when it is first asked for: who is refused costs no store.
pub struct HostStore<'a> {
    variables: &'a Variables<'a>,
    open: OnceCell<keyvalue::Bucket>,
}

impl<'a> HostStore<'a> {
    pub fn of(variables: &'a Variables<'a>) -> Self {
        Self { variables, open: OnceCell::new() }
    }

    fn bucket(&self) -> Result<&str, StoreError> {
        let bucket = self.variables.bucket().map_err(|error| StoreError::Denied(error.to_string()))?;
        Ok(bucket.as_str())
    }

    fn open(&self) -> Result<&keyvalue::Bucket, StoreError> {
        if let Some(open) = self.open.get() {
            return Ok(open);
        }
        let opened = keyvalue::open(self.bucket()?)?;
        Ok(self.open.get_or_init(|| opened))
    }
}

impl Store for HostStore<'_> {
    async fn exists(&self, key: &str) -> Result<bool, StoreError> {
        Ok(self.open()?.exists(key)?)
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.open()?.get(key)?)
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        Ok(self.open()?.set(key, value)?)
    }

    async fn delete(&self, key: &str) -> Result<(), StoreError> {
        Ok(self.open()?.delete(key)?)
    }

    /// A listing in pages may tell a key twice, where others write meanwhile.
    async fn get_keys(&self) -> Result<Vec<String>, StoreError> {
        let bucket = self.open()?;
        let mut page = bucket.list_keys(None)?;
        let Some(mut cursor) = page.cursor else { return Ok(page.keys) };
        let mut keys: BTreeSet<_> = page.keys.into_iter().collect();
        loop {
            page = bucket.list_keys(Some(cursor))?;
            keys.extend(page.keys);
            match page.cursor {
                Some(next) => cursor = next,
                None => return Ok(keys.into_iter().collect()),
            }
        }
    }
}

impl From<keyvalue::Error> for StoreError {
    /// WASI has a kind for neither a full store nor one that is away: both come as text.
    fn from(error: keyvalue::Error) -> Self {
        match error {
            keyvalue::Error::Other(words) => Self::of_words(words),
            keyvalue::Error::NoSuchStore => {
                Self::Denied("this host has no bucket of that name (the setting bucket)".to_owned())
            }
            keyvalue::Error::AccessDenied => Self::Denied("the component may not use the bucket".to_owned()),
        }
    }
}

/// A setting's value.
pub fn variable(name: &str) -> Result<Option<String>, String> {
    config::get(name).map_err(|error| match error {
        config::Error::Upstream(reason) | config::Error::Io(reason) => reason,
    })
}
