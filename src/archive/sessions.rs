//! Lists sessions, the newest first, with complete rows, without reading old packs.
//!
//! The scan reads packs in the order of their last times, from the latest. The latest known session is listed next,
//! unless an unread pack could hold a session that begins later. Before listing a session, the scan reads every other
//! pack with records of it, by the [`super::index`]. If these move its begin to an earlier time, the session is listed later.
//!
//! A scan that finds few matches ends at a bound, with the rows found and a cursor to continue.

use super::session_scan::SessionScan;
pub use super::sessions_query::{SessionId, SessionsCursor, SessionsQuery};
use super::view::{ReadError, View};
use crate::event::Timestamp;
use crate::identity::Site;
use crate::session::Summary;
use crate::store::Store;

/// A page of sessions.
#[derive(Clone, Debug)]
pub struct SessionsPage {
    /// The sessions, newest first.
    pub sessions: Vec<(Site, Summary)>,
    /// The cursor of the next page. `None` if this is the last one.
    pub next: Option<SessionsCursor>,
}

/// Lists sessions.
pub async fn list_sessions<S: Store>(view: &mut View<'_, S>, query: &SessionsQuery) -> Result<SessionsPage, ReadError> {
    let Some(start) = start(query) else { return Ok(SessionsPage { sessions: Vec::new(), next: None }) };
    let mut scan = SessionScan::new(view, query, start).await?;
    let (mut sessions, mut done) = (Vec::new(), None);
    let too_early = |time: Timestamp| query.from.is_some_and(|from| time < from);
    let next = loop {
        let end = scan.frontier();
        let latest = scan.latest();
        let more = latest.as_ref().map(|position| position.0.0).max(end).is_some_and(|time| !too_early(time));
        if !more || sessions.len() == query.limit {
            break done.filter(|_| more);
        }
        match (latest.filter(|position| end.is_none_or(|end| position.0.0 > end)), end) {
            (Some(position), _) => {
                if scan.is_at_bound() && done.is_some() {
                    break done;
                }
                if let Some(summary) =
                    scan.complete(&position).await?.filter(|summary| query.matches(&position.1.0, summary))
                {
                    sessions.push((position.1.0.clone(), summary));
                }
                // A session that begins earlier than was known is listed later; an unreadable session is not listed.
                done = Some(SessionsCursor::after_session(position));
            }
            (None, Some(end)) => {
                let here = SessionsCursor::before_time(end);
                if scan.is_at_bound() && here > scan.start {
                    break Some(here);
                }
                scan.read_frontier().await?;
            }
            (None, None) => break None,
        }
    };
    Ok(SessionsPage { sessions, next })
}

/// The cursor that a page begins after. `None` if no session can match.
fn start(query: &SessionsQuery) -> Option<SessionsCursor> {
    let last = match query.to {
        None => Timestamp::MAX,
        Some(to) => to.seconds().checked_sub(1)?,
    };
    let to = SessionsCursor::before_time(Timestamp::from_seconds(last)?);
    Some(query.after.clone().map_or(to.clone(), |after| after.max(to)))
}
