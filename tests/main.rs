//! The library's promises, kept to an outsider. One program: each of its own would be compiled with the whole library in it.
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
