//! Events: pages of them oldest first, those of one session, and one by its id.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{EventName, Lsid, Timestamp};
use crate::gather::gather;
use crate::identity::{Id, Site};
use crate::keys::{self, Finds, KeyParts, OfSession, PackKey};
use crate::store::Store;

use super::index::{self, EventIndex};
use super::pack::RecordEntry;
use super::view::{ReadError, View};

/// How many packs one answer reads before it ends with what it has.
const MAX_PACKS: usize = 24;

/// Where an event stands among all: by its time, and by its key among those of one second.
pub type EventPosition = (Timestamp, String);

/// Where a page ended: at an event, or before all events of a second.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventsCursor(EventPosition);

impl EventsCursor {
    /// Reads what [`EventsCursor::to_string`] writes.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const RULE: &str = "is not the cursor of a page of events";
        if let Ok(time) = keys::read_timestamp(text) {
            return Ok(Self((time, String::new())));
        }
        let time = KeyParts::of(text).and_then(|parts| parts.time()).ok_or(RULE)?;
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

/// Which events are wanted.
#[derive(Clone, Debug)]
pub struct EventsQuery {
    /// Those of one site.
    pub site: Option<Site>,
    /// Those of one name.
    pub event: Option<EventName>,
    /// Those of that time or later.
    pub from: Option<Timestamp>,
    /// Those before.
    pub to: Option<Timestamp>,
    /// Those after where a page ended.
    pub after: Option<EventsCursor>,
    /// At most so many.
    pub limit: usize,
    /// No more than so many bytes of records, but one in any case.
    pub max_bytes: usize,
}

impl EventsQuery {
    fn wants(&self, time: Timestamp, site: &str, is_event: impl FnOnce(&EventName) -> bool) -> bool {
        self.from.is_none_or(|from| from <= time)
            && self.to.is_none_or(|to| time < to)
            && self.site.as_ref().is_none_or(|wanted| wanted.as_str() == site)
            && self.event.as_ref().is_none_or(is_event)
    }

    fn is_after(&self, time: Timestamp, key: &str) -> bool {
        self.after
            .as_ref()
            .is_none_or(|EventsCursor((last_time, last_key))| (*last_time, last_key.as_str()) < (time, key))
    }

    /// Whether a pack may hold any.
    fn may_be_in(&self, pack: &PackKey) -> bool {
        self.site.as_ref().is_none_or(|site| *site == pack.site)
            && self.from.is_none_or(|from| from <= pack.last)
            && self.to.is_none_or(|to| pack.first < to)
            && self.after.as_ref().is_none_or(|EventsCursor((time, _))| *time <= pack.last)
    }
}

/// A part of all events.
#[derive(Clone, Debug)]
pub struct EventsPage {
    /// The events, oldest first.
    pub events: Vec<RecordEntry>,
    /// Where the next page begins, if there may be one.
    pub next: Option<EventsCursor>,
}

/// What may be on the page: what is found of it in packs, and whether there is a loose record.
#[derive(Default)]
struct Candidate {
    packed: Option<RecordEntry>,
    loose: bool,
}

/// The first events that are wanted, and not many more.
struct PageCandidates {
    candidates: BTreeMap<EventPosition, Candidate>,
    bytes: usize,
    limit: usize,
    max_bytes: usize,
    /// Whether one was left out because it comes later.
    left_out: bool,
}

impl PageCandidates {
    /// Whether one at that place would be left out.
    fn is_beyond(&self, place: &EventPosition) -> bool {
        let full = self.candidates.len() > self.limit || self.bytes > self.max_bytes;
        full && self.candidates.last_key_value().is_some_and(|(last, _)| place > last)
    }

