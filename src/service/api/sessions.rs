//! Sessions: lists, the timeline of one session, and erasing.

use std::collections::BTreeSet;

use http::Response;
use http::request::Parts;
use serde::Serialize;
use serde_json::value::RawValue;

use super::query::Query;
use super::responses::{MAX_PAGE_BYTES, json};
use super::set_aside::Cleared;
use crate::archive::account::Account;
use crate::archive::compaction::Bound;
use crate::archive::pack::RecordEntry;
use crate::archive::removal::EraseOutcome;
use crate::archive::sessions::{self, SessionsCursor, SessionsQuery};
use crate::archive::{self, Unreadable, View, events, extent, removal};
use crate::event::{Conference, Lsid, Timestamp};
use crate::folding::fold;
use crate::forward::refused;
use crate::identity::Site;
use crate::platform::Platform;
use crate::service::answer::Service;
use crate::service::problem::Refusal;
use crate::session::{SessionState, Summary, Timeline};

/// The largest number of a session's events in one answer.
const MAX_SESSION_EVENTS: usize = 5_000;

/// The parameters of a list of sessions.
const PARAMETERS: [&str; 12] = [
    "site",
    "state",
    "announced",
    "answered",
    "from",
    "to",
    "q",
    "external_key",
    "representative",
    "team",
    "limit",
    "cursor",
];

impl<P: Platform> Service<'_, P> {
    pub(super) async fn sessions(&self, head: &Parts) -> Result<Response<Vec<u8>>, Refusal> {
        let query = Query::parse(head, &PARAMETERS)?;
        let mut wanted = SessionsQuery {
            site: query.site()?,
            state: query.get("state", SessionState::parse)?,
            from: query.time("from")?,
            to: query.time("to")?,
            text: query.text("q")?.map(|text| fold(&text)),
            external_key: query.text("external_key")?,
            unannounced: None,
            answered: query.flag("answered")?,
            representative: query.text("representative")?,
            team: query.text("team")?,
            after: query.get("cursor", SessionsCursor::parse)?,
            limit: query.limit(50, 200)?,
        };
        let announced = query.flag("announced")?;
        let list = archive::read_view(self.platform, async |view: &mut View<'_, P::Store>| {
            if let Some(announced) = announced {
                let accounts = Account::load_all(self.platform.store(), &view.listing).await?;
                let missed = accounts.into_iter().filter_map(|(site, account)| Some((site, account.missed_before()?)));
                wanted.unannounced = Some((!announced, missed.collect()));
            }
            let page = sessions::list_sessions(view, &wanted).await?;
            let sessions = page.sessions.iter().map(|(site, summary)| SessionRow::new(site, summary)).collect();
            Ok(SessionList {
                sessions,
                searched_through: page.next.as_ref().map(|next| next.time().rfc3339()),
                next: page.next.map(|next| next.to_string()),
                unreadable: view.unreadable.clone(),
            })
        });
        Ok(json(&list.await?))
    }

    /// A page of the session's events, and their timeline. Nearly every session fits one page. If it does not, the
    /// state and the times are those of the whole session; the rest of the timeline is that of the page.
    pub(super) async fn session(&self, head: &Parts, site: &Site, lsid: &Lsid) -> Result<Response<Vec<u8>>, Refusal> {
        let query = Query::parse(head, &["cursor"])?;
        let wanted = events::EventsQuery {
            site: Some(site.clone()),
            event: None,
            from: None,
            to: None,
            after: query.get("cursor", events::EventsCursor::parse)?,
            limit: MAX_SESSION_EVENTS,
            max_bytes: MAX_PAGE_BYTES,
        };
        let session = (site.clone(), lsid.clone());
        let (mut page, extent, unreadable) =
            archive::read_view(self.platform, async |view: &mut View<'_, P::Store>| {
                let page = events::list_events_of_session(view, &wanted, lsid).await?;
                let is_all = page.next.is_none() && wanted.after.is_none();
                let extent = if is_all { None } else { Some(extent::session_extent(view, &session).await?) };
                Ok((page, extent, view.unreadable.clone()))
            })
            .await?;
        RecordEntry::sort(&mut page.events);
        let (mut read, mut events, mut summary) = (Vec::new(), Vec::new(), None::<Summary>);
        for entry in &page.events {
            // Records that are not valid events are already named in `unreadable`.
            if let (Ok(event), Ok(record)) = (entry.event(), serde_json::from_slice::<&RawValue>(&entry.value)) {
                match (&mut summary, Summary::from_event(&event, entry.delivered, entry.key.id)) {
                    (Some(known), Some(more)) => known.join(more),
                    (none, first) => *none = first,
                }
                read.push((event, entry.delivered));
                events.push(record);
            }
        }
        let is_unreadable = || unreadable.iter().any(|one| archive::is_of_session(&one.key, site, lsid));
        if read.is_empty() && extent.as_ref().is_none_or(|extent| extent.events == 0) && !is_unreadable() {
            return Err(Refusal::Absent("session"));
        }
        let mut timeline = Timeline::new(read.iter().map(|(event, delivered)| (event, *delivered)));
        let events_total = extent.as_ref().map_or(events.len(), |extent| extent.events);
        if let Some(extent) = extent {
            (timeline.state, timeline.announced) = (extent.state(), extent.is_announced);
            (timeline.start, timeline.end) =
                (extent.begun.map(Timestamp::rfc3339), extent.ended.map(Timestamp::rfc3339));
            let span = extent.begun.zip(extent.ended);
            timeline.duration_seconds = span.map(|(begun, ended)| ended.seconds().saturating_sub(begun.seconds()));
        }
        Ok(json(&Detail {
            site: site.as_str(),
            lsid: lsid.as_str(),
            timeline,
            waiting_seconds: summary.as_ref().and_then(Summary::waiting_seconds),
            transfers: summary.and_then(|summary| summary.transfers()).unwrap_or_default(),
            events,
            events_total,
            next: page.next.map(|next| next.to_string()),
            unreadable,
        }))
    }

    /// Erases a session: its events disappear with the first call. Bodies that name it are removed first, so that a
    /// call that breaks off can be repeated.
    pub(super) async fn remove_session(
        &self,
        head: &Parts,
        site: &Site,
        lsid: &Lsid,
    ) -> Result<Response<Vec<u8>>, Refusal> {
        Query::parse(head, &[])?;
        let Cleared { removed: set_aside, perhaps, remaining } = self.remove_what_names(site, lsid).await?;
        let erased = removal::erase(self.platform, site, lsid, &Bound::default()).await?;
        // A receiver's answer about an event may repeat its content.
        refused::forget_removed(self.platform, |key| key.site == *site && key.lsid.as_ref() == Some(lsid)).await?;
        if erased.is_none() && set_aside == 0 && perhaps.is_empty() && !remaining {
            return Err(Refusal::Absent("session"));
        }
        let erased = erased.unwrap_or(EraseOutcome { events: 0, remaining: false });
        let remaining = remaining || erased.remaining;
        Ok(json(&RemovedSession { events: erased.events, set_aside, perhaps, remaining }))
    }
}

