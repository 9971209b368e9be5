//! Forwarding by the real host to real receivers.
//!
//! | file | content |
//! |---|---|
//! | `desk.rs` | a destination for tests, and recipients that forward to it |
//! | `delivery.rs` | every event arrives signed, in order and once; a destination that hangs does not delay others |
//! | `framing.rs` | endless bodies, early hints, HTTP/1.0, resets: the status line decides |
//! | `answers.rs` | redirects, refused credentials, `Retry-After`, bodies in error messages |
//! | `poison.rs` | one event that the receiver cannot accept does not jam the destination |
//! | `connections.rs` | connections that the receiver closes |
//! | `kills.rs` | a host that is killed or stopped loses no event |
//! | `secrets.rs` | secrets are not shown |
//! | `commands.rs` | `appliance check-destinations` and `appliance receive` |
//! | `formats.rs` | each form of `auth` and each format, by `check-destinations` and by the host |
//! | `others.rs` | OpenTelemetry's own definitions, and a server of OAuth 2.0, in Python |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod answers;
mod commands;
mod connections;
mod delivery;
mod desk;
mod formats;
mod framing;
mod kills;
mod others;
mod poison;
mod secrets;
#[path = "../support/mod.rs"]
mod support;
