//! `/api`: what came in, as JSON, for who has a read token; and its removal.
//!
//! No platform lists fewer than all keys, so every list begins with all of them, and is made of keys alone as far as it can
//! be. Values are read for what is on the page and nothing else.

use std::collections::{BTreeMap, BinaryHeap};
use std::fmt::Display;

use chrono::DateTime;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::{Refusal, Service, auth, json_response};
use crate::event::{Event, EventName, Lsid, Timestamp};
use crate::keys::{self, KeyParts, SetAsideKey};
use crate::parse::Problem;
use crate::record::{Id, Record, SetAside, Site};
use crate::session::{self, State, Summary, Timeline};
use crate::store::{self, Kept, Store};

/// The most bytes of values that one answer holds. A page that would be larger ends before.
const MAX_PAGE_BYTES: usize = 4 << 20;

/// The memory that a component has everywhere (Akamai Functions has no more), less what it needs for itself, in bytes.
const MEMORY: usize = 120 << 20;

/// What a key costs beside its own bytes, in memory, on the way from a platform's list of them.
const KEY_COST: usize = 28;

/// The most events that a session may have to be shown as one.
const MAX_SESSION_EVENTS: usize = 5_000;

/// The most events that one call removes: each waits for the disk, and a call must end in time.
const MAX_REMOVED: usize = 1_000;

/// What a path under `/api` names.
pub(super) enum Resource {
    Sessions,
    Session(Site, Lsid),
    Events,
    Event(Id),
    SetAsides,
    SetAside(Id),
    Retry(Id),
    Stats,
}

impl Resource {
    /// Reads a path, without its `/api/`.
    pub(super) fn of(path: &str) -> Result<Self, Refusal> {
        let id = |text: &str, what| text.parse().map_err(|_| Refusal::Absent(what));
        match path.split('/').collect::<Vec<_>>().as_slice() {
            ["sessions"] => Ok(Self::Sessions),
            ["sessions", site, lsid] => {
                let lsid = percent_decode_str(lsid).decode_utf8().ok().and_then(|lsid| Lsid::parse(&lsid).ok());
                let session = Site::parse(site).zip(lsid).map(|(site, lsid)| Self::Session(site, lsid));
                session.ok_or(Refusal::Absent("session"))
            }
            ["events"] => Ok(Self::Events),
            ["events", event] => id(event, "event").map(Self::Event),
            ["set-aside"] => Ok(Self::SetAsides),
            ["set-aside", body] => id(body, "body").map(Self::SetAside),
            ["set-aside", body, "retry"] => id(body, "body").map(Self::Retry),
            ["stats"] => Ok(Self::Stats),
            _ => Err(Refusal::Path),
        }
    }

    fn allow(&self) -> &'static str {
        match self {
            Self::Sessions | Self::Event(_) | Self::SetAsides | Self::Stats => "GET, HEAD",
            Self::Session(..) | Self::Events => "GET, HEAD, DELETE",
            Self::SetAside(_) => "DELETE",
            Self::Retry(_) => "POST",
        }
    }
}