    fn add(&mut self, place: EventPosition, entry: Option<RecordEntry>) {
        let candidate = self.candidates.entry(place).or_default();
        match entry {
            None => candidate.loose = true,
            Some(entry) if candidate.packed.as_ref().is_none_or(|known| entry.recorded < known.recorded) => {
                self.bytes += entry.value.len();
                self.bytes -= candidate.packed.replace(entry).map_or(0, |old| old.value.len());
            }
            Some(_) => {}
        }
        // The last one stays as long as those before it do not fill the page.
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
pub async fn list_events<S: Store>(view: &mut View<'_, S>, wanted: &EventsQuery) -> Result<EventsPage, ReadError> {
    list_within(view, wanted, None).await
}

/// Lists events of the sessions with that lsid: one, where [`EventsQuery::site`] is given. Reads only packs that hold something of them.
pub async fn list_events_of_session<S: Store>(
    view: &mut View<'_, S>,
    wanted: &EventsQuery,
    lsid: &Lsid,
) -> Result<EventsPage, ReadError> {
    list_within(view, wanted, Some(lsid)).await
}

async fn list_within<S: Store>(
    view: &mut View<'_, S>,
    wanted: &EventsQuery,
    lsid: Option<&Lsid>,
) -> Result<EventsPage, ReadError> {
    let written = lsid.map(keys::lsid);
    let mut first = PageCandidates {
        candidates: BTreeMap::new(),
        bytes: 0,
        limit: wanted.limit,
        max_bytes: wanted.max_bytes,
        left_out: false,
    };
    for parts in view.listing.loose.iter().filter_map(|key| KeyParts::of(key)) {
        let Some(time) = parts.time() else { continue };
        if written.as_ref().is_some_and(|lsid| lsid != parts.lsid) {
            continue;
        }
        if wanted.wants(time, parts.site, |event| parts.is(event)) && wanted.is_after(time, parts.key) {
            let place = (time, parts.key.to_owned());
            if first.is_beyond(&place) { first.left_out = true } else { first.add(place, None) }
        }
    }
    let unread = read_packs(view, wanted, lsid, &mut first).await?;
    page(view, wanted, first, unread).await
}

/// Reads packs from the one that begins first, until the page is full, or there are many. The beginning of the first that was
/// not read, if that is so.
async fn read_packs<S: Store>(
    view: &mut View<'_, S>,
    wanted: &EventsQuery,
    lsid: Option<&Lsid>,
    first: &mut PageCandidates,
) -> Result<Option<Timestamp>, ReadError> {
    let mut packs = view.listing.packs.clone();
    if let Some(lsid) = lsid {
        let sites: BTreeSet<Site> = gather(packs.drain(..).map(|pack| pack.site));
        for site in sites.iter().filter(|site| wanted.site.as_ref().is_none_or(|wanted| wanted == *site)) {
            packs.extend(packs_of_session(view, site, lsid).await?);
        }
    }
    packs.retain(|pack| wanted.may_be_in(pack));
    packs.sort_unstable_by_key(|pack| pack.first);
    for (number, pack) in packs.iter().enumerate() {
        if first.is_beyond(&(pack.first, String::new())) {
            first.left_out = true;
            return Ok(None);
        }
        // An answer that would end where it began would never come to an end.
        let advances = wanted.after.as_ref().is_none_or(|EventsCursor((time, _))| *time < pack.first);
        let begun = packs.first().is_some_and(|first| first.first < pack.first);
        if number >= MAX_PACKS && advances && begun {
            return Ok(Some(pack.first));
        }
        view.each(pack, |entry| {
            let key = entry.key.to_string();
            let place = (entry.key.timestamp, key);
            if first.is_beyond(&place) {
                first.left_out = true;
                return false;
            }
            let event = |event: &EventName| entry.key.event == *event;
            let site = entry.key.site.as_str();
            if lsid.is_some_and(|lsid| entry.key.lsid.as_ref() != Some(lsid)) {
                return true;
            }
            if wanted.wants(place.0, site, event) && wanted.is_after(place.0, &place.1) {
                first.add(place, Some(entry));
            }
            true
        })
        .await?;
    }
    Ok(None)
}

/// The page, its loose records read. `unread` is the beginning of packs that were not read.
async fn page<S: Store>(
    view: &mut View<'_, S>,
    wanted: &EventsQuery,
    first: PageCandidates,
    unread: Option<Timestamp>,
) -> Result<EventsPage, ReadError> {
    let (mut events, mut bytes, mut last) = (Vec::new(), 0, None);
    let mut more = first.left_out;
    for (number, (place, candidate)) in first.candidates.into_iter().enumerate() {
        if number == wanted.limit || unread.is_some_and(|unread| place.0 >= unread) {
            more = true;
            break;
        }
        let loose = if candidate.loose { view.loose(&place.1).await? } else { None };
        let entry = [candidate.packed, loose].into_iter().flatten().min_by_key(|entry| entry.recorded);
        let size = entry.as_ref().map_or(0, |entry| entry.value.len());
        if bytes + size > wanted.max_bytes && last.is_some() {
            more = true;
            break;
        }
        bytes += size;
        last = Some(place);
        events.extend(entry);
    }
    let next = match unread {
        // All before that time is on the page, unless the page ended earlier.
        Some(unread) if last.is_none() || events.len() < wanted.limit && bytes <= wanted.max_bytes => {
            Some(EventsCursor((unread, String::new())))
        }
        _ => last.filter(|_| more || unread.is_some()).map(EventsCursor),
    };
    Ok(EventsPage { events, next })
}

/// All records of a session, in the order of their keys; those that cannot be read are noted. `None` if there are more than
/// `most`, or more than `max_bytes` of them.
pub async fn records_of_session<S: Store>(
    view: &mut View<'_, S>,
    site: &Site,
    lsid: &Lsid,
    most: usize,
    max_bytes: usize,
) -> Result<Option<Vec<RecordEntry>>, ReadError> {
    let session = OfSession::new(site, lsid);
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
    let loose: Vec<_> = view.listing.loose.iter().filter(|key| session.has(key)).take(most + 1).cloned().collect();
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

/// Of two records under one key, the one that was recorded first counts.
pub(super) fn keep_first(entries: &mut BTreeMap<String, RecordEntry>, entry: RecordEntry) {
    match entries.entry(entry.key.to_string()) {
        std::collections::btree_map::Entry::Vacant(place) => _ = place.insert(entry),
        std::collections::btree_map::Entry::Occupied(mut place) if entry.recorded < place.get().recorded => {
            place.insert(entry);
        }
        std::collections::btree_map::Entry::Occupied(_) => {}
    }
}

/// The packs that hold something of a session, as indexes tell, and for those that no index speaks of as their heads do.
pub(super) async fn packs_of_session<S: Store>(
    view: &mut View<'_, S>,
    site: &Site,
    lsid: &Lsid,
) -> Result<Vec<PackKey>, ReadError> {
    let packs: Vec<_> = view.listing.packs.iter().filter(|pack| pack.site == *site).cloned().collect();
    if packs.is_empty() {
        return Ok(packs);
    }
    let (indexes, hash) = (view.session_indexes().await?, index::session_hash(site, lsid));
    let told: BTreeSet<_> = gather(indexes.iter().flat_map(|index| index.find(hash)).cloned());
    let mut unasked: BTreeSet<_> = gather(packs.iter().cloned());
    for pack in indexes.iter().flat_map(|index| &index.packs) {
        unasked.remove(&pack.key);
    }
    let mut found = Vec::new();
    for pack in packs {
        let holds = if unasked.contains(&pack) {
            view.head(&pack).await?.is_some_and(|head| head.session(lsid).is_some())
        } else {
            told.contains(&pack)
        };
        found.extend(holds.then_some(pack));
    }
    Ok(found)
}

/// The event of an id, if there is one.
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

/// The packs that may hold an event.
async fn packs_of_event<S: Store>(view: &mut View<'_, S>, id: Id) -> Result<Vec<PackKey>, ReadError> {
    let mut unasked: BTreeSet<_> = gather(view.listing.packs.iter().cloned());
    let mut found = Vec::new();
    if unasked.is_empty() {
        return Ok(found);
    }
    for key in view.indexes(Finds::Events) {
        let Some(index) = view.store.get(&key).await?.and_then(EventIndex::parse) else { continue };
        for (pack, may) in index.find(id.short()) {
            if unasked.remove(pack) && may {
                found.push(pack.clone());
            }
        }
    }
    for pack in unasked {
        let holds = view.head(&pack).await?.is_some_and(|head| head.ids().any(|short| short == id.short()));
        found.extend(holds.then_some(pack));
    }
    Ok(found)
}
