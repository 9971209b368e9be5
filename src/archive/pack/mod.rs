//! A pack: many records of one site under one key. It is written once, named by the hash of its content, and never
//! changed.
//!
//! Its value is two gzip members, one after the other, so `gunzip` turns it into JSON lines:
//!
//! 1. the [`Head`], one line: what lists need of each session, and a short id of every event;
//! 2. the records, one a line, byte for byte as they were stored loose, in the order of their keys.
//!
//! A store can return any bytes. [`Pack::open`] and [`Pack::records`] check them and return the fault.
//!
//! | file | contents |
//! |---|---|
//! | `entry.rs` | [`RecordEntry`]: a record, its key and its recording time |
//! | `head.rs` | [`Head`], and how it is made from records |
//! | `read.rs` | [`Pack`], its [`Records`], and their faults ([`PackFault`]) |
//! | `make.rs` | [`make_packs`]: makes packs of records |

mod entry;
mod head;
mod make;
mod read;

pub use entry::RecordEntry;
pub use head::{Head, summarise};
pub use make::{MAX_PACK_BYTES, MAX_PACK_EVENTS, MadePack, RecordEntries, make_packs};
pub use read::{Pack, PackFault, Records, is_named_by_its_hash};
