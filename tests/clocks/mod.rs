//! Clocks that are wrong, by any amount, either way, and right again: nothing that was answered 200 is lost, hidden or held up.
//!
//! What many of them do at once is in `archive_model`; the same on the running host in `crates/host/tests/clocks/`.
//!
//! | File | What is in it |
//! |---|---|
//! | `archive.rs` | nothing is deleted or hidden because of a wrong clock |
//! | `deadlines.rs` | how long a deadline holds, and how often a POST reads its clocks |
//! | `forwarding.rs` | nothing is put off and no destination is paused because of a wrong clock |
//! | `recipient.rs` | a store with a clock that can be set |
//! | `reports.rs` | what readers see of times, and reports of wrong clocks |
//! | `years.rs` | simulated years of retention |

mod archive;
mod deadlines;
mod forwarding;
mod recipient;
mod reports;
mod years;
