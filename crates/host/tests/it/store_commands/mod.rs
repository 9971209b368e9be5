//! `outbound-events-host store …`: what can be done to a store's file, whether or not a host runs on it.
//!
//! | File | What is in it |
//! |---|---|
//! | `backup.rs` | copies of a store |
//! | `files.rs` | files that are not there, no store, locked, or left by a killed host |
//! | `harness.rs` | runs of the commands, and stores with events |
//! | `packing.rs` | packing, removing by age and checking |

mod backup;
mod files;
mod harness;
mod packing;
