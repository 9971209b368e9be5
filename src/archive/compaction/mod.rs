//! The pass: what is loose is packed, small packs are merged, what is gone is dropped, indexes are made.
//!
//! Any number of passes may run at once, and each may die anywhere. What keeps that harmless is `replace.rs`: it writes packs,
//! reads them back, and only then deletes what they hold. Everything else here decides what to hand to it.
//!
//! A pass is bounded, and says whether anything remains. It runs after an answer ([`pass_if_due`]), when a store is found full
//! ([`make_room`]), and when it is asked for.

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
mod room;
mod run;
mod tiers;

pub(super) use clear::clear_session;
pub use cutoff::Cut;
pub(super) use cutoff::cut;
pub use pending::PendingDeliveries;
pub use policy::{Bound, Policy};
pub use report::Report;
pub use room::make_room;
pub use run::{Due, pass, pass_if_due};
