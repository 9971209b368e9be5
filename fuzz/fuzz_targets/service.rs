//! Any text, as a visit to the service.
#![no_main]

#[path = "../../tests/promises/mod.rs"]
mod promises;
#[path = "../../tests/support/mod.rs"]
mod support;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    promises::visit::hold(text);
});
