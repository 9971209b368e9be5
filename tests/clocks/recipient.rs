//! A store with an adjustable clock.

use std::cell::Cell;
use std::collections::BTreeSet;

use crate::support::{Call, Memory, Reply, TOKEN, at, call, compact, now, post};
use chrono::{DateTime, TimeDelta, Utc};
use outbound_events::archive::compaction::{Bound, CompactionReport, Policy};
use serde_json::Value;

pub(super) const SETTINGS: &[(&str, &str)] =
    &[("ingest_tokens", TOKEN), ("read_tokens", TOKEN), ("admin_tokens", TOKEN), ("tick_token", TOKEN)];

/// A policy that keeps events for 30 days, and packs all but `loose_events` of them.
pub(super) fn month(loose_events: usize) -> Policy {
    Policy { retention_days: Some(30), ..Policy::packs(loose_events) }
}

pub(super) fn days(days: i64) -> TimeDelta {
    TimeDelta::days(days)
}

/// A store and an adjustable clock.
pub(super) struct ClockedRecipient {
    pub(super) store: Memory,
    pub(super) clock: Cell<DateTime<Utc>>,
}

impl ClockedRecipient {
    pub(super) fn new() -> Self {
        Self { store: Memory::default(), clock: Cell::new(now()) }
    }

    pub(super) fn set_clock(&self, time: DateTime<Utc>) -> &Self {
        self.clock.set(time);
        self
    }

    pub(super) fn send(&self, body: &str) -> Reply {
        let reply = post(&format!("/events/hq?outbound_event_token={TOKEN}"))
            .body(body)
            .at(self.clock.get())
            .answer(&self.store, SETTINGS);
        assert_eq!(reply.status, 200, "{reply:?}");
        reply
    }

    /// Sends an event of a session, and returns its id.
    pub(super) fn take(&self, own: DateTime<Utc>, lsid: &str) -> String {
        let form = format!("event=support_conference_begin&version=1&timestamp={}&lsid={lsid}", own.timestamp());
        let reply = self.send(&form);
        assert_eq!(reply.result(), "stored");
        reply.header("event-id").to_owned()
    }

    pub(super) fn call(&self, method: &str, uri: &str) -> Reply {
        let call: Call = call(method, uri).header("authorization", format!("Bearer {TOKEN}"));
        call.at(self.clock.get()).answer(&self.store, SETTINGS)
    }

    pub(super) fn json(&self, uri: &str) -> Value {
        let reply = self.call("GET", uri);
        assert_eq!(reply.status, 200, "{reply:?}");
        serde_json::from_str(&reply.body).unwrap()
    }

    pub(super) fn delete(&self, uri: &str) -> Value {
        let reply = self.call("DELETE", uri);
        assert_eq!(reply.status, 200, "{reply:?}");
        serde_json::from_str(&reply.body).unwrap()
    }

    pub(super) fn compact(&self, policy: &Policy) -> CompactionReport {
        pollster::block_on(compact(&at(&self.store, self.clock.get()), policy, &Bound::WIDE)).unwrap()
    }

    /// The ids of all events in the list.
    pub(super) fn ids(&self) -> BTreeSet<String> {
        let events = self.json("/api/events?limit=500");
        events.as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
    }
}
