//! `/api`: what came in, as JSON, for who has a read token; and its removal, for who has an admin token.
//!
//! | resource | file |
//! |---|---|
//! | `/api/sessions`, `/api/sessions/{site}/{lsid}` | `sessions.rs` |
//! | `/api/events`, `/api/events/{id}` | `events.rs` |
//! | `/api/set-aside`, `/api/set-aside/{id}`, `/api/set-aside/{id}/retry` | `set_aside.rs` |
//! | `/api/destinations`, `/api/destinations/{name}/…` | `destinations.rs` |
//! | `/api/stats`, `/api/pack` | `stats.rs`, `pack.rs` |
//!
//! `resource.rs` reads paths, `answer.rs` decides who may ask and who answers, `query.rs` reads queries, `naming.rs` names what cannot be
//! read, `responses.rs` makes responses.
//!
//! What is read is [`crate::archive`]'s union of loose records and packs. What cannot be read is named in the answer.

mod answer;
mod destinations;
mod events;
mod naming;
mod pack;
mod query;
pub(super) mod resource;
mod responses;
mod sessions;
mod set_aside;
mod stats;
