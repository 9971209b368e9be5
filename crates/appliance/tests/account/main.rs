//! Reports and reconciliation by the real host, with an emulated appliance that drops events and an API that fails.
//!
//! | file | content |
//! |---|---|
//! | `site.rs` | a site: the appliance's API, a recipient that asks it, and destinations for reports |
//! | `complete.rs` | every session is complete in the end, and those whose end was dropped are marked |
//! | `forwarding/desk.rs` | a destination for tests |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod complete;
#[path = "../forwarding/desk.rs"]
#[allow(dead_code, reason = "shared by tests that use a part")]
mod desk;
mod site;
#[path = "../support/mod.rs"]
mod support;
