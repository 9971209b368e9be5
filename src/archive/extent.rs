//! How much there is of a session, without reading its loose records: for one of so many events that only some are shown.

use std::collections::BTreeSet;

use super::events;
use super::sessions::SessionId;
use super::view::{ReadError, View};
use crate::event::{EventName, Timestamp};
use crate::identity::Id;
use crate::keys::{KeyParts, OfSession};
use crate::session::SessionState;
use crate::store::Store;

/// What the keys of a session's loose records and the heads of its packs tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionExtent {
    /// When it began, if that is known: the first time if it is said to have begun twice.
    pub begun: Option<Timestamp>,
    /// When it ended, if that is known: the last time if it is said to have ended twice.
    pub ended: Option<Timestamp>,
    /// How many events it has.
    pub events: usize,
}

impl SessionExtent {
    /// How the session stands.
    pub fn state(&self) -> SessionState {
        SessionState::from_begin_and_end(self.begun.is_some(), self.ended.is_some())
    }
}

/// Reads how much there is of a session: the head of each pack that holds something of it, and no loose record.
pub async fn session_extent<S: Store>(view: &mut View<'_, S>, session: &SessionId) -> Result<SessionExtent, ReadError> {
    let (site, lsid) = session;
    let (mut extent, mut ids) = (SessionExtent::default(), BTreeSet::new());
    for pack in events::packs_of_session(view, site, lsid).await? {
        let head = view.head(&pack).await?;
        let Some(summary) = head.as_ref().and_then(|head| head.session(lsid)) else { continue };
        extent.begun = [extent.begun, summary.begun].into_iter().flatten().min();
        extent.ended = extent.ended.max(summary.ended);
        ids.extend(&summary.ids);
    }
    let keys = OfSession::new(site, lsid);
    for parts in view.listing.loose.iter().filter(|key| keys.has(key)).filter_map(|key| KeyParts::of(key)) {
        let (Ok(id), time) = (parts.id.parse::<Id>(), parts.time()) else { continue };
        ids.insert(id.short());
        if parts.is(&EventName::Begin) {
            extent.begun = [extent.begun, time].into_iter().flatten().min();
        } else if parts.is(&EventName::End) {
            extent.ended = extent.ended.max(time);
        }
    }
    extent.events = ids.len();
    Ok(extent)
}
