//! An outbound event, from the bytes of a form to the record that is stored: what every POST passes through.
//!
//! | step | file |
//! |---|---|
//! | form bytes -> variables -> a checked event | [`parse`] -> [`event`] |
//! | event -> the CloudEvents record that is stored, and its id | [`record`], [`identity`] |
//! | the key that it is stored under | [`keys`] |
//!
//! A crate of its own, since it is compiled to be fast in a component of which the rest is compiled to be small. Others use it as a
//! part of `outbound-events`.
#![forbid(unsafe_code)]

pub mod event;
pub mod identity;
pub mod keys;
pub mod parse;
pub mod record;
