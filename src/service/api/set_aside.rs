//! Bodies that are not valid events: listed, retried, removed.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use http::request::Parts;
use http::{Response, StatusCode};
use serde::Serialize;

use super::naming::Naming;
use super::query::Query;
use super::responses::{MAX_PAGE_BYTES, json, response};
use crate::archive::retention::first_seen;
use crate::archive::{Listing, Unreadable};
use crate::event::Lsid;
use crate::identity::{Id, Site};
use crate::keys::SetAsideKey;
use crate::platform::Platform;
use crate::record::Record;
use crate::service::answer::{FollowUp, Service};
use crate::service::problem::Refusal;
use crate::set_aside::SetAside;
use crate::store::{Kept, Store};

impl<P: Platform> Service<'_, P> {
    /// Lists bodies, newest first. The time is only in the value, so all values are read, one at a time.
    pub(super) async fn set_asides(&self, head: &Parts) -> Result<Response<Vec<u8>>, Refusal> {
        let query = Query::parse(head, &["site", "limit", "cursor"])?;
        let (site, limit) = (query.site()?, query.limit(20, 100)?);
        let cursor = query.get("cursor", SetAsideCursor::parse)?;
        let (mut places, mut unreadable) = (BTreeSet::new(), BTreeSet::new());
        for key in Listing::load(self.platform.store()).await?.set_aside {
            if site.as_ref().is_some_and(|site| *site != key.site) {
                continue;
            }
            let Some(value) = self.platform.store().get(&key.to_string()).await? else { continue };
            match first_seen(&value) {
                Ok(seen) => _ = places.insert(SetAsideCursor(Reverse(seen), key)),
                Err(reason) => Unreadable::note(&mut unreadable, key, reason),
            }
        }
        let (mut set_aside, mut bytes, mut last, mut more) = (Vec::new(), 0, None, false);
        for place in places.into_iter().filter(|place| cursor.as_ref().is_none_or(|cursor| place > cursor)) {
            let value = self.platform.store().get(&place.1.to_string()).await?.unwrap_or_default();
            bytes += value.len();
            more = set_aside.len() == limit || (bytes > MAX_PAGE_BYTES && last.is_some());
            if more {
                break;
            }
            // Leave out a body that was removed meanwhile.
            set_aside.extend(serde_json::from_slice::<SetAside>(&value).ok());
            last = Some(place);
        }
        let next = last.filter(|_| more).map(|place| place.to_string());
        Ok(json(&SetAsideList { set_aside, next, unreadable }))
    }

    pub(super) async fn remove_set_aside(&self, head: &Parts, id: Id) -> Result<Response<Vec<u8>>, Refusal> {
        Query::parse(head, &[])?;
        let key = self.set_aside_key(id).await?;
        self.platform.store().delete(&key.to_string()).await?;
        Ok(response(StatusCode::NO_CONTENT, "", Vec::new()))
    }

    /// Tries a body again by the current rules. The event is stored before the body is removed, so a crash loses
    /// nothing. The event is forwarded like a new one.
    pub(super) async fn retry(
        &self,
        head: &Parts,
        id: Id,
        log: &mut Vec<String>,
    ) -> Result<(Response<Vec<u8>>, FollowUp), Refusal> {
        Query::parse(head, &[])?;
        let key = self.set_aside_key(id).await?;
        let value = self.platform.store().get(&key.to_string()).await?.ok_or(Refusal::Absent("body"))?;
        let set_aside: SetAside =
            serde_json::from_slice(&value).map_err(|error| Refusal::Damaged(error.to_string()))?;
        let body = set_aside.body.bytes().map_err(|error| Refusal::Damaged(error.to_string()))?;
        let (event_key, record) =
            Record::from_form(&body, &key.site, self.platform.now()).map_err(Refusal::StillInvalid)?;
        let kept = self.keep(&event_key.text(), &record, log).await?;
        self.platform.store().delete(&key.to_string()).await?;
        let result = if kept == Kept::New { "stored" } else { "duplicate" };
        let response = json(&Retried { result, event_id: event_key.id.to_string() });
        Ok((response, FollowUp::event(event_key.id, None)))
    }

    async fn set_aside_key(&self, id: Id) -> Result<SetAsideKey, Refusal> {
        let all = Listing::load(self.platform.store()).await?.set_aside;
        all.into_iter().find(|key| key.id == id).ok_or(Refusal::Absent("body"))
    }

    /// Removes the bodies of a site that name a session, and reports those that perhaps do. Stops after [`TIME`], and
    /// says that bodies remain.
    pub(super) async fn remove_what_names(&self, site: &Site, lsid: &Lsid) -> Result<Cleared, Refusal> {
        let mut cleared = Cleared::default();
        let began = self.platform.monotonic();
        for key in Listing::load(self.platform.store()).await?.set_aside.into_iter().filter(|key| key.site == *site) {
            let stored = key.to_string();
            let Some(value) = self.platform.store().get(&stored).await? else { continue };
            let set_aside = serde_json::from_slice::<SetAside>(&value).ok();
            // An unreadable value is searched as it is; a person decides about it.
            let naming = match set_aside.as_ref().and_then(|set_aside| set_aside.body.bytes().ok()) {
                Some(body) => Naming::in_body(&body, lsid),
                None => Naming::in_body(&value, lsid).min(Naming::Perhaps),
            };
            match naming {
                // Remove at least one, whatever the time: otherwise repeated calls would not progress.
                Naming::Named if cleared.removed > 0 && self.platform.elapsed(began) > TIME => {
                    cleared.remaining = true;
                    break;
                }
                Naming::Named => {
                    self.platform.store().delete(&stored).await?;
                    cleared.removed += 1;
                }
                Naming::Perhaps if cleared.perhaps.len() < MAX_DOUBTFUL => cleared.perhaps.push(key.id.to_string()),
                Naming::Perhaps | Naming::Not => {}
            }
        }
        Ok(cleared)
    }
}

/// A call stops removing bodies after this time.
const TIME: Duration = Duration::from_secs(3);

/// The largest number of doubtful bodies that are reported.
const MAX_DOUBTFUL: usize = 100;

/// The result of removing the bodies that name a session.
#[derive(Default)]
pub(super) struct Cleared {
    pub(super) removed: usize,
    /// The ids of the first doubtful bodies, for a person to look at.
    pub(super) perhaps: Vec<String>,
    pub(super) remaining: bool,
}

/// The position of a body in the list: when it was first seen, in milliseconds, and its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SetAsideCursor(Reverse<u64>, SetAsideKey);

impl SetAsideCursor {
    /// Parses the result of [`SetAsideCursor::to_string`].
    fn parse(text: &str) -> Result<Self, &'static str> {
        let (seen, key) = text.split_once('.').ok_or(NO_CURSOR)?;
        let digits = seen.len() == 15 && seen.bytes().all(|b| b.is_ascii_digit());
        let seen = seen.parse().ok().filter(|_| digits).ok_or(NO_CURSOR)?;
        Ok(Self(Reverse(seen), key.parse().map_err(|_| NO_CURSOR)?))
    }
}

const NO_CURSOR: &str = "is not the cursor of a page of bodies set aside";

impl std::fmt::Display for SetAsideCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:015}.{}", self.0.0, self.1)
    }
}

#[derive(Serialize)]
struct SetAsideList {
    set_aside: Vec<SetAside>,
    next: Option<String>,
    unreadable: BTreeSet<Unreadable>,
}

#[derive(Serialize)]
struct Retried {
    result: &'static str,
    event_id: String,
}