impl<S: Store> Service<'_, S> {
    /// Answers a request for a resource: method, token, query, in this order.
    pub(super) async fn api(&self, resource: Resource, head: &Parts) -> Result<Response<Vec<u8>>, Refusal> {
        let allow = resource.allow();
        if !allow.split(", ").any(|method| method == head.method.as_str()) {
            return Err(Refusal::Method { allow });
        }
        auth::reader(head, self.settings()?.read_tokens.as_ref())?;
        let removes = head.method == Method::DELETE;
        let mut response = match resource {
            Resource::Sessions => self.sessions(head).await,
            Resource::Session(site, lsid) if removes => self.remove_session(head, &site, &lsid).await,
            Resource::Session(site, lsid) => self.session(head, &site, &lsid).await,
            Resource::Events if removes => self.remove_events(head).await,
            Resource::Events => self.events(head).await,
            Resource::Event(id) => self.event(head, id).await,
            Resource::SetAsides => self.set_asides(head).await,
            Resource::SetAside(id) => self.remove_set_aside(head, id).await,
            Resource::Retry(id) => self.retry(head, id).await,
            Resource::Stats => self.stats(head).await,
        }?;
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    async fn sessions(&self, head: &Parts) -> Result<Response<Vec<u8>>, Refusal> {
        let query = Query::read(head, &["site", "state", "from", "to", "limit", "cursor"])?;
        let site = query.site()?;
        let state = query.get("state", State::parse)?;
        let window = query.window()?;
        let limit = query.limit(50, 200)?;
        let cursor = query.get("cursor", SessionCursor::parse)?;
        let keys = self.store.get_keys().await?;
        let of_site = event_keys(&keys).filter(|key| site.as_ref().is_none_or(|s| s.as_str() == key.site));
        let sessions = Summary::list(of_site, affordable(&keys)).ok_or(TOO_MANY_SESSIONS)?;
        let wanted = sessions.iter().filter(|session| {
            state.is_none_or(|state| state == session.state())
                && window.holds(session.first)
                && cursor.as_ref().is_none_or(|cursor| session.place() > cursor.place())
        });
        let mut rows = wanted.filter_map(|session| Some((session, SessionRow::of(session)?)));
        let page: Vec<_> = rows.by_ref().take(limit).collect();
        let next = page.last().filter(|_| rows.next().is_some()).map(|(last, _)| SessionCursor::text(last));
        Ok(json(&SessionList { sessions: page.into_iter().map(|(_, row)| row).collect(), next }))
    }

    async fn session(&self, head: &Parts, site: &Site, lsid: &Lsid) -> Result<Response<Vec<u8>>, Refusal> {
        Query::read(head, &[])?;
        let keys = {
            let all = self.store.get_keys().await?;
            keys_of_session(&all, site, lsid)?
        };
        let mut read = Vec::new();
        let (mut bytes, mut unreadable) = (0, Vec::new());
        for key in keys {
            let Some(value) = self.store.get(&key).await? else { continue };
            bytes += value.len();
            if bytes > MAX_PAGE_BYTES {
                return Err(Refusal::TooMuch("its events can be read page by page from /api/events"));
            }
            match checked(&value) {
                Ok((record, event)) => read.push((session::order(&event), record.id.clone(), event, record)),
                Err(reason) => unreadable.push(Unreadable { key, reason }),
            }
        }
        read.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
        let timeline = Timeline::new(read.iter().map(|(_, _, event, _)| event));
        let events = read.into_iter().map(|(.., record)| record).collect();
        Ok(json(&SessionDetail { site: site.as_str(), lsid: lsid.as_str(), timeline, events, unreadable }))
    }

    /// What was set aside first, and at most so many events a call: if it breaks off, what is left can be removed again.
    async fn remove_session(&self, head: &Parts, site: &Site, lsid: &Lsid) -> Result<Response<Vec<u8>>, Refusal> {
        Query::read(head, &[])?;
        let keys = self.store.get_keys().await?;
        let session = keys::OfSession::new(site, lsid);
        let (events, remaining) = first(keys.iter().filter(|key| session.has(key)), MAX_REMOVED);
        let mut removed = RemovedSession { events: 0, set_aside: 0, remaining };
        for key in set_aside_keys(&keys).filter(|(_, key)| key.site == *site).map(|(text, _)| text) {
            let Some(value) = self.store.get(key).await? else { continue };
            if serde_json::from_slice(&value).is_ok_and(|set_aside: SetAside| names(&set_aside, lsid)) {
                self.store.delete(key).await?;
                removed.set_aside += 1;
            }
        }
        for key in events {
            self.store.delete(key).await?;
            removed.events += 1;
        }
        if removed.events + removed.set_aside == 0 {
            return Err(Refusal::Absent("session"));
        }
        Ok(json(&removed))
    }

    async fn events(&self, head: &Parts) -> Result<Response<Vec<u8>>, Refusal> {
        let query = Query::read(head, &["site", "event", "from", "to", "limit", "cursor"])?;
        let site = query.site()?;
        let event = query.get("event", EventName::parse)?;
        let window = query.window()?;
        let limit = query.limit(100, 500)?;
        let cursor = query.get("cursor", |text| KeyParts::of(text).map(|_| text.to_owned()).ok_or(NO_EVENT_CURSOR))?;
        let cursor = cursor.as_deref().and_then(KeyParts::of);
        let keys = self.store.get_keys().await?;
        let wanted = event_keys(&keys).filter(|key| {
            site.as_ref().is_none_or(|site| site.as_str() == key.site)
                && event.as_ref().is_none_or(|event| key.is(event))
                && window.holds(key.timestamp)
                && cursor.is_none_or(|cursor| *key > cursor)
        });
        let (first, rest) = first(wanted, limit);
        let page: Vec<_> = first.iter().map(|key| key.key.to_owned()).collect();
        // What is read needs the room of what was listed.
        drop(keys);
        let page = self.page(&page, rest > 0, |value| checked(&value).map(|_| value)).await?;
        Ok(events_response(head, page, &query))
    }

    /// What is under these keys, as many as one answer holds. What `read` finds unreadable is left out and named.
    async fn page<T>(
        &self,
        keys: &[String],
        mut more: bool,
        read: impl Fn(Vec<u8>) -> Result<T, String>,
    ) -> Result<Page<T>, Refusal> {
        let (mut values, mut unreadable) = (Vec::new(), Vec::new());
        let (mut bytes, mut last) = (0, None);
        for key in keys {
            let value = self.store.get(key).await?;
            bytes += value.as_ref().map_or(0, Vec::len);
            if bytes > MAX_PAGE_BYTES && last.is_some() {
                more = true;
                break;
            }
            last = Some(key);
            match value.map(&read) {
                Some(Ok(value)) => values.push(value),
                Some(Err(reason)) => unreadable.push(Unreadable { key: key.clone(), reason }),
                // It was removed since it was listed.
                None => {}
            }
        }
        Ok(Page { values, unreadable, next: last.filter(|_| more).cloned() })
    }

    async fn event(&self, head: &Parts, id: Id) -> Result<Response<Vec<u8>>, Refusal> {
        Query::read(head, &[])?;
        let keys = self.store.get_keys().await?;
        let text = id.to_string();
        let key = event_keys(&keys).find(|key| key.id == text).ok_or(Refusal::Absent("event"))?;
        let value = self.store.get(key.key).await?.ok_or(Refusal::Absent("event"))?;
        checked(&value).map_err(Refusal::Damaged)?;
        Ok(response(StatusCode::OK, "application/cloudevents+json", value))
    }

    async fn remove_events(&self, head: &Parts) -> Result<Response<Vec<u8>>, Refusal> {
        let query = Query::read(head, &["before"])?;
        let before = query.get("before", time)?.ok_or_else(|| Refusal::Query(Problem::of("before", "is missing")))?;
        let keys = self.store.get_keys().await?;
        let (old, remaining) = first(event_keys(&keys).filter(|key| *key.timestamp < *before), MAX_REMOVED);
        for key in &old {
            self.store.delete(key.key).await?;
        }
        Ok(json(&RemovedEvents { events: old.len(), remaining }))
    }

    async fn set_asides(&self, head: &Parts) -> Result<Response<Vec<u8>>, Refusal> {
        let query = Query::read(head, &["site", "limit", "cursor"])?;
        let site = query.site()?;
        let limit = query.limit(20, 100)?;
        let cursor = query.get("cursor", |text| text.parse::<SetAsideKey>())?;
        let keys = self.store.get_keys().await?;
        let wanted = set_aside_keys(&keys)
            .filter(|(_, key)| site.as_ref().is_none_or(|site| *site == key.site))
            .filter(|(_, key)| cursor.as_ref().is_none_or(|cursor| key > cursor))
            .map(|(text, key)| (key, text));
        let (wanted, rest) = first(wanted, limit);
        let wanted: Vec<_> = wanted.into_iter().map(|(_, key)| key.to_owned()).collect();
        drop(keys);
        let read = |value: Vec<u8>| serde_json::from_slice(&value).map_err(|error| error.to_string());
        let Page { values, unreadable, next } = self.page(&wanted, rest > 0, read).await?;
        Ok(json(&SetAsideList { set_aside: values, next, unreadable }))
    }

    async fn remove_set_aside(&self, head: &Parts, id: Id) -> Result<Response<Vec<u8>>, Refusal> {
        Query::read(head, &[])?;
        let key = self.set_aside_key(id).await?;
        self.store.delete(&key.to_string()).await?;
        Ok(response(StatusCode::NO_CONTENT, "", Vec::new()))
    }

    /// Tries a body again by today's rules. Stored first and removed after: whatever happens in between, it is kept.
    async fn retry(&self, head: &Parts, id: Id) -> Result<Response<Vec<u8>>, Refusal> {
        Query::read(head, &[])?;
        let key = self.set_aside_key(id).await?;
        let value = self.store.get(&key.to_string()).await?.ok_or(Refusal::Absent("body"))?;
        let set_aside: SetAside =
            serde_json::from_slice(&value).map_err(|error| Refusal::Damaged(error.to_string()))?;
        let body = set_aside.body.bytes().map_err(|error| Refusal::Damaged(error.to_string()))?;
        let (event_key, record) = self.record(&key.site, &body).map_err(Refusal::StillInvalid)?;
        let kept = store::keep(self.store, &event_key.to_string(), &record).await?;
        self.store.delete(&key.to_string()).await?;
        let result = if kept == Kept::New { "stored" } else { "duplicate" };
        Ok(json(&Retried { result, event_id: event_key.id.to_string() }))
    }

    async fn set_aside_key(&self, id: Id) -> Result<SetAsideKey, Refusal> {
        let keys = self.store.get_keys().await?;
        set_aside_keys(&keys).map(|(_, key)| key).find(|key| key.id == id).ok_or(Refusal::Absent("body"))
    }

    async fn stats(&self, head: &Parts) -> Result<Response<Vec<u8>>, Refusal> {
        Query::read(head, &[])?;
        let keys = self.store.get_keys().await?;
        let mut sites: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
        for key in event_keys(&keys) {
            let (events, last) = sites.entry(key.site).or_default();
            *events += 1;
            *last = (*last).max(key.timestamp);
        }
        let events = sites.values().map(|(events, _)| events).sum();
        let set_aside = set_aside_keys(&keys).count();
        let sites =
            sites.into_iter().map(|(site, (events, last))| SiteStats { site, events, last_event: rfc3339(last) });
        Ok(json(&Stats {
            keys: keys.len(),
            events,
            sessions: Summary::list(event_keys(&keys), affordable(&keys)).ok_or(TOO_MANY_SESSIONS)?.len(),
            set_aside,
            other: keys.len().saturating_sub(events).saturating_sub(set_aside),
            key_budget: self.settings()?.key_budget,
            sites: sites.collect(),
        }))
    }
}

