//! A support session, made from its events.
//!
//! An appliance sends events in order. A store returns them in any order, some can be missing, and times have a
//! resolution of one second. So this module orders events by time, then by delivery, then by kind.
//!
//! | file | contents |
//! |---|---|
//! | `timeline.rs` | [`Timeline`]: a session as readers see it, with participants and owners |
//! | `summary.rs` | [`Summary`]: a session as lists show it and packs store it |
//! | `state.rs` | [`SessionState`]: open, ended or incomplete |
//! | `order.rs` | [`event_order`]: which of two events came first |

mod order;
mod state;
mod summary;
mod timeline;

pub use order::event_order;
pub(crate) use order::name_rank;
pub use state::SessionState;
pub use summary::{ReportSummary, Summary};
pub use timeline::{OtherEvent, Owner, Participant, SessionExternalKey, Survey, Timeline};
