//! The part that `spin.rs` and `wasi.rs` share: the library's port to the store of the component's host. Wasm only.

/// Defines `HostStore`, the store that the setting `bucket` names. `$bucket` is the host's own type, with `exists`,
/// `get`, `set` and `delete`; `$open` opens one by name, and `$get_keys` lists its keys.
macro_rules! host_store {
    ($bucket:ty, $open:expr, $get_keys:expr) => {
        /// The host's store that the setting `bucket` names. It is opened on first use, so a refused request costs no
        /// store.
        pub struct HostStore<'a> {
            variables: &'a crate::settings::SettingVariables<'a>,
            open: std::cell::OnceCell<$bucket>,
        }

        impl<'a> HostStore<'a> {
            pub fn new(variables: &'a crate::settings::SettingVariables<'a>) -> Self {
                Self { variables, open: std::cell::OnceCell::new() }
            }

            fn open(&self) -> Result<&$bucket, StoreError> {
                if let Some(open) = self.open.get() {
                    return Ok(open);
                }
                let bucket = self.variables.bucket().map_err(|error| StoreError::Denied(error.to_string()))?;
                let opened = $open(bucket.as_str())?;
                Ok(self.open.get_or_init(|| opened))
            }
        }

        impl crate::store::Store for HostStore<'_> {
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
                Ok($get_keys(self.open()?)?)
            }
        }
    };
}

pub(crate) use host_store;