fn event_keys(keys: &[String]) -> impl Iterator<Item = KeyParts<'_>> {
    keys.iter().filter_map(|key| KeyParts::of(key))
}

fn set_aside_keys(keys: &[String]) -> impl Iterator<Item = (&str, SetAsideKey)> {
    keys.iter().filter_map(|key| Some((key.as_str(), key.parse().ok()?)))
}

fn keys_of_session(keys: &[String], site: &Site, lsid: &Lsid) -> Result<Vec<String>, Refusal> {
    let session = keys::OfSession::new(site, lsid);
    let of_session = keys.iter().filter(|key| session.has(key)).take(MAX_SESSION_EVENTS + 1);
    let of_session: Vec<_> = of_session.cloned().collect();
    match of_session.len() {
        0 => Err(Refusal::Absent("session")),
        1..=MAX_SESSION_EVENTS => Ok(of_session),
        _ => Err(Refusal::TooMuch("its events can be read page by page from /api/events")),
    }
}

/// The first `limit`, sorted, and how many more there are. Takes memory for those alone.
fn first<T: Ord>(all: impl Iterator<Item = T>, limit: usize) -> (Vec<T>, usize) {
    let (mut first, mut rest) = (BinaryHeap::new(), 0);
    for one in all {
        if first.len() < limit {
            first.push(one);
            continue;
        }
        rest += 1;
        if let Some(mut last) = first.peek_mut().filter(|last| one < **last) {
            *last = one;
        }
    }
    (first.into_sorted_vec(), rest)
}

