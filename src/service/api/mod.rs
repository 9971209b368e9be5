//! `/api`: what came in, as JSON, for clients with a read token; and its removal, for clients with an admin token. The backlog of a
//! destination and the deliveries that its client reports (`pending`, `sent`) need the destination's own secret instead.
//!
//! | resource | file |
//! |---|---|
//! | `/api/sessions`, `/api/sessions/{site}/{lsid}` | `sessions.rs` |
//! | `/api/events`, `/api/events/{id}` | `events.rs` |
//! | `/api/set-aside`, `/api/set-aside/{id}`, `/api/set-aside/{id}/retry` | `set_aside.rs` |
//! | `/api/destinations`, `/api/destinations/{name}/…` | `destinations.rs` |
//! | `/api/stats`, `/api/pack` | `stats.rs`, `pack.rs` |
//!
//! `resource.rs` reads paths, `dispatch.rs` checks the token and calls the resource's handler, `query.rs` reads queries, `naming.rs` names what cannot be
//! read, `responses.rs` makes responses.
//!
//! What is read is [`crate::archive`]'s union of loose records and packs. What cannot be read is named in the answer.

mod destinations;
mod dispatch;
mod events;
mod naming;
mod pack;
mod query;
pub(super) mod resource;
mod responses;
mod sessions;
mod set_aside;
mod stats;
