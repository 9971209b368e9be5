//! An outbound event, from the bytes of a form to the record that is stored: the path of every POST.
//!
//! | step | file |
//! |---|---|
//! | form bytes -> variables -> a checked event | [`parse`] -> [`event`] |
//! | event -> the CloudEvents record that is stored, and its id | [`record`], [`identity`] |
//! | a body that did not validate -> what is kept of it | [`set_aside`] |
//! | the key that it is stored under | [`keys`] |
//!
//! The appliance's report of a session is a record too; here it is JSON that nobody looks into.
//!
//! A crate of its own, since it is compiled less strictly for size (`s`) than the rest of a component (`z`). Others use it
//! as part of `outbound-events`.
#![forbid(unsafe_code)]

pub mod event;
pub mod identity;
pub mod keys;
pub mod parse;
pub mod record;
pub mod rfc3339;
pub mod set_aside;
