//! Forwarding, from a taken event to a request: what is pending, in which order, what each answer means, and what is done about it.
//!
//! | File | What is in it |
//! |---|---|
//! | `access.rs` | clients that pull, the scheduler's request, and permissions |
//! | `answers.rs` | what each answer means, what is shown of it, and how long it is waited for |
//! | `backlog.rs` | packing, replays, refused events and paused destinations |
//! | `delivery.rs` | from an event to a request, and what becomes of it |
//! | `jams.rs` | what no event, record or setting can jam |
//! | `recipient.rs` | a store with destinations, and a clock that can be set |

mod access;
mod answers;
mod backlog;
mod delivery;
mod jams;
mod recipient;
