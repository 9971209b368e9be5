//! https: accepted certificates, replaced certificates, and clients that use the wrong scheme.
//!
//! | File | What is in it |
//! |---|---|
//! | `connections.rs` | TLS versions, http on the https port, slow handshakes, and a stop |
//! | `harness.rs` | a host that serves https, and a client that trusts one authority |
//! | `pairs.rs` | accepted certificates and keys, and errors at the start |
//! | `replaced.rs` | a certificate that is replaced while the host runs |

mod connections;
mod harness;
mod pairs;
mod replaced;

pub(crate) use self::harness::wait_until;
