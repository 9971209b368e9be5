//! The key-value store: durable in SQLite, or in memory.
//!
//! | file | what lives there |
//! |---|---|
//! | `key_value` | [`KeyValueStore`], which the guest uses: either kind of store |
//! | `sqlite` | the store in SQLite: its threads and connections |
//! | `opening` | opens a file as a store: its table, the check for damage, a full disk |
//! | `lists` | the thread that lists all keys |
//! | `writer` | the thread that writes: one commit for all waiting writes |
//! | `reserve` | reserved room on the disk for removal |
//! | `layout` | the label of the store, the names of the files beside it, and a timeout |
//! | `opened_files` | whether the store's paths still name the files that were opened |
//! | `condition` | faults of the files, shared by everything that uses them |
//! | [`snapshot`] | a read-only view of a store file at one moment |
//! | [`mod@backup`] | copies a store file while the host runs |
//! | [`lock`] | one host per store file |
//! | `permissions` | files that only their owner can read |
//! | [`port`] | the store behind the library's port, for work without a component |
//! | [`error`] | errors of a store and their texts |

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

pub use self::error::HostStoreError;
pub use self::key_value::KeyValueStore;
