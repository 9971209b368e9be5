//! The store and the settings of hosts with `wasi:keyvalue` and `wasi:config`. `component.rs` is the other half of
//! the adapter. It decides nothing.
//!
//! Hosts have these versions today, which are drafts. For another version, change `wit/`.
#![allow(unsafe_code, reason = "the macro makes the calls to the host with it")]

use std::collections::BTreeSet;

use self::wit::wasi::config::store as config;
use self::wit::wasi::keyvalue::store as keyvalue;
use crate::host_store::host_store;
use crate::store::StoreError;

mod wit {
    wit_bindgen::generate!({ path: "wit", world: "wasi", generate_all });
}

host_store!(keyvalue::Bucket, keyvalue::open, all_keys);

/// Lists all keys. A listing in pages can contain a key twice if other writes happen meanwhile.
fn all_keys(bucket: &keyvalue::Bucket) -> Result<Vec<String>, keyvalue::Error> {
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

impl From<keyvalue::Error> for StoreError {
    /// WASI reports a full or unavailable store only as text.
    fn from(error: keyvalue::Error) -> Self {
        match error {
            keyvalue::Error::Other(words) => Self::of_words(words),
            keyvalue::Error::NoSuchStore => {
                Self::Denied("this host has no bucket of that name (the setting bucket)".to_owned())
            }
            keyvalue::Error::AccessDenied => Self::Denied("the component is not allowed to use the bucket".to_owned()),
        }
    }
}

/// The text of a setting.
pub fn variable(name: &str) -> Result<Option<String>, String> {
    config::get(name).map_err(|error| match error {
        config::Error::Upstream(reason) | config::Error::Io(reason) => reason,
    })
}
