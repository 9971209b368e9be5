//! The emulated appliance's own APIs: tokens, reports, and their faults.
//!
//! | file | content |
//! |---|---|
//! | `client.rs` | a client of the APIs, over a socket or without one |
//! | `xml.rs` | answers as trees, by a parser that is not ours |
//! | `tokens.rs` | tokens expire, at most 30 are valid, and wrong credentials get none |
//! | `queries.rs` | the two reports, their times, and errors inside a 200 |
//! | `content.rs` | a report agrees with the events of its session |
//! | `faults.rs` | lag, 429, a wrong clock, answers that break off, listings that lie |
//! | `commands.rs` | `--api` and `--drop-events` of `appliance send` and `appliance run` |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod client;
mod commands;
mod content;
mod faults;
mod queries;
#[path = "../support/mod.rs"]
mod support;
mod tokens;
mod xml;
