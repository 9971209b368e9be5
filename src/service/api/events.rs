//! Events: pages, a single event, and the removal of old events.

use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};
use mediatype::names::APPLICATION;
use serde::Serialize;

use super::query::Query;
use super::responses::{MAX_PAGE_BYTES, accepts, json, response};
use crate::archive::compaction::Bound;
use crate::archive::events::{self, EventsCursor, EventsPage, EventsQuery};
use crate::archive::pack::RecordEntry;
use crate::archive::removal::{self, CutoffOutcome};
use crate::archive::{self, View};
use crate::event::{EventName, Lsid};
use crate::forward::refused;
use crate::identity::Id;
use crate::parse::Problem;
use crate::platform::Platform;
use crate::service::answer::Service;
use crate::service::problem::Refusal;

impl<P: Platform> Service<'_, P> {
    pub(super) async fn events(&self, head: &Parts) -> Result<Response<Vec<u8>>, Refusal> {
        let query = Query::parse(head, &["site", "lsid", "event", "from", "to", "limit", "cursor"])?;
        let wanted = EventsQuery {
            site: query.site()?,
            event: query.get("event", EventName::of_setting)?,
            from: query.time("from")?,
            to: query.time("to")?,
            after: query.get("cursor", EventsCursor::parse)?,
            limit: query.limit(100, 500)?,
            max_bytes: MAX_PAGE_BYTES,
        };
        let lsid = query.get("lsid", Lsid::parse)?;
        let (page, unreadable) = archive::read_view(self.platform, async |view: &mut View<'_, P::Store>| {
            let page = match &lsid {
                Some(lsid) => events::list_events_of_session(view, &wanted, lsid).await?,
                None => events::list_events(view, &wanted).await?,
            };
            Ok((page, view.unreadable.len()))
        })
        .await?;
        Ok(page_response(head, page, unreadable, &query))
    }

    pub(super) async fn event(&self, head: &Parts, id: Id) -> Result<Response<Vec<u8>>, Refusal> {
        Query::parse(head, &[])?;
        let (entry, unreadable) = archive::read_view(self.platform, async |view: &mut View<'_, P::Store>| {
            let entry = events::find_event(view, id).await?;
            Ok((entry, view.unreadable.first().cloned()))
        })
        .await?;
        match (entry, unreadable) {
            (Some(entry), _) => Ok(response(StatusCode::OK, "application/cloudevents+json", entry.value)),
            // The event may be in an unreadable value.
            (None, Some(unreadable)) => Err(Refusal::Damaged(format!("{}: {}", unreadable.key, unreadable.reason))),
            (None, None) => Err(Refusal::Absent("event")),
        }
    }

    pub(super) async fn remove_events(&self, head: &Parts) -> Result<Response<Vec<u8>>, Refusal> {
        let query = Query::parse(head, &["before"])?;
        let fault = |reason| Refusal::Query(Problem::of_variable("before", reason));
        let before = query.time("before")?.ok_or_else(|| fault("is missing"))?;
        let now = u64::try_from(self.platform.now().timestamp()).unwrap_or_default();
        if before.seconds() > now {
            return Err(fault("is in the future; choose a time in the past"));
        }
        let CutoffOutcome { events, set_aside, skipped, remaining } =
            removal::remove_before(self.platform, before, &Bound::default()).await?;
        refused::forget_removed(self.platform, |key| key.timestamp < before).await?;
        Ok(json(&RemovedEvents { events, set_aside, skipped, remaining }))
    }
}

#[derive(Serialize)]
struct RemovedEvents {
    events: usize,
    set_aside: usize,
    /// The number of events that stay because they were recorded later than the clock reads.
    skipped: usize,
    remaining: bool,
}

/// A CloudEvents batch, or one event per line if the client asks for that. The link to the next page and the number
/// of unreadable values are headers: neither format has a place for them.
fn page_response(head: &Parts, page: EventsPage, unreadable: usize, query: &Query) -> Response<Vec<u8>> {
    let mut response = if accepts(head, APPLICATION, &["x-ndjson", "ndjson"]) {
        let lines: Vec<u8> = page.events.into_iter().flat_map(|entry| [entry.value, b"\n".to_vec()].concat()).collect();
        response(StatusCode::OK, "application/x-ndjson", lines)
    } else {
        batch(page.events)
    };
    let next =
        page.next.map(|cursor| format!("</api/events?{}>; rel=\"next\"", query.with_cursor(&cursor.to_string())));
    if let Some(link) = next.and_then(|link| HeaderValue::try_from(link).ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
    if unreadable > 0 {
        response.headers_mut().insert("unreadable-records", HeaderValue::from(unreadable));
    }
    response
}

/// A CloudEvents batch.
pub(super) fn batch(events: Vec<RecordEntry>) -> Response<Vec<u8>> {
    let mut batch = vec![b'['];
    for (index, entry) in events.into_iter().enumerate() {
        batch.extend((index > 0).then_some(b','));
        batch.extend(entry.value);
    }
    batch.push(b']');
    response(StatusCode::OK, "application/cloudevents-batch+json", batch)
}
