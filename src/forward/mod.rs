//! Forwarding: stored events are sent to *destinations*, at least once and in order. A POST never waits for it.
//!
//! | step | file |
//! |---|---|
//! | the setting `destinations` | [`destination`] |
//! | the events that are *pending* for a destination, in order | [`pending`] |
//! | *receipts*: the events that it has accepted | [`receipts`] |
//! | the backlogs of all destinations, for compaction | [`backlogs`] |
//! | a *delivery run*: next item, deliver, record | [`run`] |
//! | what became of a request; the pause after three days of failures | `recording.rs` |
//! | its lease; its budget | `lease.rs`, `budget.rs` |
//! | one event, or several -> the outcome | `deliver.rs` |
//! | requests with several events, and how one that is refused is narrowed | `batch.rs` |
//! | access tokens of OAuth 2.0 | [`access_token`] |
//! | events -> a signed request | [`request`] |
//! | its content: CloudEvents, form, lines, OpenTelemetry, Splunk, template | `content/`, [`template`] |
//! | the condition `when`; whether an event passes it; the session that it or a template asks for | [`condition`], [`wanted`], `timeline.rs` |
//! | a trial of templates and conditions on invented events, before anything is sent | [`trial`] |
//! | the meaning of the answer, and the wait before the next attempt | [`outcome`] |
//! | the probe for an event that jams its destination | `probe.rs` |
//! | retries of refused events, and replays | `resend.rs` |
//! | the stored state of a destination | [`state`] |
//! | the events that the destination refused | [`refused`] |
//! | pause, resume, replay, retry, skip | [`commands`] |
//! | the status of a destination, for the API and the page | [`status`] |
//!
//! An event is pending for a destination until a receipt or the list of refused events names it. Only loose events can be pending: compaction packs
//! only events that are pending for no destination ([`crate::archive::compaction`]). So a crash repeats a delivery
//! and loses none, and no cursor can miss an event that arrives late. Invariants, whatever runs at the same time and
//! wherever it dies (`tests/archive_model/`, `tests/forwarding_model/`):
//!
//! 1. A receipt names only events that were answered 2xx, that a destination which pulls has acknowledged, or that the
//!    filter excludes. It is written after that.
//! 2. No event is packed while it is pending for a destination, unless the destination is paused. An event that the
//!    destination missed that way stays in the store, and a *replay* sends it.
//! 3. An event is not sent before an earlier pending event, except by the probe or in one request with it. A refused,
//!    skipped or unreadable event is passed over, and listed.
//! 4. The probe refuses an event only if the receiver accepted another one between the last two failures of the first.
//! 5. A run checks its budget before every item, whatever the outcome of the one before.

pub mod access_token;
pub mod backlogs;
mod batch;
mod budget;
pub mod commands;
pub mod condition;
mod content;
mod deliver;
pub mod destination;
mod event_to_send;
mod lease;
pub mod outcome;
pub mod pending;
mod probe;
pub mod receipts;
mod recording;
pub mod refused;
pub mod request;
mod resend;
pub mod run;
pub mod state;
pub mod status;
pub mod template;
mod timeline;
pub mod trial;
pub mod wanted;

pub use lease::{give_back_leases, live_leases};