/// How many sessions can be listed beside these keys.
fn affordable(keys: &[String]) -> usize {
    let taken: usize = keys.iter().map(|key| key.len() + KEY_COST).sum();
    MEMORY.saturating_sub(taken) / Summary::COST
}

const TOO_MANY_SESSIONS: Refusal =
    Refusal::TooMuch("remove old events (DELETE /api/events?before=…), or read them from /api/events");

/// The record and the event of a value, or why it is none.
fn checked(value: &[u8]) -> Result<(Record, Event), String> {
    let record: Record = serde_json::from_slice(value).map_err(|error| error.to_string())?;
    let event = record.data.event().map_err(|problems| problems.to_string())?;
    Ok((record, event))
}

/// Whether a body names a session: as a form's variable, or anywhere as a word that is too long to be there by chance.
fn names(set_aside: &SetAside, lsid: &Lsid) -> bool {
    let Ok(body) = set_aside.body.bytes() else { return false };
    let text = String::from_utf8_lossy(&body);
    let lsid = lsid.as_str();
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(&text).unwrap_or_default();
    let named = |(name, value): &(String, String)| matches!(name.as_str(), "lsid" | "Isid" | "isid") && value == lsid;
    let word = |c: char| !c.is_ascii_alphanumeric() && !lsid.contains(c);
    pairs.iter().any(named) || (is_rare(lsid) && text.split(word).any(|found| found == lsid))
}

