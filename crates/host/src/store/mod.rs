//! The key-value store: durable in SQLite, or in memory.
//!
//! | file | what lives there |
//! |---|---|
//! | `key_value` | [`KeyValueStore`], which the guest uses: either kind of store |
//! | `sqlite` | the store in SQLite: its threads, its readers, and who waits for what |
//! | `opening` | opens a file as a store: its table, the look for damage, a full disk |
//! | `lists` | the thread that lists all keys |
//! | `writer` | the thread that writes: one commit for all writes that wait |
//! | `reserve` | room on the disk that is kept for removal |
//! | `layout` | the label of the store in its table, the names of the files beside it, and how long a write waits for other processes |
//! | `opened_files` | whether the store's paths still lead to the files that were opened |
//! | `condition` | what is wrong with the files, for all who use them |
//! | [`snapshot`] | a store's file as it is at one moment, to be read only |
//! | [`mod@backup`] | a copy of a store's file, made while the host runs |
//! | [`lock`] | one host per store file |
//! | `permissions` | files that only their owner may read |
//! | [`port`] | the same store behind the library's port, for work that needs no component |
//! | [`error`] | what can be wrong with a store, and how errors are worded |

pub mod backup;
mod condition;
pub mod error;
mod key_value;
mod layout;
mod lists;
pub mod lock;
mod opened_files;
mod opening;
mod permissions;
pub mod port;
mod reserve;
pub mod snapshot;
mod sqlite;
mod writer;

pub use self::error::StoreError;
pub use self::key_value::KeyValueStore;
