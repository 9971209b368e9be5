//! A receiver of forwarded events for tests and trials: accepts requests, verifies signatures, and misbehaves on
//! demand.
//!
//! | what | file |
//! |---|---|
//! | the receiver: its secrets, the ids it has seen, the handling of a request | `receiver.rs` |
//! | who may send: passwords, tokens, a token endpoint | `access.rs` |
//! | misbehaviour | `misbehaviour.rs` |
//! | a received request | `received.rs` |
//! | the events of a request, in each format | `events.rs` |
//! | connections: kept, closed, or taken over from hyper | `serve.rs` |
//! | answers that hyper cannot write | `raw_answer.rs` |

mod access;
mod events;
mod misbehaviour;
mod raw_answer;
mod received;
mod receiver;
mod serve;

pub use access::{ReceiverAccess, TOKEN_PATH};
pub use events::ReceivedEvent;
pub use misbehaviour::{Framing, Misbehaviour};
pub use received::{Received, Signature};
pub use receiver::{EmulatedReceiver, NoSecret};
