//! Reconciliation: reports of sessions, sessions that were never announced, and through which time all is complete.
//!
//! | file | what it tests |
//! |---|---|
//! | `checks.rs` | what a check stores, and through which time a site is complete |
//! | `missed.rs` | sessions that were never announced |
//! | `removal.rs` | nothing that was removed comes back |
//! | `troubles.rs` | an appliance that is down, refuses, lies or is none |
//! | `readers.rs` | what readers, searches and destinations see of reports |
//! | `harness.rs` | a site with its appliance and its recipient |

mod checks;
mod harness;
mod missed;
mod readers;
mod removal;
mod troubles;
