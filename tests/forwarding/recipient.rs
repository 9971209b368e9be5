//! The recipient of these tests: a store with destinations, and a clock that can be set.

use std::cell::RefCell;

use crate::support::{Memory, Reply, TOKEN, Ways, by, call, post};
use outbound_events::archive::compaction::{Bound, compact};
use outbound_events::forward::backlogs::Backlogs;
use outbound_events::settings::Settings;
use serde_json::{Value, json};

pub(super) const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u";
pub(super) const OTHER_SECRET: &str = "whsec_bm1sa2ppaGdmZWRjYmE5ODc2NTQzMjEw";

/// A recipient with destinations.
pub(super) struct ForwardingRecipient {
    pub(super) store: Memory,
    pub(super) ways: Ways,
    pub(super) destinations: RefCell<String>,
    pub(super) more: Vec<(&'static str, &'static str)>,
}

impl ForwardingRecipient {
    pub(super) fn new(destinations: Value) -> Self {
        Self {
            store: Memory::default(),
            ways: Ways::default(),
            destinations: RefCell::new(destinations.to_string()),
            more: Vec::new(),
        }
    }

    /// With one destination, which gets all events.
    pub(super) fn with_desk() -> Self {
        Self::new(json!([{ "name": "desk", "url": "https://desk.example/in", "secret": SECRET }]))
    }

    pub(super) fn settings(&self) -> Vec<(String, String)> {
        let settings =
            [("ingest_open", "true"), ("read_tokens", TOKEN), ("admin_tokens", TOKEN), ("tick_token", TOKEN)];
        let all = settings.into_iter().chain(self.more.iter().copied());
        let destinations = ("destinations".to_owned(), self.destinations.borrow().clone());
        all.map(|(name, value)| (name.to_owned(), value.to_owned())).chain([destinations]).collect()
    }

    pub(super) fn answer(&self, call: crate::support::Call) -> Reply {
        let settings = self.settings();
        let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        call.answer_with(&self.store, &self.ways, &settings)
    }

    /// Receives an event and does the work after the answer. Returns its id.
    pub(super) fn take(&self, body: &str) -> String {
        let reply = self.answer(post("/events/hq").body(body));
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.header("event-id").to_owned()
    }

    /// Receives an event and dies after the answer. Returns its id.
    pub(super) fn take_and_die(&self, body: &str) -> String {
        let reply =
            post("/events/hq").body(body).at(self.ways.now()).answer_alone(&self.store, &[("ingest_open", "true")]);
        reply.header("event-id").to_owned()
    }

    pub(super) fn tick(&self) -> Value {
        let reply = self.answer(call("GET", &format!("/tick?tick_token={TOKEN}")));
        assert_eq!(reply.status, 200, "{reply:?}");
        serde_json::from_str(&reply.body).unwrap()
    }

    /// A tick without a report.
    pub(super) fn post_tick(&self) -> Reply {
        self.answer(call("POST", "/tick").header("authorization", format!("Bearer {TOKEN}")))
    }

    pub(super) fn api(&self, method: &str, uri: &str) -> Reply {
        self.answer(call(method, uri).header("authorization", format!("Bearer {TOKEN}")))
    }

    /// The status of a destination.
    pub(super) fn status(&self, name: &str) -> Value {
        let reply = self.api("GET", "/api/destinations");
        let all: Value = serde_json::from_str(&reply.body).unwrap();
        all["destinations"].as_array().unwrap().iter().find(|status| status["name"] == name).unwrap().clone()
    }

    pub(super) fn pack(&self, loose_events: usize) {
        let settings = self.settings();
        let variable =
            |name: &str| Ok(settings.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()));
        let Settings { mut packing, destinations, .. } = Settings::from_variables(variable).unwrap();
        packing.loose_events = loose_events;
        let mut pending = Backlogs::new(&destinations);
        pollster::block_on(compact(&by(&self.store, || self.ways.now()), &packing, &mut pending, &Bound::default()))
            .unwrap();
    }

    pub(super) fn loose(&self) -> usize {
        self.store.keys().iter().filter(|key| key.starts_with("event.")).count()
    }
}

pub(super) fn event(number: u64) -> String {
    format!("event=support_conference_begin&version=1&timestamp={}&lsid=session{number}", 1_767_000_000 + number)
}
