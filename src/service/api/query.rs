//! The parameters of a request's query. Each must be known and given once.

use std::borrow::Cow;
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
    /// The parameters of a request's query. An error names one that is not `known`, or that is given twice.
    pub(super) fn parse(head: &Parts, known: &[&str]) -> Result<Self, Refusal> {
        let pairs: Vec<(String, String)> =
            serde_urlencoded::from_str(head.uri.query().unwrap_or_default()).unwrap_or_default();
        let mut query = BTreeMap::new();
        for (name, value) in pairs {
            if !known.contains(&name.as_str()) {
                let parameters = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let reason = format!("is not a parameter of this path; its parameters: {parameters}");
                return Err(Refusal::Query(Problem::of_variable(&name, reason)));
            }
            if query.insert(name.clone(), value).is_some() {
                return Err(Refusal::Query(Problem::of_variable(&name, "is given twice")));
            }
        }
        Ok(Self(query))
    }

    pub(super) fn get<T, E: Display>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Refusal> {
        let value = self.0.get(name).map(|value| parse(value));
        value.transpose().map_err(|reason| Refusal::Query(Problem::of_variable(name, reason.to_string())))
    }

    pub(super) fn site(&self) -> Result<Option<Site>, Refusal> {
        self.get("site", |text| Site::parse(text).ok_or("is not 1 to 32 characters of A-Z, a-z, 0-9 and -"))
    }

    pub(super) fn limit(&self, default: usize, max: usize) -> Result<usize, Refusal> {
        let parse = |text: &str| {
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            let limit = text.parse().ok().filter(|limit| digits && (1..=max).contains(limit));
            limit.ok_or_else(|| format!("is not a number from 1 to {max}"))
        };
        Ok(self.get("limit", parse)?.unwrap_or(default))
    }

    /// A search text: not empty, and at most as long as an external key.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Refusal> {
        self.get(name, |text| match text.chars().count() {
            1..=1_024 => Ok(text.to_owned()),
            _ => Err("is not 1 to 1024 characters"),
        })
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Refusal> {
        self.get(name, |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("is not true or false"),
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

/// A time in RFC 3339, or a day, which begins at midnight in UTC. Events have whole seconds, so a fraction counts as
/// the next second: `before` and `to` then include every earlier event, and `from` none.
fn time(text: &str) -> Result<Timestamp, &'static str> {
    let parse = |text: &str| DateTime::parse_from_rfc3339(text).ok();
    let moment = if text.len() == 10 { parse(&format!("{text}T00:00:00Z")) } else { parse(&with_plus_restored(text)) };
    let seconds = moment.and_then(|time| {
        let fraction = u64::from(time.timestamp_subsec_nanos() > 0);
        u64::try_from(time.timestamp()).ok()?.checked_add(fraction)
    });
    let time = seconds.and_then(Timestamp::from_seconds);
    time.ok_or("is neither a day such as 2026-01-31 nor a time such as 2026-01-31T12:00:00Z, from 1970 to 9999")
}

/// In a query `+` means a blank, so the unencoded offset `+02:00` arrives as ` 02:00`. At the end of a time, a blank
/// before `hh:mm` can mean nothing else.
fn with_plus_restored(text: &str) -> Cow<'_, str> {
    let offset = text.rsplit_once(' ').filter(|(time, offset)| time.contains(':') && offset.len() == "hh:mm".len());
    offset.map_or(text.into(), |(time, offset)| [time, "+", offset].concat().into())
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn an_unencoded_plus_before_the_offset_is_understood() {
        let cases = [
            ("2026-01-05T00:00:00 02:00", Some(1_767_564_000)),
            ("2026-01-05T00:00:00+02:00", Some(1_767_564_000)),
            ("2026-01-05T00:00:00-02:00", Some(1_767_578_400)),
            ("2026-01-05T00:00:00.5 02:00", Some(1_767_564_001)),
            ("2026-01-05T00:00:00 00:00", Some(1_767_571_200)),
            ("2026-01-05T00:00:00Z", Some(1_767_571_200)),
            ("2026-01-05", Some(1_767_571_200)),
            // Not an offset behind a time.
            ("2026-01-05 02:00", None),
            ("2026-01-05T00:00 02:00", None),
            ("2026-01-05T00:00:00  02:00", None),
            ("2026-01-05T00:00:00 02:00 ", None),
            (" 2026-01-05T00:00:00 02:00", None),
            ("2026-01-05T00:00:00 2:00", None),
            ("2026-01-05T00:00:00 0200", None),
            ("2026-01-05T00:00:00 24:00", None),
            ("2026-01-05T00:00:00Z 02:00", None),
            ("2026-01-05T00:00:00+02:00 02:00", None),
            ("2026-01-05T00:00:00 é0:0", None),
            (" 02:00", None),
            ("", None),
        ];
        for (text, seconds) in cases {
            assert_eq!(time(text).ok().map(|time| time.seconds()), seconds, "{text:?}");
        }
    }
}
