//! The session of an event, for templates and conditions.

use crate::archive::pack::RecordEntry;
use crate::archive::{self, View, events};
use crate::platform::Platform;
use crate::session::Timeline;
use crate::store::StoreError;

/// The largest number of a session's events that a template can see, and of their bytes.
const MAX_OF_SESSION: (usize, usize) = (2_000, 4 << 20);

/// The session as it is stored now. `None` if the event belongs to none, or if the session exceeds the limits.
pub(super) async fn of_event<P: Platform>(platform: &P, entry: &RecordEntry) -> Result<Option<Timeline>, StoreError> {
    let Some(lsid) = entry.key.lsid.as_ref() else { return Ok(None) };
    let (most, bytes) = MAX_OF_SESSION;
    let entries = archive::read_view(platform, async |view: &mut View<'_, P::Store>| {
        events::records_of_session(view, &entry.key.site, lsid, most, bytes).await
    });
    let Some(mut entries) = entries.await? else { return Ok(None) };
    RecordEntry::sort(&mut entries);
    let events: Vec<_> = entries.iter().filter_map(|entry| Some((entry.event().ok()?, entry.delivered))).collect();
    Ok(Some(Timeline::new(events.iter().map(|(event, delivered)| (event, *delivered)))))
}
