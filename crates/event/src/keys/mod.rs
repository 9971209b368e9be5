//! The only place where storage keys are written and parsed.
//!
//! Keys are portable: at most 252 bytes of `[A-Za-z0-9._-]`, which every key-value store of Spin accepts. Sorted, the
//! events of a site are in the order of their times. A list of sessions needs keys alone.
//!
//! | key | holds |
//! |---|---|
//! | `event.<site>.<timestamp, 12 digits>.<lsid>.<event>.<id>` | a [`crate::record::Record`] |
//! | `setaside.<site>.<id>` | a [`crate::set_aside::SetAside`] |
//! | `pack.<site>.<first time>.<last time>.<id>` | a pack (`archive/pack/`): many records, named by their hash |
//! | `erased.<site>.<lsid>.<milliseconds, 15 digits>` | a tombstone: lists the removed records of a session |
//! | `cutoff.<timestamp>.<microseconds, 18 digits>` | hides events before the first time recorded until the second |
//! | [`OldCutoffKey`] | a cutoff of an earlier version, with one time for both |
//! | `index.sessions.<id>`, `index.events.<id>` | an index (`archive/index.rs`), made of packs alone |
//! | `lease.pass` | compaction's lease |
//! | `retention.clock` | retention's view of the time (`archive/retention.rs`) |
//! | `clock.faults` | the clocks that were seen to be wrong (`clock_faults.rs`) |
//! | `sent.<destination>.<id>` | a receipt: events that the destination has (`forward/receipts.rs`) |
//! | `refused.<destination>.<event's id>` | the destination's refusal of the event |
//! | `unreadable.<destination>.<event's id>` | the loose record of the event is unreadable |
//! | `again.<destination>.<event's id>` | a refused event that will be sent once more |
//! | `replay.<destination>.<from>.<to>` | a range of events that will be sent again, and its progress |
//! | `account.<site>` | what reconciliation knows of the site (`archive/account.rs`) |
//! | `paused.<destination>` | the destination is paused: since when, and why |
//! | `round.<destination>` | the state of the destination, and the lease of its delivery run |
//!
//! | file | what lives there |
//! |---|---|
//! | `event_key.rs` | [`KeyParts`], an event's key, split; [`EventKey`], the same checked; [`SessionKeys`] |
//! | `account_key.rs` | the key of reconciliation |
//! | `spelling.rs` | how keys spell a time, an lsid and an event's name |
//! | `set_aside_key.rs`, `pack_key.rs`, `index_key.rs` | the keys of bodies that were set aside, of packs and of indexes |
//! | `removal_keys.rs` | tombstones and cutoffs |
//! | `forward_key.rs` | the keys of forwarding |
//! | `single_keys.rs` | the single keys of the archive, and which keys compaction writes |

mod account_key;
mod event_key;
mod forward_key;
mod index_key;
mod pack_key;
mod removal_keys;
mod set_aside_key;
mod single_keys;
mod spelling;

pub use account_key::AccountKey;
pub use event_key::{EventKey, KeyParts, SessionKeys};
pub use forward_key::{ForwardKey, Forwards};
pub use index_key::{Finds, IndexKey};
pub use pack_key::PackKey;
pub use removal_keys::{CutoffKey, ErasedKey, OLD_CUTOFF_KIND, OldCutoffKey};
pub use set_aside_key::SetAsideKey;
pub use single_keys::{CLOCK_FAULTS, LEASE, RETENTION_CLOCK, is_advisory, is_of_compaction};
pub use spelling::{NotAKey, lsid, read_lsid, read_timestamp, timestamp};
