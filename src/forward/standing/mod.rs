//! How destinations do, as it is kept and told; and what an administrator does about it.
//!
//! | what | file |
//! |---|---|
//! | the stored state: failures, waits, the lease | `state.rs` |
//! | pausing, resuming, replaying, sending a refused event again | `commands.rs` |
//! | the list of refused events | `refused.rs` |
//! | the status that the API shows | `status.rs` |

mod commands;
mod refused;
mod state;
mod status;

pub use commands::{Paused, again, pause, paused, replay, resume};
pub use refused::{MOST_REFUSED, Refused, refused, refused_ids};
pub use state::{Failing, Standing, give_back, leases};
pub use status::{Told, state, told};

pub(in crate::forward) use state::{LEASE, key, rfc3339};
