//! Forwarding: what was taken is pushed on to *destinations*. At least once, in order, and never on the way of a POST.
//!
//! | step | file |
//! |---|---|
//! | the setting `destinations` | [`destination`] |
//! | which events a destination is *owed*, and the receipts for what it has got | [`owed`] |
//! | the same of all destinations, as compaction asks for it | [`backlogs`] |
//! | a *round*: what is owed is sent, oldest first | [`round`] |
//! | an event -> a request: CloudEvents, form, template, signed | [`format`](mod@format), [`template`] |
//! | whether templates make valid requests of invented events, before anything is sent | [`trial`] |
//! | what became of it, and when to try again | [`outcome`] |
//! | how destinations do; pausing, sending again | [`standing`] |
//!
//! An event is owed to a destination until a receipt names it. Only loose events can be owed: a pass packs what is owed to nobody
//! ([`crate::archive::compaction`]). So a crash anywhere repeats a delivery and loses none, and there is no cursor that an event that
//! comes late could be behind. What may never happen, whoever runs beside whom and dies where (`tests/archive_model/`):
//!
//! 1. A receipt names only what was answered 2xx, was refused, or is not wanted by the filter. It is written after that.
//! 2. Nothing is packed that a destination is owed, unless the destination is paused; then what it misses is in the store, and is
//!    sent by a *replay*.
//! 3. An event is not sent before one that came first and is owed too; what was refused is passed over, and listed.

pub mod backlogs;
pub mod destination;
pub mod format;
pub mod outcome;
pub mod owed;
pub mod round;
pub mod standing;
pub mod template;
pub mod trial;
