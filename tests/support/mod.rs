//! Requests and answers without a socket, and stores for tests.
//!
//! | file | what it has |
//! |---|---|
//! | `request.rs` | a request and its answer |
//! | `platform.rs` | a platform made of a store, an HTTP client and clocks |
//! | `any_port.rs` | any store and any HTTP client as one type |
//! | `memory.rs` | a store in memory |
//! | `limited.rs` | a store with the limits of all platforms |
//! | `slow_disk.rs` | a store with slow writes |
//! | `failing.rs` | a store in which one call fails or hangs |
//! | `destination.rs` | a destination without a socket |
//! | `appliance.rs` | an appliance without a socket, and its APIs |
//! | `passes.rs` | compaction without destinations |
//! | `forms.rs` | events as an appliance sends them |
//! | `generated.rs` | generated parts of files |
//!
//! `generated.rs` is a module of the tests that need it. Tests in `crates/` use it and `forms.rs` too.
#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::panic,
    reason = "shared by tests that each use a part"
)]

mod any_port;
mod appliance;
mod destination;
mod failing;
mod forms;
mod limited;
mod memory;
mod passes;
mod platform;
mod request;
mod slow_disk;

pub use any_port::AnyStore;
pub use appliance::{SimulatedAppliance, SimulatedSession, Trouble, appliance_setting, appliances};
pub use destination::{Given, Rest, Says, ScriptedAnswer, Ways};
pub use failing::{FailingStore, StoreFault};
pub use forms::{BEGIN, seven};
pub use limited::Limited;
pub use memory::Memory;
pub use passes::{compact, compact_if_due};
pub use platform::{TestPlatform, at, by, now};
pub use request::{Call, Reply, call, post};
pub use slow_disk::SlowDisk;

pub const TOKEN: &str = "a-token-of-24-characters";
pub const OPEN: &[(&str, &str)] = &[("ingest_open", "true")];
pub const GUARDED: &[(&str, &str)] = &[("ingest_tokens", TOKEN)];
