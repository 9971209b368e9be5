//! Compaction packs loose records, merges small packs, deletes removed and aged records, and makes indexes. One bounded
//! run of it is a *pass*.
//!
//! Any number of passes can run at once, and each can die anywhere. `replace.rs` keeps that harmless: it writes packs,
//! reads them back, and only then deletes what they hold. Every other file decides what to give it.
//!
//! A pass is bounded, and reports whether work remains. It runs after an answer and on `/tick` ([`compact_if_due`]),
//! when a write finds the store full ([`make_room`]), and on request ([`compact`]).
//!
//! | file | contents |
//! |---|---|
//! | `run.rs` | [`compact`], [`compact_if_due`], and the steps of a pass |
//! | `policy.rs` | [`Policy`]: what a pass does; [`Bound`]: how far it goes |
//! | `report.rs` | [`CompactionReport`]: what a pass did |
//! | `lease.rs` | the lease of a pass, set once for its whole time, and how long compaction rests after it |
//! | `pending.rs` | [`PendingDeliveries`]: what compaction asks forwarding |
//! | `pass.rs` | what a pass knows of the store (packs, heads, indexes), and how it reads a pack |
//! | `loose.rs` | chooses the loose records to pack, and finds repeats of packed records |
//! | `merge.rs`, `tiers.rs` | choose the packs to merge |
//! | `replace.rs` | writes packs, reads them back, then deletes what they replace |
//! | `rewrite.rs` | writes a pack again without removed and aged records |
//! | `clear.rs` | finds what tombstones and cutoffs cover, for `drop.rs` and `rewrite.rs` |
//! | `cutoff.rs` | writes a cutoff, and finds what it covers ([`CutoffOutcome`]) |
//! | `markers.rs` | how long tombstones and cutoffs stay |
//! | `aged.rs` | finds what is older than `retention_days`, by the rules of `../retention.rs` |
//! | `drop.rs` | deletes loose records, bodies and whole packs that were removed or have aged |
//! | `indexes.rs` | makes and merges indexes |
//! | `room.rs` | [`make_room`] in a full store |
//!
//! Two files can delete data:
//!
//! - `replace.rs`: loose records and packs whose records are in other packs by then, except removed and aged records;
//! - `drop.rs`: removed and aged records.
//!
//! `indexes.rs`, `room.rs` and `lease.rs` delete only indexes and the lease, which can be made again.

mod aged;
mod clear;
mod cutoff;
mod drop;
mod indexes;
mod lease;
mod loose;
mod markers;
mod merge;
mod pass;
mod pending;
mod policy;
mod replace;
mod report;
mod rewrite;
mod room;
mod run;
mod tiers;

pub(super) use clear::clear_session;
pub use cutoff::CutoffOutcome;
pub(super) use cutoff::apply_cutoff;
pub use pending::PendingDeliveries;
pub use policy::{Bound, Policy};
pub use report::CompactionReport;
pub use room::{Room, make_room};
pub use run::{DueOutcome, compact, compact_if_due};
