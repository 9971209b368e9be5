//! Forwarding, from a stored event to a request: pending events, their order, and the effect of each answer.
//!
//! | file | what it tests |
//! |---|---|
//! | `access.rs` | clients that pull, the scheduler's request, and permissions |
//! | `answers.rs` | the effect of each answer, the text that is shown of it, and the timeouts |
//! | `backlog.rs` | packing, replays, refused events and paused destinations |
//! | `delivery.rs` | from an event to a request and its outcome |
//! | `jams.rs` | events, records and settings that must not jam a destination |
//! | `recipient.rs` | the recipient of these tests |

mod access;
mod answers;
mod backlog;
mod delivery;
mod jams;
mod recipient;
