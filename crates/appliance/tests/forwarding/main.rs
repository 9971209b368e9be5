//! Forwarding by the real host, to real receivers.
//!
//! | file | what is in it |
//! |---|---|
//! | `desk.rs` | a receiver, and a recipient that forwards to it |
//! | `delivery.rs` | everything arrives, signed, in order and once; a destination that hangs holds up no other |
//! | `framing.rs` | bodies without an end, early hints, HTTP/1.0, resets: the status line decides |
//! | `answers.rs` | what each answer means: redirects, refused credentials, `Retry-After`, bodies that say why |
//! | `poison.rs` | one event that the receiver cannot take jams nothing |
//! | `connections.rs` | connections that the receiver closes |
//! | `kills.rs` | a host that dies or is stopped loses nothing |
//! | `secrets.rs` | nothing secret is told |
//! | `commands.rs` | `appliance check-destinations` and `appliance receive` |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod answers;
mod commands;
mod connections;
mod delivery;
mod desk;
mod framing;
mod kills;
mod poison;
mod secrets;
#[path = "../support/mod.rs"]
mod support;
