//! `/api`: stored sessions and events as JSON, for clients with a read token; their removal, for clients with an
//! admin token. The `pending` and `sent` of a destination require the destination's own secret instead.
//!
//! | resource | file |
//! |---|---|
//! | `/api/sessions`, `/api/sessions/{site}/{lsid}` | `sessions.rs` |
//! | `/api/events`, `/api/events/{id}` | `events.rs` |
//! | `/api/set-aside`, `/api/set-aside/{id}`, `/api/set-aside/{id}/retry` | `set_aside.rs` |
//! | `/api/destinations`, `/api/destinations/{name}/…` | `destinations.rs` |
//! | `/api/appliances`, `/api/appliances/{site}/check` | `appliances.rs` |
//! | `/api/statistics`, `/api/now` | `statistics.rs` |
//! | `/api/stats`, `/api/pack` | `stats.rs`, `pack.rs` |
//!
//! `resource.rs` parses paths, `dispatch.rs` checks the token and calls the handler, `query.rs` parses queries,
//! `naming.rs` finds a session's id in bodies, `responses.rs` makes responses.
//!
//! All reads go through [`crate::archive`], the union of loose records and packs. The answers name unreadable values.

mod appliances;
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
mod statistics;
mod stats;
