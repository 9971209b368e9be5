//! What the command does besides serving.

mod progress;
pub mod store;
