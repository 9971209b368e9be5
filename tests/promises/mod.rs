//! Promises that hold for every input. `tests/crashes.rs` and the fuzz targets in `fuzz/` call these functions, which
//! panic if a promise is broken.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a broken promise panics, and each fuzz target uses a part"
)]

pub mod form;
pub mod pack;
pub mod report;
pub mod visit;
