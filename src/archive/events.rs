//! Reads events: pages of them with the oldest first, all of one session, and one by its id.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{EventName, Lsid, Timestamp};
use crate::gather::gather;
use crate::identity::{Id, Site};
use crate::keys::{self, Finds, KeyParts, PackKey, SessionKeys};
use crate::store::Store;

use super::index::{self, EventIndex};
use super::pack::RecordEntry;
use super::view::{ReadError, View};

/// The most packs that one answer reads. Then the page ends, even if it is not full.
const MAX_PACKS: usize = 24;

/// The position of an event in the list: its time, then its key.
pub type EventPosition = (Timestamp, String);

/// The end of a page: at an event, or before all events of a second.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventsCursor(EventPosition);

impl EventsCursor {
    /// Parses the text that its `Display` writes.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const RULE: &str = "is not the cursor of a page of events";
        if let Ok(time) = keys::read_timestamp(text) {
            return Ok(Self((time, String::new())));
        }
        let time = KeyParts::split(text).and_then(|parts| parts.time()).ok_or(RULE)?;
        Ok(Self((time, text.to_owned())))
    }
}

impl std::fmt::Display for EventsCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self((time, key)) if key.is_empty() => f.write_str(&keys::timestamp(*time)),
            Self((_, key)) => f.write_str(key),
        }
    }
}

/// The filter of a list of events, and the size of a page.
#[derive(Clone, Debug)]
pub struct EventsQuery {
    /// Only events of this site.
    pub site: Option<Site>,
    /// Only events of this name.
    pub event: Option<EventName>,
    /// Only events of this time or later.
    pub from: Option<Timestamp>,
    /// Only events before this time.
    pub to: Option<Timestamp>,
    /// Only events after the end of an earlier page.
    pub after: Option<EventsCursor>,
    /// The most events of a page.
    pub limit: usize,
    /// The most bytes of a page's records. A page has at least one record, whatever its size.
    pub max_bytes: usize,
}

impl EventsQuery {
    fn matches(&self, time: Timestamp, site: &str, is_event: impl FnOnce(&EventName) -> bool) -> bool {
        self.from.is_none_or(|from| from <= time)
            && self.to.is_none_or(|to| time < to)
            && self.site.as_ref().is_none_or(|own| own.as_str() == site)
            && self.event.as_ref().is_none_or(is_event)
    }

    fn is_after(&self, time: Timestamp, key: &str) -> bool {
        self.after
            .as_ref()
            .is_none_or(|EventsCursor((last_time, last_key))| (*last_time, last_key.as_str()) < (time, key))
    }

    /// Whether a pack can hold a matching event, according to its key.
    fn can_match(&self, pack: &PackKey) -> bool {
        self.site.as_ref().is_none_or(|site| *site == pack.site)
            && self.from.is_none_or(|from| from <= pack.last)
            && self.to.is_none_or(|to| pack.first < to)
            && self.after.as_ref().is_none_or(|EventsCursor((time, _))| *time <= pack.last)
    }
}

/// A page of events.
#[derive(Clone, Debug)]
pub struct EventsPage {
    /// The events, oldest first.
    pub events: Vec<RecordEntry>,
    /// The cursor of the next page. `None` if this is the last one.
    pub next: Option<EventsCursor>,
}

/// An event that can be on the page: its packed record, if one was found, and whether there is a loose one.
#[derive(Default)]
struct Candidate {
    packed: Option<RecordEntry>,
    loose: bool,
}

/// The first matching events: as many as fit the page, and one more.
struct PageCandidates {
    candidates: BTreeMap<EventPosition, Candidate>,
    bytes: usize,
    limit: usize,
    max_bytes: usize,
    /// Whether a later event was left out.
    left_out: bool,
}

impl PageCandidates {
    /// Whether an event at this position would be left out.
    fn is_beyond(&self, position: &EventPosition) -> bool {
        let full = self.candidates.len() > self.limit || self.bytes > self.max_bytes;
        full && self.candidates.last_key_value().is_some_and(|(last, _)| position > last)
    }

    fn add(&mut self, position: EventPosition, entry: Option<RecordEntry>) {
        let candidate = self.candidates.entry(position).or_default();
        match entry {
            None => candidate.loose = true,
            Some(entry) if candidate.packed.as_ref().is_none_or(|known| entry.recorded < known.recorded) => {
                self.bytes += entry.value.len();
                self.bytes -= candidate.packed.replace(entry).map_or(0, |old| old.value.len());
            }
            Some(_) => {}
        }
        // The last candidate stays as long as those before it do not fill the page.
        while let Some(last) = self.candidates.last_entry() {
            let bytes = last.get().packed.as_ref().map_or(0, |entry| entry.value.len());
            if self.candidates.len() <= self.limit + 1 && self.bytes - bytes <= self.max_bytes {
                break;
            }
            self.bytes -= bytes;
            self.candidates.pop_last();
            self.left_out = true;
        }
    }
}

