//! The receiving end of forwarding, for tests and for trials: takes what comes, verifies who signed it, and misbehaves on demand.
//!
//! | what | file |
//! |---|---|
//! | its secrets, what it has seen, and what it does with a request | `receiver.rs` |
//! | how it misbehaves | `misbehaviour.rs` |
//! | what it got | `received.rs` |
//! | its connections: kept, closed, or taken out of hyper's hands | `serve.rs` |
//! | answers that hyper cannot write | `raw_answer.rs` |

mod misbehaviour;
mod raw_answer;
mod received;
mod receiver;
mod serve;

pub use misbehaviour::{Framing, Misbehaviour};
pub use received::{Received, Signature};
pub use receiver::{EmulatedReceiver, NoSecret};
