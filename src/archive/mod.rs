//! All that is stored, as one: loose records and packs (the words are git's).
//!
//! An event begins *loose*, one key a record, as a POST leaves it. [`compaction`] puts many records into a *pack* ([`pack`]), so that
//! years of events take a thousand keys. What is stored is the union of both, by key. Of two records under one key the one that was
//! recorded first counts. What was removed ([`removal`]) is not part of it: *tombstones* and *cutoffs* tell ([`covers`]). [`View`] is that
//! union, and readers see nothing else. What has aged ([`retention`]) is visible until compaction deletes it.
//!
//! | file | what lives there |
//! |---|---|
//! | `listing.rs` | [`Listing`]: all keys of a store, by what they are |
//! | `whole_seconds.rs` | where records are divided between packs: between two seconds |
//! | `view.rs` | [`View`], the union; [`read_view`], which makes a new view where compaction runs beside the reader |
//! | `unreadable.rs` | [`Unreadable`]: a value that is not what its key says |
//! | `events.rs`, `sessions.rs`, `stats.rs` | what readers ask of a view: pages of events, lists of sessions, counts |
//! | `extent.rs` | the begin, the end and the number of events of one session |
//! | `pack/` | the format of packs |
//! | `index.rs` | which packs hold a session or an event; made of packs, may be lost |
//! | `covers.rs` | what tombstones and cutoffs cover |
//! | `removal.rs` | removal of a session, and of what is old |
//! | `retention.rs` | what has aged |
//! | `compaction/` | packing, merging, deleting, making indexes |
//! | `delete.rs` | many keys are deleted at once; only `compaction/` calls it |
//! | `check.rs` | every value of a store, held against what its key says |
//!
//! How data is removed. Files are in `compaction/` unless `../` stands before them; `../covers.rs` says what a marker covers.
//!
//! | why | finds the data | writes the marker | finds it again, later | deletes loose records | deletes from packs |
//! |---|---|---|---|---|---|
//! | a session is erased | `../removal.rs` | `../removal.rs`: a tombstone | `clear.rs` | `drop.rs` | `rewrite.rs`, `replace.rs` |
//! | removal by age | `cutoff.rs` | `cutoff.rs`: a cutoff | `clear.rs` | `drop.rs`, bodies too | `rewrite.rs`, `replace.rs` |
//! | `retention_days` | `aged.rs`, `../retention.rs` | - | - | `drop.rs`, bodies too | the same; whole packs `drop.rs` |
//! | a marker is done | `markers.rs` | - | - | `drop.rs`: the marker | - |
//!
//! `rewrite.rs` makes a pack again without what was removed or has aged; `replace.rs` writes it and deletes the old one.
//!
//! **What may delete data:** `compaction/replace.rs` (records that stand in another pack by then, and with an old pack what was removed or
//! has aged) and `compaction/drop.rs` (what was removed or has aged). Nothing else in the archive does. Indexes and the lease are deleted
//! elsewhere in `compaction/`: they can be made again.
//!
//! What may never happen, whoever runs beside whom and dies where (`tests/archive_model/`):
//!
//! 1. Nothing is deleted before a pack that holds it was written and read back, by the one who deletes.
//! 2. Packs are never changed, and are named by what is in them. Merging writes new ones, then deletes old ones.
//! 3. Erasing writes its tombstone first. Packers drop what is covered. A tombstone goes only when passes have known it for a day and no
//!    pack holds anything of it: a pass that was under way may have written such a pack.
//! 4. Nothing that was taken is hidden or deleted because of what a clock says: removal covers what was found when it was asked for, and
//!    a single wrong reading makes nothing age.
//!
//! Files here import each other by their own paths, never through this one.

pub mod check;
pub mod compaction;
pub mod covers;
mod delete;
pub mod events;
pub mod extent;
pub mod index;
mod listing;
pub mod pack;
pub mod removal;
pub mod retention;
pub mod sessions;
pub mod stats;
mod unreadable;
mod view;
mod whole_seconds;

pub use listing::Listing;
pub use unreadable::{Unreadable, is_of_session};
pub use view::{ReadError, View, read_view};
