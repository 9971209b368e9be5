//! Everything that is stored, read as one: loose records and packs (the words are git's).
//!
//! An event begins *loose*: one key for each record, as the POST wrote it. [`compaction`] moves many records into a
//! *pack* ([`pack`]), so years of events need about a thousand keys. A reader sees the union of both, by key
//! ([`View`]). Of two records under one key, the one recorded first counts. *Tombstones* and *cutoffs* ([`covers`])
//! hide what was removed ([`removal`]). Records past their retention ([`retention`]) stay visible until compaction
//! deletes them.
//!
//! | file | contents |
//! |---|---|
//! | `listing.rs` | [`Listing`]: all keys of a store, sorted by kind |
//! | `whole_seconds.rs` | divides records between packs at the border of a second |
//! | `view.rs` | [`View`], the union; [`read_view`], which retries with a new view while compaction moves records; [`list_visible`], for forwarding |
//! | `account.rs` | [`account::Account`]: what reconciliation knows of a site |
//! | `reported.rs`, `unannounced.rs` | which sessions have reports; which of these were never announced |
//! | `unreadable.rs` | [`Unreadable`]: a value that does not match its key |
//! | `events.rs`, `sessions.rs`, `stats.rs` | what readers ask of a view: pages of events, lists of sessions, counts |
//! | `statistics/`, `now.rs` | what a support desk asks: figures of many sessions by group; what is open now |
//! | `sessions_query.rs`, `session_scan.rs` | what a list of sessions is asked for; which packs it reads next |
//! | `known_packs.rs` | which packs must be read to count each event once |
//! | `extent.rs` | begin, end and number of events of one session |
//! | `pack/` | the format of packs |
//! | `index/` | finds the packs that hold a session, an event or an external key; has figures of sessions; made from packs, can be lost |
//! | `covers.rs` | what tombstones and cutoffs cover |
//! | `removal.rs` | erases a session, and removes old events |
//! | `retention.rs` | which records are past `retention_days` |
//! | `compaction/` | packs, merges, deletes, makes indexes |
//! | `delete.rs` | deletes many keys at once; only `compaction/` calls it |
//! | `check.rs` | compares every value of a store with its key |
//!
//! How data is removed. Files are in `compaction/` unless `../` precedes them; `../covers.rs` says what a marker
//! covers.
//!
//! | reason | finds the data | writes the marker | finds it again, later | deletes loose records | deletes from packs |
//! |---|---|---|---|---|---|
//! | a session is erased | `../removal.rs` | `../removal.rs`: a tombstone | `clear.rs` | `drop.rs` | `rewrite.rs`, `replace.rs` |
//! | removal by age | `cutoff.rs` | `cutoff.rs`: a cutoff | `clear.rs` | `drop.rs`, bodies too | `rewrite.rs`, `replace.rs` |
//! | `retention_days` | `aged.rs`, `../retention.rs` | - | - | `drop.rs`, bodies too | the same; whole packs `drop.rs` |
//! | a marker is done | `markers.rs` | - | - | `drop.rs`: the marker | - |
//!
//! `rewrite.rs` writes a pack again without removed and aged records; `replace.rs` then deletes the old pack.
//!
//! **Two files can delete data:** `compaction/replace.rs` (records that another pack holds by then, and with an old
//! pack its removed and aged records) and `compaction/drop.rs` (removed and aged records). Other files of `compaction/`
//! delete only indexes and the lease, which can be made again.
//!
//! Invariants, whichever passes run at once and wherever one dies (`tests/archive_model/`):
//!
//! 1. A pass deletes a record only after it has written the pack that holds it, or found it, and read that pack back
//!    itself.
//! 2. Packs never change, and the hash of their content names them. Merging writes new packs, then deletes the old
//!    ones.
//! 3. Erasing writes its tombstone first. Packing leaves out what a tombstone covers. A tombstone is deleted when
//!    passes have known it for a day and no pack holds anything it covers: a pass that was already running can write
//!    such a pack.
//! 4. A clock alone never hides or deletes an accepted event: removal covers what was found when it was requested, and
//!    one wrong reading makes nothing age.
//!
//! Files here import each other by their own paths, never through this one.

pub mod account;
pub mod check;
pub mod compaction;
pub mod covers;
mod delete;
pub mod events;
pub mod extent;
pub mod index;
mod known_packs;
mod listing;
pub mod now;
pub mod pack;
pub mod removal;
pub mod reported;
pub mod retention;
mod session_scan;
pub mod sessions;
mod sessions_query;
pub mod statistics;
pub mod stats;
pub mod unannounced;
mod unreadable;
mod view;
mod whole_seconds;

pub use listing::Listing;
pub use unreadable::{Unreadable, is_of_session};
pub use view::{ReadError, View, list_visible, read_view};
