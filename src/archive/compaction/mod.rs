//! Compaction. A pass packs what is loose, merges small packs, deletes what was removed or has aged, and makes indexes.
//!
//! Any number of passes may run at once, and each may die anywhere. `replace.rs` keeps that harmless: it writes packs, reads them back,
//! and only then deletes what they hold. Everything else decides what to hand to it.
//!
//! A pass is bounded, and says whether anything remains. It runs after an answer and on `/tick` ([`compact_if_due`]), when a store is
//! found full ([`make_room`]), and when it is asked for ([`compact`]).
//!
//! | file | what lives there |
//! |---|---|
//! | `run.rs` | [`compact`], [`compact_if_due`], and the order of a pass |
//! | `policy.rs`, `report.rs` | what decides what a pass does ([`Policy`]) and how far it goes ([`Bound`]); what it did ([`CompactionReport`]) |
//! | `lease.rs` | the lease of a pass, and how long passes rest after one |
//! | `pending.rs` | [`PendingDeliveries`]: what compaction asks forwarding |
//! | `pass.rs` | what a pass knows of the store: packs, heads, indexes; how it reads a pack |
//! | `loose.rs` | which loose records are packed, and which are repeats of packed ones |
//! | `merge.rs`, `tiers.rs` | which packs are merged |
//! | `replace.rs` | packs are written and read back, then what they replace is deleted |
//! | `rewrite.rs` | a pack is written again without what was removed or has aged |
//! | `clear.rs` | what tombstones and cutoffs cover is found, and handed to `drop.rs` and `rewrite.rs` |
//! | `cutoff.rs` | a cutoff is written, and what it covers is found and handed on likewise ([`CutoffOutcome`]) |
//! | `markers.rs` | how long tombstones and cutoffs stay |
//! | `aged.rs` | what is older than `retention_days` (`../retention.rs` tells) is found, and handed on likewise |
//! | `drop.rs` | loose records, bodies and whole packs that were removed or have aged are deleted |
//! | `indexes.rs` | indexes are made and merged |
//! | `room.rs` | [`make_room`] in a store that is full |
//!
//! What may delete data:
//!
//! - `replace.rs`: loose records and packs whose records stand in other packs by then, but for what was removed or has aged;
//! - `drop.rs`: what was removed or has aged.
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
