//! The library's promises, tested from outside. One program: separate ones would each compile the whole library.
//!
//! | module | what it tests |
//! |---|---|
//! | `events`, `records` | rules for events and their variables; the record, its id and its key |
//! | `settings`, `destinations`, `templates` | settings, and the pages generated from them; the setting `destinations`; templates, ready and own |
//! | `answers`, `reading` | every answer to every kind of request; `/api`, the page and permissions |
//! | `archive`, `counts`, `search`, `timeline`, `long_session` | packs, statistics, searches, and the timelines of sessions |
//! | `statistics` | figures of many sessions, what is open now, sessions by external key |
//! | `forwarding`, `forwarding_model` | deliveries: their order, and the effect of each answer; the same with overlapping and dying runs |
//! | `appliance_api` | the appliance's own APIs: the setting, answers of every shape, hostile ones |
//! | `account`, `account_model` | what an appliance lists against what is stored; the same with everything in its way |
//! | `archive_model` | compaction, forwarding and removal, interleaved and killed at every call of the store |
//! | `clocks` | wrong clocks |
//! | `page_modules` | the rules that join the modules of the page into one script |
//! | `store_port`, `store_errors`, `faults` | the port to the store; stores that are full, fail or hang |
//! | `earlier_version` | a store that the previous version wrote (`fixtures/`) |
//! | `promises`, `properties`, `crashes` | properties of all inputs, shared with the fuzz targets; the fuzzer's findings |
//! | `support` | requests without sockets, stores, clocks and destinations for all of these |
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod account;
mod account_model;
mod answers;
mod appliance_api;
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
mod statistics;
mod store_errors;
mod store_port;
mod support;
mod templates;
mod timeline;
