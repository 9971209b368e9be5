//! Forwarding, from a stored event to a request: pending events, their order, and the effect of each answer.
//!
//! | file | what it tests |
//! |---|---|
//! | `access.rs` | clients that pull, the scheduler's request, and permissions |
//! | `answers.rs` | the effect of each answer, the text that is shown of it, and the timeouts |
//! | `authentication.rs` | user names, tokens, and OAuth 2.0 |
//! | `backlog.rs` | packing, replays, refused events and paused destinations |
//! | `batches.rs` | requests with several events |
//! | `conditions.rs` | the condition `when` |
//! | `delivery.rs` | from an event to a request and its outcome |
//! | `formats.rs` | the formats for log systems, and the last attempts |
//! | `jams.rs` | events, records and settings that must not jam a destination |
//! | `recipient.rs` | the recipient of these tests |

mod access;
mod answers;
mod authentication;
mod backlog;
mod batches;
mod conditions;
mod delivery;
mod formats;
mod jams;
mod recipient;
