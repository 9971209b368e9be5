//! The library's promises, tested from outside. One program: each of its own would be compiled with the whole library in it.
//!
//! | module | what it holds the library to |
//! |---|---|
//! | `events`, `records` | rules for events and their variables; the record, its id and its key |
//! | `settings`, `destinations`, `templates` | settings, and the pages generated from them; the setting `destinations`; templates, ready and own |
//! | `answers`, `reading` | every answer to every kind of request; `/api`, the page and permissions |
//! | `archive`, `counts`, `search`, `timeline`, `long_session` | packs, statistics, searches, and what the events of a session tell |
//! | `forwarding` | deliveries: what is sent, in which order, and what each answer means |
//! | `archive_model` | compaction, forwarding and removal, interleaved and killed at every call of the store |
//! | `clocks` | wrong clocks |
//! | `page_modules` | the rules that join the modules of the page into one script |
//! | `store_port`, `store_errors`, `faults` | the port to the store; stores that are full, fail or hang |
//! | `earlier_version` | a store that the version before wrote (`fixtures/`) |
//! | `promises`, `properties`, `crashes` | what holds for any input: shared with the fuzz targets, tried on almost valid forms, and on all that the fuzzer found |
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
mod page_modules;
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