/// Whether a text is not likely to be a word or a number of something else.
fn is_rare(lsid: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| lsid.bytes().any(|b| kind(&b));
    lsid.len() >= 12 && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
}

/// The parameters of a request's query: each is known, and given once.
struct Query(BTreeMap<String, String>);

impl Query {
    fn read(head: &Parts, known: &[&str]) -> Result<Self, Refusal> {
        let pairs: Vec<(String, String)> =
            serde_urlencoded::from_str(head.uri.query().unwrap_or_default()).unwrap_or_default();
        let mut query = BTreeMap::new();
        for (name, value) in pairs {
            let reason = match known.contains(&name.as_str()) {
                false if known.is_empty() => "is no parameter of this path, which has none".to_owned(),
                false => format!("is no parameter of this path, which has {}", known.join(", ")),
                true if query.contains_key(&name) => "is given twice".to_owned(),
                true => {
                    query.insert(name, value);
                    continue;
                }
            };
            return Err(Refusal::Query(Problem::of(&name, reason)));
        }
        Ok(Self(query))
    }

    fn get<T, E: Display>(&self, name: &str, read: impl Fn(&str) -> Result<T, E>) -> Result<Option<T>, Refusal> {
        let value = self.0.get(name).map(|value| read(value));
        value.transpose().map_err(|reason| Refusal::Query(Problem::of(name, reason.to_string())))
    }

    fn site(&self) -> Result<Option<Site>, Refusal> {
        self.get("site", |text| Site::parse(text).ok_or("is not 1 to 32 characters of A-Z, a-z, 0-9 and -"))
    }

    fn limit(&self, default: usize, max: usize) -> Result<usize, Refusal> {
        let read = |text: &str| {
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            let limit = text.parse().ok().filter(|limit| digits && (1..=max).contains(limit));
            limit.ok_or_else(|| format!("is not a number from 1 to {max}"))
        };
        Ok(self.get("limit", read)?.unwrap_or(default))
    }

    fn window(&self) -> Result<Window, Refusal> {
        Ok(Window { from: self.get("from", time)?, to: self.get("to", time)? })
    }

    /// The same query for the next page.
    fn with_cursor(&self, cursor: &str) -> String {
        let mut query = self.0.clone();
        query.insert("cursor".to_owned(), cursor.to_owned());
        serde_urlencoded::to_string(query).unwrap_or_default()
    }
}

/// From a time, itself included, to a time, itself not. As keys have times, which sort as they do.
struct Window {
    from: Option<String>,
    to: Option<String>,
}

impl Window {
    fn holds(&self, timestamp: &str) -> bool {
        self.from.as_deref().is_none_or(|from| from <= timestamp) && self.to.as_deref().is_none_or(|to| timestamp < to)
    }
}

/// A time as keys have it, from RFC 3339, or from a day, which begins at midnight in UTC.
fn time(text: &str) -> Result<String, &'static str> {
    let read = |text: &str| DateTime::parse_from_rfc3339(text).ok();
    let moment = if text.len() == 10 { read(&format!("{text}T00:00:00Z")) } else { read(text) };
    let seconds = moment.and_then(|time| u64::try_from(time.timestamp()).ok());
    let time = seconds.and_then(Timestamp::from_seconds).map(keys::timestamp);
    time.ok_or("is neither a day such as 2026-01-31 nor a time such as 2026-01-31T12:00:00Z, from 1970 to 9999")
}

/// The place of a session in the list, as text: where a page ended.
struct SessionCursor {
    first: String,
    site: Site,
    lsid: String,
}

impl SessionCursor {
    fn text(last: &Summary) -> String {
        format!("{}.{}.{}", last.first, last.site, last.lsid)
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        const RULE: &str = "is not the cursor of a page of sessions";
        let mut parts = text.splitn(3, '.');
        let mut part = || parts.next().ok_or(RULE);
        let (first, site, lsid) = (part()?, part()?, part()?);
        keys::read_timestamp(first).map_err(|_| RULE)?;
        keys::read_lsid(lsid).map_err(|_| RULE)?;
        let site = Site::parse(site).ok_or(RULE)?;
        Ok(Self { first: first.to_owned(), site, lsid: lsid.to_owned() })
    }

