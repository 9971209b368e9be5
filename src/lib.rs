//! A receiver for BeyondTrust Remote Support outbound events.
//!
//! An appliance sends one HTTP POST for each event of a support session, one at a time. It sends the next event only
//! after an answer of exactly 200. This crate decides everything as a plain library; a thin adapter turns it into a
//! component for Spin or for other hosts. The words used here are defined in `docs/glossary.md`.
//!
//! **A POST**, step by step:
//!
//! | step | where |
//! |---|---|
//! | the host's request becomes an [`http`] request | `component.rs` (wasm only) |
//! | path, method, authentication, size limit | [`service`], with [`settings`] |
//! | form bytes -> variables -> a checked event | [`parse`] -> [`event`], in `crates/event/`, a crate of its own |
//! | event -> its id and its record, a CloudEvents event | [`identity`], [`record`] |
//! | the key of the record | [`keys`] |
//! | one write, unless the record exists | [`service`] (`keep.rs`), through the port [`store`] |
//! | the answer 200, or a problem with its reason | [`service`] |
//! | after the answer: the event is sent to its destinations | [`forward`], through the port [`http_client`] |
//! | sometimes after that: loose records become packs | [`archive::compaction`] |
//!
//! **A read**: [`service`] asks [`archive`], which joins loose records and packs. [`session`] turns the records of a
//! session into its timeline. [`folding`] prepares text for searches. [`report`] is the appliance's own report of a
//! session, which [`appliance_api`] fetches.
//!
//! **The platform**: store, outgoing requests, clocks and randomness are one argument, the [`platform`]. So native
//! tests run the whole service. The wasm adapters are `component.rs` (requests), `outgoing.rs` (outgoing requests),
//! `host_store.rs` with `spin.rs` or `wasi.rs` (store and settings). They decide nothing.
//!
//! **Clocks** can be wrong. [`deadline`] has times that are stored and compared later, [`clock_faults`] reports wrong
//! clocks, and `docs/operate/clocks.md` describes the consequences for operators.
//!
//! **Size**: the component must be small. `gather` collects without sorting code, `base64_array` stores many values
//! as one text, and `build.rs` compresses the page, the API description and the tables of [`folding`].
//!
//! **Dependencies** point inwards: `service` -> `forward` -> `archive` -> `session` -> `record`, `keys`, `identity`
//! -> `event`. The ports `store` and `http_client` import none of these, and there are no import cycles. Compaction
//! must know which events are pending: it asks through its own trait ([`archive::compaction::PendingDeliveries`]),
//! which `forward` implements.
//!
//! **Tests** are in `tests/` (`tests/main.rs` lists them). The host is in `crates/host/`, the emulated appliance in
//! `crates/appliance/`, the benchmarks in `crates/bench/`. `docs/internals/architecture.md` describes how the parts work
//! together.

// Macros of the adapter generate unsafe code. So for wasm the workspace's lints deny it, and only the adapter allows
// it. For all other targets it is forbidden, which no module can override.
#![cfg_attr(not(target_family = "wasm"), forbid(unsafe_code))]

pub use outbound_event::{event, identity, keys, parse, record, set_aside};

pub mod appliance_api;
pub mod archive;
mod base64_array;
pub mod clock_faults;
pub mod deadline;
mod excerpt;
pub mod folding;
pub mod forward;
mod gather;
pub mod http_client;
mod json_setting;
pub mod oauth;
pub mod platform;
pub mod report;
mod retry_after;
pub mod service;
pub mod session;
pub mod settings;
pub mod store;
pub mod url;

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
