//! Receives BeyondTrust Remote Support outbound events and keeps them.
//!
//! An appliance announces what happens in support sessions by HTTP POST, one event at a time, and holds back every
//! later event until it is answered exactly 200. This crate is the receiving end: a plain library that decides
//! everything, and a thin adapter that makes it a component for Spin, or for other hosts.
//!
//! The way of a POST, and where each step lives:
//!
//! | step | file |
//! |---|---|
//! | the platform's request becomes an [`http`] one | `component.rs` (wasm only) |
//! | path, method, who sends, how much may be read | [`service`], with [`settings`] |
//! | form bytes -> variables -> a checked event | [`parse`] -> [`event`], in `crates/event/`, a crate of its own |
//! | event -> the CloudEvents record that is stored, and its id | [`record`], [`identity`] |
//! | the key that it is stored under | [`keys`] |
//! | stored, once | [`service`] (`keep.rs`), through [`store`], the port to any key-value store: Spin's in `spin.rs`, or that of other hosts in `wasi.rs`; `host_store.rs` has what both share (wasm only) |
//! | 200, or a problem that says what is wrong | [`service`] |
//! | after the answer: it is forwarded to its destinations | [`forward`], through [`http_client`], the port for outgoing requests: `outgoing.rs` (wasm only) |
//! | sometimes, after that: many records become a pack | [`archive::compaction`] |
//!
//! And the way back, for readers: [`service`] asks [`archive`], where loose records and packs are one, and [`session`] makes of
//! a session's records what happened. Searches compare text as [`folding`] makes it. Two helpers keep the
//! component and its packs small: `gather` collects without sorting code, `base64_array` writes many values as one text.
//!
//! Dependencies point inwards: `service` -> `forward` -> `archive` -> `session` -> `record`, `keys`, `identity` -> `event`. The ports
//! `store` and `http_client` import none of these. No files import each other in a circle. Compaction must know which deliveries are
//! pending: it asks through a trait that it owns ([`archive::compaction::PendingDeliveries`]) and that `forward` implements.
//!
//! Clocks, the store and outgoing requests come in as one argument, the [`platform`], so the whole service runs in a native test as it
//! does in a component. Clocks may be wrong: [`deadline`] has the times that are stored to be compared later, [`clock_faults`] what was
//! seen to be wrong, and `docs/operate/clocks.md` what follows for whoever runs it.

// Macros make the component's export and its calls with unsafe code. So for wasm it is denied by the workspace's lints, which
// the adapter alone lifts; for everything else it is forbidden, which nothing can lift.
#![cfg_attr(not(target_family = "wasm"), forbid(unsafe_code))]

pub use outbound_event::{event, identity, keys, parse, record};

pub mod archive;
mod base64_array;
pub mod clock_faults;
pub mod deadline;
pub mod folding;
pub mod forward;
mod gather;
pub mod http_client;
pub mod platform;
pub mod service;
pub mod session;
pub mod settings;
pub mod store;

#[cfg(target_family = "wasm")]
mod component;
#[cfg(target_family = "wasm")]
mod host_store;
#[cfg(target_family = "wasm")]
mod outgoing;
#[cfg(all(target_family = "wasm", not(feature = "wasi")))]
mod spin;
#[cfg(all(target_family = "wasm", feature = "wasi"))]
mod wasi;