    fn place(&self) -> (std::cmp::Reverse<&str>, &str, &str) {
        (std::cmp::Reverse(&self.first), self.site.as_str(), &self.lsid)
    }
}

const NO_EVENT_CURSOR: &str = "is not the cursor of a page of events";

#[derive(Serialize)]
struct SessionList<'a> {
    sessions: Vec<SessionRow<'a>>,
    next: Option<String>,
}

#[derive(Serialize)]
struct SessionRow<'a> {
    site: &'a str,
    lsid: String,
    state: State,
    first_event: String,
    last_event: String,
    events: u64,
}

impl<'a> SessionRow<'a> {
    fn of(session: &Summary<'a>) -> Option<Self> {
        Some(Self {
            site: session.site,
            lsid: keys::read_lsid(session.lsid).ok()?.as_str().to_owned(),
            state: session.state(),
            first_event: rfc3339(session.first),
            last_event: rfc3339(session.last),
            events: session.events,
        })
    }
}

fn rfc3339(timestamp: &str) -> String {
    keys::read_timestamp(timestamp).map(Timestamp::rfc3339).unwrap_or_default()
}

#[derive(Serialize)]
struct SessionDetail<'a> {
    site: &'a str,
    lsid: &'a str,
    #[serde(flatten)]
    timeline: Timeline,
    events: Vec<Record>,
    unreadable: Vec<Unreadable>,
}

/// A value that is not what its key says. It is left where it is.
#[derive(Serialize)]
struct Unreadable {
    key: String,
    reason: String,
}

#[derive(Serialize)]
struct RemovedSession {
    events: usize,
    set_aside: usize,
    remaining: usize,
}

#[derive(Serialize)]
struct RemovedEvents {
    events: usize,
    remaining: usize,
}

#[derive(Serialize)]
struct SetAsideList {
    set_aside: Vec<SetAside>,
    next: Option<String>,
    unreadable: Vec<Unreadable>,
}

#[derive(Serialize)]
struct Retried {
    result: &'static str,
    event_id: String,
}

#[derive(Serialize)]
struct Stats<'a> {
    keys: usize,
    events: usize,
    sessions: usize,
    set_aside: usize,
    other: usize,
    key_budget: Option<u64>,
    sites: Vec<SiteStats<'a>>,
}

#[derive(Serialize)]
struct SiteStats<'a> {
    site: &'a str,
    events: usize,
    last_event: String,
}

/// A part of a list, and the key that it ended with if there is more.
struct Page<T> {
    values: Vec<T>,
    unreadable: Vec<Unreadable>,
    next: Option<String>,
}

/// A CloudEvents batch, or one event a line if that is asked for. The next page, and how many records could not be read,
/// stand in headers: neither format has a place for them.
fn events_response(head: &Parts, page: Page<Vec<u8>>, query: &Query) -> Response<Vec<u8>> {
    let mut response = if wants_lines(head) {
        let lines: Vec<u8> = page.values.into_iter().flat_map(|value| [value, b"\n".to_vec()].concat()).collect();
        response(StatusCode::OK, "application/x-ndjson", lines)
    } else {
        let mut batch = vec![b'['];
        for (index, value) in page.values.into_iter().enumerate() {
            batch.extend((index > 0).then_some(b','));
            batch.extend(value);
        }
        batch.push(b']');
        response(StatusCode::OK, "application/cloudevents-batch+json", batch)
    };
    let next = page.next.map(|cursor| format!("</api/events?{}>; rel=\"next\"", query.with_cursor(&cursor)));
    if let Some(link) = next.and_then(|link| HeaderValue::try_from(link).ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
    if !page.unreadable.is_empty() {
        response.headers_mut().insert("unreadable-records", HeaderValue::from(page.unreadable.len()));
    }
    response
}

fn wants_lines(head: &Parts) -> bool {
    let accept = head.headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accept.flat_map(|value| value.split(',')).any(|range| {
        let media_type = range.split(';').next().unwrap_or_default().trim();
        ["application/x-ndjson", "application/ndjson"].iter().any(|lines| media_type.eq_ignore_ascii_case(lines))
    })
}

fn json(body: &impl Serialize) -> Response<Vec<u8>> {
    json_response(StatusCode::OK, "application/json", body)
}

fn response(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Vec<u8>> {
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(body);
    *response.status_mut() = status;
    if !content_type.is_empty() {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response.headers_mut().insert(header::CONTENT_LENGTH, length);
    }
    response
}
