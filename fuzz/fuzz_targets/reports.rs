//! Any bytes, as an answer of an appliance's Reporting API.
#![no_main]

#[path = "../../tests/promises/mod.rs"]
mod promises;
#[path = "../../tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| promises::report::hold(bytes));
