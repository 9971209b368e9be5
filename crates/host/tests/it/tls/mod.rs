//! https: which certificates it is spoken with, what becomes of a certificate that is replaced, and who speaks something else.
//!
//! | File | What is in it |
//! |---|---|
//! | `connections.rs` | versions of TLS, http where https is spoken, slow handshakes, and a stop |
//! | `harness.rs` | a host that speaks https, and a client that trusts one authority |
//! | `pairs.rs` | which certificates and keys are taken, and what an error at the start says |
//! | `replaced.rs` | a certificate that is replaced while the host runs |

mod connections;
mod harness;
mod pairs;
mod replaced;

pub(crate) use self::harness::wait_until;
