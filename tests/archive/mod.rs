//! Packs: readers see the same before and after packing, few keys hold many events, and a damaged pack is reported and
//! kept.
//!
//! | file | contents |
//! |---|---|
//! | `damaged.rs` | unreadable packs |
//! | `finding.rs` | search, and the number of reads that it needs |
//! | `harness.rs` | requests, and a store with random sessions |
//! | `pace.rs` | how often compaction lists the store, and that it packs everything in the end |
//! | `packing.rs` | packing changes nothing for readers, and needs few keys |
//! | `removal.rs` | erasing and retention of packed sessions |

mod damaged;
mod finding;
mod harness;
mod pace;
mod packing;
mod removal;
