//! What the content of a request is made of.

use crate::archive::pack::RecordEntry;
use crate::session::Timeline;

/// An event to send.
#[derive(Clone, Copy, Debug)]
pub struct EventToSend<'e> {
    /// Its record.
    pub entry: &'e RecordEntry,
    /// Its session, if the format needs it and it is known.
    pub session: Option<&'e Timeline>,
}
