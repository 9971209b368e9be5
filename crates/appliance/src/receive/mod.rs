//! A receiver of forwarded events for tests and trials: accepts requests, verifies signatures, and misbehaves on
//! demand.
//!
//! | what | file |
//! |---|---|
//! | the receiver: its secrets, the ids it has seen, the handling of a request | `receiver.rs` |
//! | misbehaviour | `misbehaviour.rs` |
//! | a received request | `received.rs` |
//! | connections: kept, closed, or taken over from hyper | `serve.rs` |
//! | answers that hyper cannot write | `raw_answer.rs` |

mod misbehaviour;
mod raw_answer;
mod received;
mod receiver;
mod serve;

pub use misbehaviour::{Framing, Misbehaviour};
pub use received::{Received, Signature};
pub use receiver::{EmulatedReceiver, NoSecret};
