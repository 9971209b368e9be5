//! `outbound-events-host store …`: works on a store file, also while a host uses it.
//!
//! | File | What is in it |
//! |---|---|
//! | `backup.rs` | copies of a store |
//! | `files.rs` | missing and locked files, files that are not a store, and files of a killed host |
//! | `harness.rs` | runs the commands, and makes stores with events |
//! | `packing.rs` | packing, removing by age and checking |

mod backup;
mod files;
mod harness;
mod packing;
