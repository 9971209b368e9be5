//! Promises for every input. `tests/crashes.rs` and the fuzz targets in `fuzz/` call the same functions, which panic
//! where a promise is broken.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a broken promise is a panic, and each fuzz target uses a part"
)]

pub mod form;
pub mod pack;
pub mod visit;
