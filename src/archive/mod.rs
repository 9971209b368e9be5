//! All that is stored, as one: loose records and packs (the words are git's).
//!
//! An event begins *loose*, one key a record, as the way of a POST leaves it. A *pass* ([`packing`]) puts many records into a
//! *pack* ([`pack`]), so that years of events take a thousand keys. What is stored is the union of both, by key; of two records
//! under one key the one that was recorded first counts; minus what was removed ([`removal`]), as *tombstones* and *cutoffs* tell
//! ([`covers`]). [`View`] is that union, and readers see nothing else: [`sessions`], [`events`]. What [`retention`] finds to have aged is
//! visible until a pass deletes it.
//!
//! What may never happen, whoever runs beside whom and dies where (`tests/archive_model.rs`):
//!
//! 1. Nothing is deleted before a pack that holds it was written and read back, by the one who deletes.
//! 2. Packs are never changed, and are named by what is in them. Merging writes new ones, then deletes old ones.
//! 3. Erasing writes its tombstone first. Packers drop what is covered. A tombstone goes only when passes have known it for a day and no
//!    pack holds anything of it: a pass that was under way may have written such a pack.
//! 4. Nothing that was taken is hidden or deleted because of what a clock says: removal covers what was found when it was asked for, and
//!    a single wrong reading makes nothing age.
//!
//! [`index`] finds the packs of a session or an event; it is made of packs, and may be lost.

pub mod check;
pub mod compaction;
pub mod covers;
mod delete;
pub mod events;
pub mod index;
mod listing;
pub mod pack;
pub mod removal;
pub mod retention;
pub mod sessions;
pub mod stats;
mod unreadable;
mod view;

pub use listing::Listing;
pub use unreadable::{Unreadable, is_of_session};
pub use view::{ReadError, View, read};
