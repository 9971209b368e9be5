//! Statistics, and what is open now.

use chrono::{DateTime, Utc};
use http::request::Parts;
use http::{Response, StatusCode};
use mediatype::names::TEXT;
use serde::Serialize;

use super::query::Query;
use super::responses::{accepts, json, response};
use crate::archive::now::{self, OpenNow, SiteNow, open_now};
use crate::archive::statistics::{GroupBy, GroupFigures, StatisticsQuery, TimeQuantiles, Zone, statistics};
use crate::archive::{self, View};
use crate::event::Timestamp;
use crate::platform::Platform;
use crate::service::answer::Service;
use crate::service::problem::Refusal;

/// The time range without `from`.
const DAYS: u64 = 30;

impl<P: Platform> Service<'_, P> {
    /// Figures of the sessions that began in a time range, by group: JSON, or CSV if the client asks for that.
    pub(super) async fn statistics(&self, head: &Parts) -> Result<Response<Vec<u8>>, Refusal> {
        let query = Query::parse(head, &["from", "to", "site", "by", "zone"])?;
        let to = query.time("to")?.unwrap_or_else(|| seconds(self.platform.now()));
        let before_days = to.seconds().saturating_sub(DAYS * 86_400);
        let from = query.time("from")?.or_else(|| Timestamp::from_seconds(before_days)).unwrap_or_default();
        let zone = zone(&query)?;
        let by = query.get("by", GroupBy::parse)?.unwrap_or(GroupBy::Day);
        let wanted = StatisticsQuery { site: query.site()?, from, to, by, zone };
        let read = async |view: &mut View<'_, P::Store>| statistics(view, &wanted).await;
        let found = archive::read_view(self.platform, read).await?;
        if accepts(head, TEXT, &["csv"]) {
            return Ok(response(StatusCode::OK, "text/csv; charset=utf-8", csv(&found.groups).into_bytes()));
        }
        Ok(json(&StatisticsResponse {
            from: wanted.from.rfc3339(),
            to: wanted.to.rfc3339(),
            zone: wanted.zone.text(),
            groups: &found.groups,
            left_out: found.left_out,
        }))
    }

    /// What is open now.
    pub(super) async fn now(&self, head: &Parts) -> Result<Response<Vec<u8>>, Refusal> {
        let query = Query::parse(head, &["site", "zone"])?;
        let (site, zone, now) = (query.site()?, zone(&query)?, self.platform.now());
        let midnight = zone.midnight(seconds(now));
        let found = archive::read_view(self.platform, async |view: &mut View<'_, P::Store>| {
            let version = now::version(&view.listing);
            Ok((open_now(view, site.as_ref(), now, midnight).await?, version))
        });
        let (open, version) = found.await?;
        let sum = |of: fn(&SiteNow) -> u64| open.sites.iter().map(of).sum();
        Ok(json(&NowResponse {
            now: seconds(now).rfc3339(),
            midnight: midnight.rfc3339(),
            zone: zone.text(),
            open: sum(|site| site.open),
            waiting_total: sum(|site| site.waiting),
            longest_wait_seconds: open.sites.iter().filter_map(|site| site.longest_wait_seconds).max(),
            ended: sum(|site| site.ended),
            never_answered: sum(|site| site.never_answered),
            sessions: open,
            version: format!("{version:016x}"),
        }))
    }
}

fn zone(query: &Query) -> Result<Zone, Refusal> {
    Ok(query.get("zone", Zone::parse)?.unwrap_or_else(Zone::utc))
}

fn seconds(time: DateTime<Utc>) -> Timestamp {
    u64::try_from(time.timestamp()).ok().and_then(Timestamp::from_seconds).unwrap_or_default()
}

/// The groups as CSV (RFC 4180). What is not known is an empty cell.
fn csv(groups: &[GroupFigures]) -> String {
    let mut csv = String::from(
        "group,sessions,ended,never_answered,waiting_median,waiting_p90,waiting_max,length_median,length_p90,\
         length_max,transfers,representatives,customer_surveys,representative_surveys,unknown_begin,unknown_waiting,\
         unknown_length,unknown_transfers\r\n",
    );
    for group in groups {
        let times = |times: Option<TimeQuantiles>| {
            let number = |of: fn(TimeQuantiles) -> u64| times.map_or(String::new(), |times| of(times).to_string());
            [number(|times| times.median), number(|times| times.p90), number(|times| times.max)].join(",")
        };
        let counts = |counts: &[u64]| counts.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
        let unknown = &group.unknown;
        let cells = [
            cell(group.group.as_deref().unwrap_or_default()),
            counts(&[group.sessions, group.ended, group.never_answered]),
            times(group.waiting_seconds),
            times(group.length_seconds),
            counts(&[group.transfers, group.representatives as u64, group.surveys.customer]),
            counts(&[group.surveys.representative, unknown.begin, unknown.waiting, unknown.length, unknown.transfers]),
        ];
        csv.push_str(&cells.join(","));
        csv.push_str("\r\n");
    }
    csv
}

/// A cell with text of a person. A spreadsheet takes a text that begins so for a formula, but not after an apostrophe.
fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let text = if is_formula { ["'", text].concat() } else { text.to_owned() };
    if text.contains([',', '"', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[derive(Serialize)]
struct StatisticsResponse<'a> {
    from: String,
    to: String,
    zone: &'a str,
    groups: &'a [GroupFigures],
    /// Loose records that were not read.
    left_out: usize,
}

#[derive(Serialize)]
struct NowResponse<'a> {
    now: String,
    /// When today began in the zone.
    midnight: String,
    zone: &'a str,
    open: u64,
    waiting_total: u64,
    longest_wait_seconds: Option<u64>,
    ended: u64,
    never_answered: u64,
    /// `sites`, and the sessions that are `waiting`.
    #[serde(flatten)]
    sessions: OpenNow,
    version: String,
}
