//! Spin's store and variables. `component.rs` is the other half of the adapter. It decides nothing.

use spin_sdk::{key_value, variables};

use crate::host_store::host_store;
use crate::store::StoreError;

host_store!(key_value::Store, key_value::Store::open, key_value::Store::get_keys);

impl From<key_value::Error> for StoreError {
    /// Spin reports a full or unavailable store only as text.
    fn from(error: key_value::Error) -> Self {
        match error {
            key_value::Error::Other(words) => Self::of_words(words),
            key_value::Error::NoSuchStore => {
                Self::Denied("this platform has no store of that name (the setting bucket)".to_owned())
            }
            key_value::Error::AccessDenied => Self::Denied(
                "the component is not allowed to use it; add it to key_value_stores in spin.toml".to_owned(),
            ),
            // This is the table of open handles, not the store.
            key_value::Error::StoreTableFull => Self::Unavailable("too many stores are open".to_owned()),
        }
    }
}

/// The text of a setting.
pub fn variable(name: &str) -> Result<Option<String>, String> {
    use variables::Error;
    match variables::get(name) {
        Ok(value) => Ok(Some(value)),
        Err(Error::Undefined(_)) => Ok(None),
        Err(Error::InvalidName(reason) | Error::Provider(reason) | Error::Other(reason)) => Err(reason),
    }
}
