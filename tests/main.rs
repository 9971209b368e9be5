//! Tests of the library from outside, in one program: each further program would link the whole library again.
//!
//! | module | contents |
//! |---|---|
//! | `events`, `records` | rules for events and their variables; the record, its id and its key |
//! | `settings`, `destinations`, `templates` | settings, and the pages generated from them; the setting `destinations`; templates, ready and own |
//! | `answers`, `reading` | every answer to every kind of request; `/api`, the page and permissions |
//! | `archive`, `counts`, `search` | packs, statistics, searches |
//! | `timeline`, `long_session` | timelines and summaries of sessions; a session of many pages |
//! | `forwarding` | deliveries: what is sent, in which order, and what each answer means |
//! | `archive_model` | compaction, forwarding and removal, interleaved and killed at every call to the store |
//! | `clocks` | wrong clocks |
//! | `store_port`, `store_errors`, `faults` | the port to the store; stores that are full, fail or hang |
//! | `earlier_version` | a store that the version before wrote (`fixtures/`) |
//! | `promises`, `crashes` | promises for any input, shared with the fuzz targets, and tried on all inputs that the fuzzer found |
//! | `properties` | promises for almost valid forms |
//! | `support` | requests without sockets, stores, clocks and destinations for all of these |
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod answers;
mod archive;
mod archive_model;
mod clocks;
mod counts;
mod crashes;
mod destinations;
mod earlier_version;
mod events;
mod faults;
mod forwarding;
mod forwarding_model;
mod long_session;
mod promises;
mod properties;
mod reading;
mod records;
mod search;
mod settings;
mod store_errors;
mod store_port;
mod support;
mod templates;
mod timeline;
