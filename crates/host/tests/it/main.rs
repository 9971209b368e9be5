//! Tests of the host, from outside and on its library. They are one program, since each program links wasmtime.
//!
//! Where a new test goes:
//!
//! | what it tries | where |
//! |---|---|
//! | our host alone | a file in this folder |
//! | every host: ours, Spin, wasmCloud | `PROMISES` in `../end_to_end.rs` |
//! | tests that need a program or a right that can be missing | a program beside this folder, with `harness = false` in `Cargo.toml` and `../support/trials.rs` |
//! | the memory of the host | `../crowd.rs`: another test in the same program would change the measurement |
//! | the host together with the appliance | `crates/appliance/tests/` |
//!
//! Tests of a program run in parallel threads, so none may change what the threads share: the environment, the current
//! directory, the umask, signal handlers. Set these for the host's command instead. The limit on open files is the
//! exception: [`open_files`] raises it for all tests.
//!
//! | File | What it tests |
//! |---|---|
//! | `command.rs` | arguments, environment, files of settings, and exit codes |
//! | `component.rs` | the build outputs, and that each component reads what the other stored |
//! | `depth.rs` | settings that nest as deep as they may |
//! | `destinations.rs` | the authorities trusted for destinations, and the reasons for an unreachable destination |
//! | `documented_metrics.rs` | `docs/operate/metrics.md` has exactly the metrics that the host serves |
//! | `durability.rs` | the store keeps its events, and a file that is not a store is an error at the start |
//! | `faults.rs` | damaged and read-only files, slow and many clients, a stop while they send |
//! | `guests.rs` | the limits of a guest |
//! | `limits.rs` | limits on connections, requests and open files, which never apply to authenticated clients |
//! | `many_keys.rs` | lists of a million keys |
//! | `metrics.rs` | `/metrics` |
//! | `moved_files.rs` | the store's file is renamed, deleted or replaced while the host runs |
//! | `open_files.rs` | (no tests) turns for tests with a large number of connections |
//! | `openapi.rs` | the answers match `/openapi.yaml` |
//! | `pages.rs` | the component on a host that lists keys in pages |
//! | `private.rs` | permissions of the files that the host makes |
//! | `reuse.rs` | instances that serve several events |
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
mod depth;
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
mod reuse;
mod secrets;
mod store_commands;
mod tls;