/// Lists events.
pub async fn list_events<S: Store>(view: &mut View<'_, S>, query: &EventsQuery) -> Result<EventsPage, ReadError> {
    list_within(view, query, None).await
}

/// Lists events of the sessions with this lsid: of one session if [`EventsQuery::site`] is given. Reads only packs that
/// hold events of them.
pub async fn list_events_of_session<S: Store>(
    view: &mut View<'_, S>,
    query: &EventsQuery,
    lsid: &Lsid,
) -> Result<EventsPage, ReadError> {
    list_within(view, query, Some(lsid)).await
}

async fn list_within<S: Store>(
    view: &mut View<'_, S>,
    query: &EventsQuery,
    lsid: Option<&Lsid>,
) -> Result<EventsPage, ReadError> {
    let lsid_part = lsid.map(keys::lsid);
    let mut first = PageCandidates {
        candidates: BTreeMap::new(),
        bytes: 0,
        limit: query.limit,
        max_bytes: query.max_bytes,
        left_out: false,
    };
    for parts in view.listing.loose.iter().filter_map(|key| KeyParts::split(key)) {
        let Some(time) = parts.time() else { continue };
        if lsid_part.as_ref().is_some_and(|lsid| lsid != parts.lsid) {
            continue;
        }
        if query.matches(time, parts.site, |event| parts.is_named(event)) && query.is_after(time, parts.key) {
            let position = (time, parts.key.to_owned());
            if first.is_beyond(&position) { first.left_out = true } else { first.add(position, None) }
        }
    }
    let unread = read_packs(view, query, lsid, &mut first).await?;
    make_page(view, query, first, unread).await
}

/// Reads packs in the order of their first times, until the page is full or [`MAX_PACKS`] were read. In the second
/// case, returns the first time of the next pack.
async fn read_packs<S: Store>(
    view: &mut View<'_, S>,
    query: &EventsQuery,
    lsid: Option<&Lsid>,
    first: &mut PageCandidates,
) -> Result<Option<Timestamp>, ReadError> {
    let mut packs = view.listing.packs.clone();
    if let Some(lsid) = lsid {
        let sites: BTreeSet<Site> = gather(packs.drain(..).map(|pack| pack.site));
        for site in sites.iter().filter(|site| query.site.as_ref().is_none_or(|own| own == *site)) {
            packs.extend(packs_of_session(view, site, lsid).await?);
        }
    }
    packs.retain(|pack| query.can_match(pack));
    packs.sort_unstable_by_key(|pack| pack.first);
    for (number, pack) in packs.iter().enumerate() {
        if first.is_beyond(&(pack.first, String::new())) {
            first.left_out = true;
            return Ok(None);
        }
        // The cursor of the next page must advance, or a client that follows it would never reach the end.
        let advances = query.after.as_ref().is_none_or(|EventsCursor((time, _))| *time < pack.first);
        let begun = packs.first().is_some_and(|first| first.first < pack.first);
        if number >= MAX_PACKS && advances && begun {
            return Ok(Some(pack.first));
        }
        view.each_entry(pack, |entry| {
            let position = (entry.key.timestamp, entry.key.to_string());
            if first.is_beyond(&position) {
                first.left_out = true;
                return false;
            }
            let event = |event: &EventName| entry.key.event == *event;
            let site = entry.key.site.as_str();
            if lsid.is_some_and(|lsid| entry.key.lsid.as_ref() != Some(lsid)) {
                return true;
            }
            if query.matches(position.0, site, event) && query.is_after(position.0, &position.1) {
                first.add(position, Some(entry));
            }
            true
        })
        .await?;
    }
    Ok(None)
}

/// Makes the page of its candidates, and reads the loose records. `unread` is the first time of the packs that were not
/// read.
async fn make_page<S: Store>(
    view: &mut View<'_, S>,
    query: &EventsQuery,
    first: PageCandidates,
    unread: Option<Timestamp>,
) -> Result<EventsPage, ReadError> {
    let (mut events, mut bytes, mut last) = (Vec::new(), 0, None);
    let mut more = first.left_out;
    for (number, (position, candidate)) in first.candidates.into_iter().enumerate() {
        if number == query.limit || unread.is_some_and(|unread| position.0 >= unread) {
            more = true;
            break;
        }
        let loose = if candidate.loose { view.loose(&position.1).await? } else { None };
        let entry = [candidate.packed, loose].into_iter().flatten().min_by_key(|entry| entry.recorded);
        let size = entry.as_ref().map_or(0, |entry| entry.value.len());
        if bytes + size > query.max_bytes && last.is_some() {
            more = true;
            break;
        }
        bytes += size;
        last = Some(position);
        events.extend(entry);
    }
    let next = match unread {
        // The page has all events before that time, unless it was full earlier.
        Some(unread) if last.is_none() || events.len() < query.limit && bytes <= query.max_bytes => {
            Some(EventsCursor((unread, String::new())))
        }
        _ => last.filter(|_| more || unread.is_some()).map(EventsCursor),
    };
    Ok(EventsPage { events, next })
}

