//! What the command does besides serving.

pub mod health;
mod progress;
pub mod store;
