//! What the command does besides serving.

pub mod health;
pub mod limits;
mod progress;
pub mod store;
