//! Packs: what readers see stays the same, few keys hold much, and a pack that is not one is named and left alone.
//!
//! | File | What is in it |
//! |---|---|
//! | `damaged.rs` | packs that cannot be read |
//! | `finding.rs` | search, and how little of the store it reads |
//! | `harness.rs` | requests, and a store with sessions of a seed |
//! | `pace.rs` | how often passes list the store, and that all is packed in the end |
//! | `packing.rs` | what packing leaves as it was, and how few keys it needs |
//! | `removal.rs` | erasing and retention where sessions are packed |

mod damaged;
mod finding;
mod harness;
mod pace;
mod packing;
mod removal;
