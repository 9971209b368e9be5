//! A support session, made of its records.
//!
//! An appliance sends events in order, but a store gives them back in any, some may be missing, and times have one second's
//! resolution. So events are put in order here: by time, at the same time by when they were delivered, and where that does not tell by what
//! must come first.
//!
//! | file | what lives there |
//! |---|---|
//! | `timeline.rs` | [`Timeline`]: a session as readers see it, who was there when, who owned it |
//! | `summary.rs` | [`Summary`]: what lists tell of a session, and packs keep of it |
//! | `state.rs` | [`SessionState`]: open, ended or incomplete |
//! | `order.rs` | [`event_order`]: which of two events came first |

mod order;
mod state;
mod summary;
mod timeline;

pub use order::event_order;
pub(crate) use order::name_rank;
pub use state::SessionState;
pub use summary::Summary;
pub use timeline::{OtherEvent, Owner, Participant, SessionExternalKey, Survey, Timeline};
