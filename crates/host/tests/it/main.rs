//! What the host promises, tried from outside and, where that says more, on its library. One program: each of its own would link wasmtime.
//!
//! Where a new test goes:
//!
//! | what it tries | where |
//! |---|---|
//! | our host alone | a file in this folder |
//! | every host: ours, Spin, wasmCloud | `PROMISES` in `../end_to_end.rs` |
//! | what needs a program or a right that may be missing, so it may be skipped | a program of its own beside this folder, with `harness = false` in `Cargo.toml` and `../support/trials.rs` |
//! | the memory of the host | `../crowd.rs`: a test beside it in the same program would change what is measured |
//! | the host together with the appliance | `crates/appliance/tests/` |
//!
//! Tests of one program run beside each other in threads, so none may change what the threads share: the environment, the current directory,
//! the mask of permissions, the handling of signals. Each gives that to the host's command instead. The limit for open files is the exception:
//! [`open_files`] raises it for all of them.
//!
//! | File | What it promises |
//! |---|---|
//! | `command.rs` | arguments, environment and files of settings: what is said of them, and exit codes |
//! | `component.rs` | what is built, and that each component reads what the other stored |
//! | `destinations.rs` | whom the host trusts where it sends events, and what it says of a destination that it cannot reach |
//! | `documented_metrics.rs` | `docs/operate/metrics.md` has every metric that the host serves, and no other |
//! | `durability.rs` | the store keeps what it took, and what cannot be a store is an error at the start |
//! | `faults.rs` | a damaged or read-only file, slow and many senders, a stop while they send |
//! | `guests.rs` | what a guest may not do |
//! | `limits.rs` | limits of connections, requests and open files, and that they never concern a sender with a token |
//! | `many_keys.rs` | lists of a million keys |
//! | `metrics.rs` | `/metrics` |
//! | `moved_files.rs` | the store's file is renamed, deleted or replaced while the host runs |
//! | `open_files.rs` | (no promise) turns for tests that hold very many connections |
//! | `openapi.rs` | the answers are as `/openapi.yaml` describes them |
//! | `pages.rs` | the component on a host that lists keys in pages |
//! | `private.rs` | modes of the files that the host makes |
//! | `secrets.rs` | no token is in a log, an answer or the store |
//! | `store_commands/` | `outbound-events-host store …` |
//! | `tls/` | https |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../../appliance/tests/support/authority.rs"]
mod authority;
#[path = "../../../../tests/support/forms.rs"]
mod forms;
#[path = "../../../../tests/support/generated.rs"]
mod generated;
#[path = "../support/receiver.rs"]
mod receiver;
#[path = "../support/mod.rs"]
mod support;

mod command;
mod component;
mod destinations;
mod documented_metrics;
mod durability;
mod faults;
mod guests;
mod limits;
mod many_keys;
mod metrics;
mod moved_files;
mod open_files;
mod openapi;
mod pages;
mod private;
mod secrets;
mod store_commands;
mod tls;