/// All records of a session in the order of their keys. Unreadable records are noted. `None` if there are more than
/// `most` records or `max_bytes` bytes.
pub async fn records_of_session<S: Store>(
    view: &mut View<'_, S>,
    site: &Site,
    lsid: &Lsid,
    most: usize,
    max_bytes: usize,
) -> Result<Option<Vec<RecordEntry>>, ReadError> {
    let session = SessionKeys::new(site, lsid);
    let mut found: BTreeMap<String, RecordEntry> = BTreeMap::new();
    let mut bytes = 0;
    for pack in packs_of_session(view, site, lsid).await? {
        for entry in view.entries(&pack, |entry| entry.key.lsid.as_ref() == Some(lsid)).await? {
            bytes += entry.value.len();
            keep_first(&mut found, entry);
        }
        if found.len() > most || bytes > max_bytes {
            return Ok(None);
        }
    }
    let loose: Vec<_> = view.listing.loose.iter().filter(|key| session.matches(key)).take(most + 1).cloned().collect();
    if found.len() + loose.len() > most {
        return Ok(None);
    }
    for key in loose {
        let Some(entry) = view.loose(&key).await? else { continue };
        bytes += entry.value.len();
        if bytes > max_bytes {
            return Ok(None);
        }
        keep_first(&mut found, entry);
    }
    Ok(Some(found.into_values().collect()))
}

/// Adds a record. Of two records under one key, the one recorded first counts.
pub(super) fn keep_first(entries: &mut BTreeMap<String, RecordEntry>, entry: RecordEntry) {
    match entries.entry(entry.key.to_string()) {
        std::collections::btree_map::Entry::Vacant(slot) => _ = slot.insert(entry),
        std::collections::btree_map::Entry::Occupied(mut slot) if entry.recorded < slot.get().recorded => {
            slot.insert(entry);
        }
        std::collections::btree_map::Entry::Occupied(_) => {}
    }
}

/// The packs with records of a session, according to indexes. Reads the heads of packs that no index covers.
pub(super) async fn packs_of_session<S: Store>(
    view: &mut View<'_, S>,
    site: &Site,
    lsid: &Lsid,
) -> Result<Vec<PackKey>, ReadError> {
    let packs: Vec<_> = view.listing.packs.iter().filter(|pack| pack.site == *site).cloned().collect();
    if packs.is_empty() {
        return Ok(packs);
    }
    let (indexes, hash) = (view.hash_indexes(Finds::Sessions).await?, index::session_hash(site, lsid));
    let indexed: BTreeSet<_> = gather(indexes.iter().flat_map(|index| index.find(hash)).cloned());
    let mut unindexed: BTreeSet<_> = gather(packs.iter().cloned());
    for (pack, _) in indexes.iter().flat_map(|index| &index.packs) {
        unindexed.remove(pack);
    }
    let mut found = Vec::new();
    for pack in packs {
        let holds = if unindexed.contains(&pack) {
            view.head(&pack).await?.is_some_and(|head| head.session(lsid).is_some())
        } else {
            indexed.contains(&pack)
        };
        found.extend(holds.then_some(pack));
    }
    Ok(found)
}

/// The event with this id.
pub async fn find_event<S: Store>(view: &mut View<'_, S>, id: Id) -> Result<Option<RecordEntry>, ReadError> {
    let text = id.to_string();
    let loose = view.listing.loose.iter().find(|key| key.ends_with(&text)).cloned();
    let mut found = match loose {
        Some(key) => view.loose(&key).await?,
        None => None,
    };
    for pack in packs_of_event(view, id).await? {
        let packed = view.entries(&pack, |entry| entry.key.id == id).await?;
        found = found.into_iter().chain(packed).min_by_key(|entry| entry.recorded);
    }
    Ok(found)
}

/// The packs that can hold an event.
async fn packs_of_event<S: Store>(view: &mut View<'_, S>, id: Id) -> Result<Vec<PackKey>, ReadError> {
    let mut unindexed: BTreeSet<_> = gather(view.listing.packs.iter().cloned());
    let mut found = Vec::new();
    if unindexed.is_empty() {
        return Ok(found);
    }
    for key in view.indexes(Finds::Events) {
        let Some(index) = view.store.get(&key).await?.and_then(EventIndex::parse) else { continue };
        for (pack, can_hold) in index.find(id.short()) {
            if unindexed.remove(pack) && can_hold {
                found.push(pack.clone());
            }
        }
    }
    for pack in unindexed {
        let holds = view.head(&pack).await?.is_some_and(|head| head.ids().any(|short| short == id.short()));
        found.extend(holds.then_some(pack));
    }
    Ok(found)
}
