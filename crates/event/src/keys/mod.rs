//! The only place where a storage key is made or read.
//!
//! Keys are portable: at most 252 bytes of `[A-Za-z0-9._-]`, which every key-value store that Spin has takes.
//! Sorted, the events of a site are in the order of their times, and a list of sessions needs keys alone.
//!
//! | key | holds |
//! |---|---|
//! | `event.<site>.<timestamp, 12 digits>.<lsid>.<event>.<id>` | a [`crate::record::Record`] |
//! | `setaside.<site>.<id>` | a [`crate::record::SetAside`] |
//! | `pack.<site>.<first time>.<last time>.<id>` | a pack (`archive/pack/`): many records, named by their hash |
//! | `erased.<site>.<lsid>.<milliseconds, 15 digits>` | a tombstone: the records of the session that its value lists are gone |
//! | `cutoff.<timestamp>.<microseconds, 18 digits>` | the events before that time that were recorded until then are gone |
//! | `horizon.<timestamp>` | the same as an earlier version wrote it: recorded until that time too |
//! | `index.sessions.<id>`, `index.events.<id>` | an index (`archive/index.rs`), made of packs and of nothing else |
//! | `lease.pass` | for how long nobody else needs to begin a pass |
//! | `retention.clock` | what retention knows of the time (`archive/retention.rs`) |
//! | `clock.faults` | which clocks were seen to be wrong (`clock_faults.rs`) |
//! | `sent.<destination>.<id>` | a receipt: which events that destination has (`forward/receipts.rs`) |
//! | `refused.<destination>.<event's id>` | that the destination refused the event, and how |
//! | `unreadable.<destination>.<event's id>` | that the record of the event is loose and cannot be read |
//! | `again.<destination>.<event's id>` | that what was refused is to be sent once more |
//! | `replay.<destination>.<from>.<to>` | that what is stored of that time is to be sent again, and how far that is |
//! | `paused.<destination>` | that nothing is sent and nothing pending, since when, and why |
//! | `round.<destination>` | how the destination does, and for how long nobody else needs to begin a round to it |
//!
//! | file | what lives there |
//! |---|---|
//! | `event_key.rs` | [`KeyParts`], an event's key taken apart; [`EventKey`], the same checked; [`OfSession`] |
//! | `spelling.rs` | how keys spell a time, an lsid and an event's name |
//! | `set_aside_key.rs`, `pack_key.rs`, `index_key.rs` | the keys of bodies that were set aside, of packs and of indexes |
//! | `removal_keys.rs` | tombstones, cutoffs and horizons |
//! | `forward_key.rs` | what forwarding keeps |
//! | `single_keys.rs` | the single keys of the archive, and which keys compaction writes |

mod event_key;
mod forward_key;
mod index_key;
mod pack_key;
mod removal_keys;
mod set_aside_key;
mod single_keys;
mod spelling;

pub use event_key::{EventKey, KeyParts, OfSession};
pub use forward_key::{ForwardKey, Forwards};
pub use index_key::{Finds, IndexKey};
pub use pack_key::PackKey;
pub use removal_keys::{CutoffKey, ErasedKey, HorizonKey};
pub use set_aside_key::SetAsideKey;
pub use single_keys::{CLOCK_FAULTS, LEASE, RETENTION_CLOCK, is_advisory, is_of_compaction};
pub use spelling::{NotAKey, lsid, read_lsid, read_timestamp, timestamp};
