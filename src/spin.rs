//! Spin's store and variables: the adapter's other half is `component.rs`. It decides nothing.

use std::cell::OnceCell;

use spin_sdk::{key_value, variables};

use crate::settings::Variables;
use crate::store::{Store, StoreError};

/// Spin's store whose label the setting `bucket` is, opened when it is first asked for: who is refused costs no store.
pub struct HostStore<'a> {
    variables: &'a Variables<'a>,
    open: OnceCell<key_value::Store>,
}

impl<'a> HostStore<'a> {
    pub fn of(variables: &'a Variables<'a>) -> Self {
        Self { variables, open: OnceCell::new() }
    }

    fn bucket(&self) -> Result<&str, StoreError> {
        let bucket = self.variables.bucket().map_err(|error| StoreError::Denied(error.to_string()))?;
        Ok(bucket.as_str())
    }

    fn open(&self) -> Result<&key_value::Store, StoreError> {
        if let Some(open) = self.open.get() {
            return Ok(open);
        }
        let opened = key_value::Store::open(self.bucket()?)?;
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

    async fn get_keys(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.open()?.get_keys()?)
    }
}

impl From<key_value::Error> for StoreError {
    /// Spin has a kind for neither a full store nor one that is away: both come as text.
    fn from(error: key_value::Error) -> Self {
        match error {
            key_value::Error::Other(words) => Self::of_words(words),
            key_value::Error::NoSuchStore => {
                Self::Denied("this platform has no store of that name (the setting bucket)".to_owned())
            }
            key_value::Error::AccessDenied => Self::Denied("the component may not use it (spin.toml)".to_owned()),
            // The table of open handles, not the store.
            key_value::Error::StoreTableFull => Self::Unavailable("too many stores are open".to_owned()),
        }
    }
}

/// A setting's value.
pub fn variable(name: &str) -> Result<Option<String>, String> {
    use variables::Error;
    match variables::get(name) {
        Ok(value) => Ok(Some(value)),
        Err(Error::Undefined(_)) => Ok(None),
        Err(Error::InvalidName(reason) | Error::Provider(reason) | Error::Other(reason)) => Err(reason),
    }
}
