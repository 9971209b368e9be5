//! The commands of `appliance`. Each is a function that returns whether it succeeded.
//!
//! | file | content |
//! |---|---|
//! | `api.rs` | `--api` and the options of the appliance's own APIs |
//! | `check.rs` | `check-destinations` and `check-template` |
//! | `delivery.rs` | `send` and `replay` |
//! | `receive.rs` | `receive` |
//! | `run.rs` | `run` |
//! | `stop.rs` | SIGTERM and Ctrl-C |

pub mod api;
pub mod check;
pub mod delivery;
pub mod receive;
pub mod run;
mod stop;
