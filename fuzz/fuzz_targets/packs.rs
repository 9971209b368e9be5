//! Any bytes, stored as a pack.
#![no_main]

#[path = "../../tests/promises/mod.rs"]
mod promises;
#[path = "../../tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| promises::pack::hold(bytes));