#[derive(Serialize)]
struct SessionList {
    sessions: Vec<SessionRow>,
    next: Option<String>,
    /// Until when sessions were looked at, from the newest. `None` if at all.
    searched_through: Option<String>,
    unreadable: BTreeSet<Unreadable>,
}

#[derive(Serialize)]
struct SessionRow {
    site: String,
    lsid: String,
    state: SessionState,
    first_event: String,
    last_event: String,
    events: usize,
    start: Option<String>,
    end: Option<String>,
    duration_seconds: Option<u64>,
    announced: bool,
    customers: Vec<String>,
    owner: Option<Conference>,
    external_keys: Vec<String>,
}

impl SessionRow {
    fn new(site: &Site, summary: &Summary) -> Self {
        let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
        Self {
            site: site.as_str().to_owned(),
            lsid: summary.lsid.as_str().to_owned(),
            state: summary.state(),
            first_event: summary.first.rfc3339(),
            last_event: summary.last.rfc3339(),
            events: summary.ids.len(),
            start: summary.start().map(Timestamp::rfc3339),
            end: summary.end().map(Timestamp::rfc3339),
            duration_seconds: summary.duration_seconds(),
            announced: !summary.is_unannounced(),
            customers: owned(summary.customers()),
            owner: summary.owner().cloned(),
            external_keys: owned(summary.external_keys()),
        }
    }
}

#[derive(Serialize)]
struct Detail<'a> {
    site: &'a str,
    lsid: &'a str,
    #[serde(flatten)]
    timeline: Timeline,
    waiting_seconds: Option<u64>,
    transfers: usize,
    events: Vec<&'a RawValue>,
    /// The number of events of the whole session.
    events_total: usize,
    /// The cursor of the next page, if there is one.
    next: Option<String>,
    unreadable: BTreeSet<Unreadable>,
}

#[derive(Serialize)]
struct RemovedSession {
    events: usize,
    set_aside: usize,
    perhaps: Vec<String>,
    remaining: bool,
}
