//! Whether a destination wants an event that its other filters accept: its condition, with the session that it may ask
//! for.

use super::destination::Destination;
use super::timeline;
use crate::archive::pack::RecordEntry;
use crate::platform::Platform;
use crate::store::StoreError;

/// Whether a destination wants an event, by its condition. The inner error says why that cannot be told: the event
/// must be refused then, and never be passed over in silence.
pub async fn is_wanted<P: Platform>(
    platform: &P,
    destination: &Destination,
    entry: &RecordEntry,
) -> Result<Result<bool, String>, StoreError> {
    let Some(condition) = &destination.filter.when else { return Ok(Ok(true)) };
    let session = if condition.needs_session() { timeline::of_event(platform, entry).await? } else { None };
    if condition.needs_session() && entry.key.lsid.is_some() && session.is_none() {
        return Ok(Err("its condition (when) asks for a session that is too long to be read".to_owned()));
    }
    Ok(condition.is_true(entry, session.as_ref()))
}
