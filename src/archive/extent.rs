//! The extent of a session without reading its loose records, for a session whose events do not fit one page.

use std::collections::BTreeSet;

use super::events;
use super::sessions::SessionId;
use super::view::{ReadError, View};
use crate::event::{EventName, Timestamp};
use crate::identity::Id;
use crate::keys::{KeyParts, SessionKeys};
use crate::session::SessionState;
use crate::store::Store;

/// Begin, end and number of events of a session, from loose keys and the heads of packs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionExtent {
    /// Time of the first `begin` event, or else the begin in a packed report.
    pub begun: Option<Timestamp>,
    /// Time of the last `end` event, or else the end in the report.
    pub ended: Option<Timestamp>,
    /// Whether the appliance's report is among its records: then it has ended.
    pub is_reported: bool,
    /// Whether an `end` event announced its end, or there is no report.
    pub is_announced: bool,
    /// Number of events.
    pub events: usize,
}

impl SessionExtent {
    /// The session's state.
    pub fn state(&self) -> SessionState {
        SessionState::from_begin_and_end(self.begun.is_some() || self.is_reported, self.ended.is_some())
    }
}

/// Reads the extent of a session: the head of each pack with events of it, and no loose record.
pub async fn session_extent<S: Store>(view: &mut View<'_, S>, session: &SessionId) -> Result<SessionExtent, ReadError> {
    let (site, lsid) = session;
    let (mut extent, mut ids) = (SessionExtent::default(), BTreeSet::new());
    let (mut reported_start, mut reported_end) = (None, None);
    for pack in events::packs_of_session(view, site, lsid).await? {
        let head = view.head(&pack).await?;
        let Some(summary) = head.as_ref().and_then(|head| head.session(lsid)) else { continue };
        extent.begun = [extent.begun, summary.begun].into_iter().flatten().min();
        extent.ended = extent.ended.max(summary.ended);
        if let Some(reported) = &summary.reported {
            reported_start = [reported_start, reported.start].into_iter().flatten().min();
            reported_end = reported_end.max(Some(reported.end));
        }
        ids.extend(&summary.ids);
    }
    let keys = SessionKeys::new(site, lsid);
    for parts in view.listing.loose.iter().filter(|key| keys.matches(key)).filter_map(|key| KeyParts::split(key)) {
        let (Ok(id), time) = (parts.id.parse::<Id>(), parts.time()) else { continue };
        ids.insert(id.short());
        if parts.is_named(&EventName::Begin) {
            extent.begun = [extent.begun, time].into_iter().flatten().min();
        } else if parts.is_named(&EventName::End) {
            extent.ended = extent.ended.max(time);
        } else if parts.is_named(&EventName::Report) {
            reported_end = reported_end.max(time);
        }
    }
    extent.is_reported = reported_end.is_some();
    extent.is_announced = extent.ended.is_some() || !extent.is_reported;
    extent.begun = extent.begun.or(reported_start);
    extent.ended = extent.ended.or(reported_end);
    extent.events = ids.len();
    Ok(extent)
}
