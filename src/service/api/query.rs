//! The parameters of a request's query: each is known, and given once.

use std::collections::BTreeMap;
use std::fmt::Display;

use chrono::DateTime;
use http::request::Parts;

use crate::event::Timestamp;
use crate::identity::Site;
use crate::parse::Problem;
use crate::service::problem::Refusal;

pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    pub(super) fn read(head: &Parts, known: &[&str]) -> Result<Self, Refusal> {
        let pairs: Vec<(String, String)> =
            serde_urlencoded::from_str(head.uri.query().unwrap_or_default()).unwrap_or_default();
        let mut query = BTreeMap::new();
        for (name, value) in pairs {
            if !known.contains(&name.as_str()) {
                let parameters = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let reason = format!("is no parameter of this path, which has {parameters}");
                return Err(Refusal::Query(Problem::of(&name, reason)));
            }
            if query.insert(name.clone(), value).is_some() {
                return Err(Refusal::Query(Problem::of(&name, "is given twice")));
            }
        }
        Ok(Self(query))
    }

    pub(super) fn get<T, E: Display>(
        &self,
        name: &str,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Refusal> {
        let value = self.0.get(name).map(|value| read(value));
        value.transpose().map_err(|reason| Refusal::Query(Problem::of(name, reason.to_string())))
    }

    pub(super) fn site(&self) -> Result<Option<Site>, Refusal> {
        self.get("site", |text| Site::parse(text).ok_or("is not 1 to 32 characters of A-Z, a-z, 0-9 and -"))
    }

    pub(super) fn limit(&self, default: usize, max: usize) -> Result<usize, Refusal> {
        let read = |text: &str| {
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            let limit = text.parse().ok().filter(|limit| digits && (1..=max).contains(limit));
            limit.ok_or_else(|| format!("is not a number from 1 to {max}"))
        };
        Ok(self.get("limit", read)?.unwrap_or(default))
    }

    /// A text to look for: not empty, and no longer than an external key can be.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Refusal> {
        self.get(name, |text| match text.chars().count() {
            1..=1_024 => Ok(text.to_owned()),
            _ => Err("is not 1 to 1024 characters"),
        })
    }

    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, Refusal> {
        self.get(name, time)
    }

    /// The same query for the next page.
    pub(super) fn with_cursor(&self, cursor: &str) -> String {
        let mut query = self.0.clone();
        query.insert("cursor".to_owned(), cursor.to_owned());
        serde_urlencoded::to_string(query).unwrap_or_default()
    }
}

/// A time from RFC 3339, or from a day, which begins at midnight in UTC. Events have whole seconds: what is between two counts as
/// the later one, so that `before` and `to` leave out nothing that is before, and `from` takes nothing that is.
fn time(text: &str) -> Result<Timestamp, &'static str> {
    let read = |text: &str| DateTime::parse_from_rfc3339(text).ok();
    let moment = if text.len() == 10 { read(&format!("{text}T00:00:00Z")) } else { read(text) };
    let seconds = moment.and_then(|time| {
        let fraction = u64::from(time.timestamp_subsec_nanos() > 0);
        u64::try_from(time.timestamp()).ok()?.checked_add(fraction)
    });
    let time = seconds.and_then(Timestamp::from_seconds);
    time.ok_or("is neither a day such as 2026-01-31 nor a time such as 2026-01-31T12:00:00Z, from 1970 to 9999")
}
