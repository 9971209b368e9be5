//! Forwarding: stored events are sent to *destinations*. At least once, in order, and never on the path of a POST.
//!
//! | step | file |
//! |---|---|
//! | the setting `destinations` | [`destination`] |
//! | which events are *pending* for a destination, and in which order | [`pending`] |
//! | *receipts*: which events it has | [`receipts`] |
//! | the same of all destinations, as compaction asks for it | [`backlogs`] |
//! | a *delivery run*: next item, deliver, record | [`run`] |
//! | its lease; its budget | `lease.rs`, `budget.rs` |
//! | one event -> its answer | `deliver.rs` |
//! | an event -> a request: CloudEvents, form, template, signed | [`request`], [`template`] |
//! | whether templates make valid requests of invented events, before anything is sent | [`trial`] |
//! | what the answer means, and when to try again | [`outcome`] |
//! | what to do about an event that jams its destination | `probe.rs` |
//! | retries of refused events, and replays | `resend.rs` |
//! | the stored state of a destination | [`state`] |
//! | the events that it refused | [`refused`] |
//! | pause, resume, replay, retry, skip | [`commands`] |
//! | its status, as the API and the page show it | [`status`] |
//!
//! An event is pending for a destination until a receipt names it. Only loose events can be pending: compaction packs what is pending for
//! nobody ([`crate::archive::compaction`]). So a crash anywhere repeats a delivery and loses none, and there is no cursor that a late
//! event could be behind. What may never happen, whatever runs at once and dies where (`tests/archive_model/`, `tests/forwarding_model/`):
//!
//! 1. A receipt names only what was answered 2xx or is not wanted by the filter. It is written after that.
//! 2. Nothing is packed that is pending for a destination, unless the destination is paused; then what it misses is in the store, and is
//!    sent by a *replay*.
//! 3. An event is not sent before one that came first and is pending too, but for the probe. A refused, skipped or unreadable event is
//!    passed over, and listed.
//! 4. An event is refused by the probe only if the receiver has accepted another one between its last two failures.
//! 5. Whatever becomes of an item, the run's budget is checked before the next one.

pub mod backlogs;
mod budget;
pub mod commands;
mod deliver;
pub mod destination;
mod lease;
pub mod outcome;
pub mod pending;
mod probe;
pub mod receipts;
pub mod refused;
pub mod request;
mod resend;
pub mod run;
pub mod state;
pub mod status;
pub mod template;
pub mod trial;

pub use lease::{give_back_leases, live_leases};
