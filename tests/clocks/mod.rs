//! Clocks that are wrong by any amount, either way, and right again. No event answered with 200 is lost, hidden or
//! delayed.
//!
//! `archive_model` has several wrong clocks at once. `crates/host/tests/clocks/` tests the running host.
//!
//! | file | contents |
//! |---|---|
//! | `archive.rs` | a wrong clock deletes and hides nothing |
//! | `deadlines.rs` | how long a deadline holds, and how often a POST reads its clocks |
//! | `forwarding.rs` | a wrong clock delays no delivery and pauses no destination |
//! | `recipient.rs` | a store with an adjustable clock |
//! | `reports.rs` | times in answers, and reports of wrong clocks |
//! | `years.rs` | simulated years of retention |

mod archive;
mod deadlines;
mod forwarding;
mod recipient;
mod reports;
mod years;
