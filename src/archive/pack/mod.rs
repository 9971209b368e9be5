//! A pack: many records of one site under one key. It is written once, named by the hash of what is in it, and never changed.
//!
//! Its value is two gzip members, one after the other, so that `gunzip` makes JSON lines of it:
//!
//! 1. the [`Head`], one line: what lists need of each session, and a short id of every event;
//! 2. the records, one a line, byte for byte as they were stored loose, in the order of their keys.
//!
//! What is read from a store may be anything. [`Pack::open`] and [`Pack::records`] name what is wrong with it.
//!
//! | file | what lives there |
//! |---|---|
//! | `entry.rs` | [`RecordEntry`]: a record on its way into a pack or out of one |
//! | `head.rs` | [`Head`], and how it is made of records |
//! | `read.rs` | [`Pack`], its [`Records`], and what may be wrong with them ([`PackFault`]) |
//! | `make.rs` | [`make_packs`]: records become packs |

mod entry;
mod head;
mod make;
mod read;

pub use entry::RecordEntry;
pub use head::{Head, summarise};
pub use make::{MAX_PACK_BYTES, MAX_PACK_EVENTS, MadePack, RecordEntries, make_packs};
pub use read::{Pack, PackFault, Records, is_named_by_its_hash};
