//! Figures of many sessions, and what is open now.
//!
//! | module | what it tests |
//! |---|---|
//! | `random` | statistics against [`brute_force`]: random stores, packed and loose, repeated, erased, with lost indexes |
//! | `figures` | what counts as waiting, answered and unknown; zones; CSV; quantiles of many sessions |
//! | `now` | open and waiting sessions, and the version |
//! | `external_keys` | sessions by external key read no other pack |

mod brute_force;
mod external_keys;
mod figures;
mod now;
mod random;

use std::time::Duration;

use chrono::{DateTime, Utc};
use outbound_events::archive::compaction::{Bound, Policy};
use serde_json::Value;

use crate::support::{Memory, Reply, TOKEN, at, call, compact, post};

const SETTINGS: &[(&str, &str)] = &[("ingest_tokens", TOKEN), ("read_tokens", TOKEN), ("admin_tokens", TOKEN)];

/// 2024-03-01T00:00:00Z, a Friday.
const MARCH: i64 = 1_709_251_200;

const DAY: i64 = 86_400;

fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn get_with(store: &Memory, uri: &str, accept: &str, now: i64) -> Reply {
    let call = call("GET", uri).header("authorization", format!("Bearer {TOKEN}")).header("accept", accept);
    let reply = call.at(time(now)).answer_alone(store, SETTINGS);
    assert_eq!(reply.status, 200, "{uri}: {reply:?}");
    reply
}

fn get(store: &Memory, uri: &str, now: i64) -> Value {
    serde_json::from_str(&get_with(store, uri, "*/*", now).body).unwrap()
}

/// The appliance posts an event, which arrives at `now`.
fn send(store: &Memory, site: &str, form: &str, now: i64) {
    let uri = format!("/events/{site}?outbound_event_token={TOKEN}");
    let reply = post(&uri).body(form).at(time(now)).answer_alone(store, SETTINGS);
    assert_eq!(reply.status, 200, "{reply:?}");
}

fn form(event: &str, lsid: &str, at: i64, more: &str) -> String {
    format!("event={event}&version=1&timestamp={at}&lsid={lsid}{more}")
}

/// Packs everything.
fn pack(store: &Memory, now: i64) {
    let bound = Bound { time: Duration::from_secs(3_600), ..Bound::WIDE };
    pollster::block_on(compact(&at(store, time(now)), &Policy::packs(0), &bound)).unwrap();
}
