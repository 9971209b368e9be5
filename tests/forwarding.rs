//! Forwarding, from a taken event to a request: what is owed, in which order, what each answer means, and what is done about it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::{BEGIN, Memory, Reply, Says, TOKEN, Ways, by, call, post, seven};
use outbound_events::archive::compaction::{Bound, pass};
use outbound_events::forward::backlogs::Backlogs;
use outbound_events::forward::outcome::wait;
use outbound_events::settings::Settings;
use serde_json::{Value, json};
use standardwebhooks::Webhook;

const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u";
const OTHER_SECRET: &str = "whsec_bm1sa2ppaGdmZWRjYmE5ODc2NTQzMjEw";

/// A recipient with destinations.
struct Recipient {
    store: Memory,
    ways: Ways,
    destinations: RefCell<String>,
    more: Vec<(&'static str, &'static str)>,
}

impl Recipient {
    fn new(destinations: Value) -> Self {
        Self {
            store: Memory::default(),
            ways: Ways::default(),
            destinations: RefCell::new(destinations.to_string()),
            more: Vec::new(),
        }
    }

    /// With one destination that wants everything.
    fn one() -> Self {
        Self::new(json!([{ "name": "desk", "url": "https://desk.example/in", "secret": SECRET }]))
    }

    fn settings(&self) -> Vec<(String, String)> {
        let fixed = [("ingest_open", "true"), ("read_tokens", TOKEN), ("admin_tokens", TOKEN), ("tick_token", TOKEN)];
        let all = fixed.into_iter().chain(self.more.iter().copied());
        let destinations = ("destinations".to_owned(), self.destinations.borrow().clone());
        all.map(|(name, value)| (name.to_owned(), value.to_owned())).chain([destinations]).collect()
    }

    fn answer(&self, call: crate::support::Call) -> Reply {
        let settings = self.settings();
        let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        call.answer_with(&self.store, &self.ways, &settings)
    }

    /// Takes an event and does what is to be done after it; its id.
    fn take(&self, body: &str) -> String {
        let reply = self.answer(post("/events/hq").body(body));
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.header("event-id").to_owned()
    }

    /// Takes an event and dies after its answer; its id.
    fn take_and_die(&self, body: &str) -> String {
        let reply =
            post("/events/hq").body(body).at(self.ways.now()).answer_alone(&self.store, &[("ingest_open", "true")]);
        reply.header("event-id").to_owned()
    }

    fn tick(&self) -> Value {
        let reply = self.answer(call("GET", &format!("/tick?tick_token={TOKEN}")));
        assert_eq!(reply.status, 200, "{reply:?}");
        serde_json::from_str(&reply.body).unwrap()
    }

    fn api(&self, method: &str, uri: &str) -> Reply {
        self.answer(call(method, uri).header("authorization", format!("Bearer {TOKEN}")))
    }

    /// How a destination does.
    fn told(&self, name: &str) -> Value {
        let reply = self.api("GET", "/api/destinations");
        let all: Value = serde_json::from_str(&reply.body).unwrap();
        all["destinations"].as_array().unwrap().iter().find(|told| told["name"] == name).unwrap().clone()
    }

    fn pack(&self, loose_events: usize) {
        let settings = self.settings();
        let variable =
            |name: &str| Ok(settings.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()));
        let Settings { mut packing, destinations, .. } = Settings::read(variable).unwrap();
        packing.loose_events = loose_events;
        let mut pending = Backlogs::new(&destinations);
        pollster::block_on(pass(&by(&self.store, || self.ways.now()), &packing, &mut pending, &Bound::default()))
            .unwrap();
    }

    fn loose(&self) -> usize {
        self.store.keys().iter().filter(|key| key.starts_with("event.")).count()
    }
}

fn event(number: u64) -> String {
    format!("event=support_conference_begin&version=1&timestamp={}&lsid=session{number}", 1_767_000_000 + number)
}

#[test]
fn an_event_that_was_answered_200_is_sent_after_the_answer_signed_and_once() {
    let recipient = Recipient::new(json!([
        { "name": "desk", "url": "https://desk.example/in?x=1", "secret": [SECRET, OTHER_SECRET], "headers": { "x-key": "abc" } },
    ]));
    let id = recipient.take(BEGIN);
    assert_eq!(recipient.ways.ids(), std::slice::from_ref(&id));
    let got = recipient.ways.got.borrow();
    let request = &got[0];
    assert_eq!(
        (request.method().as_str(), request.uri().to_string().as_str()),
        ("POST", "https://desk.example/in?x=1")
    );
    let header = |name: &str| request.headers()[name].to_str().unwrap();
    assert_eq!(header("content-type"), "application/cloudevents+json; charset=utf-8");
    assert_eq!((header("webhook-id"), header("x-key")), (id.as_str(), "abc"));
    let timestamp: i64 = header("webhook-timestamp").parse().unwrap();
    assert!((timestamp - crate::support::now().timestamp()).abs() < 2);
    let signatures: Vec<_> = [SECRET, OTHER_SECRET]
        .iter()
        .map(|secret| Webhook::new(secret).unwrap().sign(&id, timestamp, request.body()).unwrap())
        .collect();
    assert_eq!(header("webhook-signature"), signatures.join(" "));
    let key = recipient.store.keys().into_iter().find(|key| key.starts_with("event.")).unwrap();
    assert_eq!(request.body(), &recipient.store.values.borrow()[&key], "the record as it is stored");
    drop(got);
    recipient.tick();
    recipient.take(BEGIN);
    assert_eq!(recipient.ways.ids().len(), 1, "a repeat is sent to nobody again");
}

#[test]
fn a_post_costs_what_it_costs_without_destinations() {
    let recipient = Recipient::new(json!(
        (0..5).map(|number| json!({ "name": format!("d{number}"), "url": "https://x.example" })).collect::<Vec<_>>()
    ));
    let settings = recipient.settings();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    post("/events").body(BEGIN).answer_alone(&recipient.store, &settings);
    assert_eq!(*recipient.store.calls.borrow(), ["exists", "set"]);
}

#[test]
fn what_is_owed_is_sent_oldest_first_whatever_came_first() {
    let recipient = Recipient::one();
    let numbers = [7, 3, 9, 1, 5, 200, 100, 8];
    let mut ids: Vec<_> = numbers.iter().map(|number| (*number, recipient.take_and_die(&event(*number)))).collect();
    // Of one second: in the order in which they were recorded.
    for (_, body) in seven() {
        recipient.ways.pass_time(Duration::from_millis(3));
        let body = body.replace("timestamp=1700000000", "timestamp=1767000300");
        ids.push((300 + ids.len() as u64, recipient.take_and_die(&body)));
    }
    ids.sort();
    recipient.tick();
    let ids: Vec<_> = ids.into_iter().map(|(_, id)| id).collect();
    let seven_of_one_time = recipient.ways.ids();
    assert_eq!(seven_of_one_time.len(), ids.len());
    assert_eq!(seven_of_one_time, ids);
    assert_eq!(recipient.tick()["owed"], 0);
}

#[test]
fn each_answer_means_what_it_means() {
    // What is said first, then: how often the event was sent, its state, and how long until it is tried again.
    let cases = [
        (Says::Status(200), "working", 0),
        (Says::Status(202), "working", 0),
        (Says::Status(204), "working", 0),
        (Says::Status(301), "refused", 0),
        (Says::Status(302), "refused", 0),
        (Says::Status(307), "refused", 0),
        (Says::Status(400), "refused", 0),
        (Says::Status(401), "refused", 0),
        (Says::Status(403), "refused", 0),
        (Says::Status(404), "refused", 0),
        (Says::Status(413), "refused", 0),
        (Says::Status(422), "refused", 0),
        (Says::Status(410), "paused", 0),
        (Says::Status(408), "failing", 5),
        (Says::Status(425), "failing", 5),
        (Says::Status(429), "failing", 5),
        (Says::Status(500), "failing", 5),
        (Says::Status(502), "failing", 5),
        (Says::Status(503), "failing", 5),
        (Says::Status(599), "failing", 5),
        (Says::Status(102), "failing", 5),
        (Says::Later(429, "77"), "failing", 77),
        (Says::Later(503, "Fri, 02 Jan 2026 03:05:00 GMT"), "failing", 54),
        (Says::Later(503, "soon"), "failing", 5),
        (Says::Later(503, "99999999999999999999"), "failing", 86_400),
        (Says::Later(503, "0"), "failing", 1),
        (Says::NoConnection, "failing", 5),
        (Says::Hangs, "failing", 5),
    ];
    for (says, state, seconds) in cases {
        let recipient = Recipient::one();
        recipient.ways.say([says.clone()]);
        let began = recipient.ways.now();
        let first = recipient.take(&event(1));
        let told = recipient.told("desk");
        let hung = if matches!(says, Says::Hangs) { 15 } else { 0 };
        assert_eq!(recipient.ways.take_ids(), std::slice::from_ref(&first), "{says:?}");
        match state {
            "failing" => {
                assert_eq!((&told["state"], &told["owed"]), (&json!("failing"), &json!(1)), "{says:?}: {told}");
                let next = chrono::DateTime::parse_from_rfc3339(told["next_try"].as_str().unwrap()).unwrap();
                let waits = (next.to_utc() - began).num_seconds();
                assert!((seconds + hung..=seconds + hung + 1).contains(&waits), "{says:?}: {waits} s");
                let second = recipient.take(&event(2));
                assert!(recipient.ways.take_ids().is_empty(), "{says:?}: nothing overtakes");
                recipient.ways.pass_time(Duration::from_secs(seconds.unsigned_abs() + 2));
                recipient.tick();
                assert_eq!(recipient.ways.take_ids(), [first, second], "{says:?}");
                assert_eq!(recipient.told("desk")["state"], "working", "{says:?}");
            }
            "refused" => {
                assert_eq!((&told["state"], &told["refused"]), (&json!("working"), &json!(1)), "{says:?}: {told}");
                let second = recipient.take(&event(2));
                assert_eq!(recipient.ways.take_ids(), [second], "{says:?}: the next one goes");
                let list = recipient.api("GET", "/api/destinations/desk/refused").body;
                assert!(list.contains(&first), "{says:?}: {list}");
            }
            "paused" => {
                assert_eq!(told["state"], "paused", "{told}");
                assert!(told["paused"]["reason"].as_str().unwrap().contains("410"), "{told}");
                recipient.take(&event(2));
                recipient.ways.pass_time(Duration::from_secs(100_000));
                recipient.tick();
                assert!(recipient.ways.take_ids().is_empty(), "{says:?}");
            }
            _ => assert_eq!((&told["state"], &told["owed"]), (&json!("working"), &json!(0)), "{says:?}: {told}"),
        }
    }
}

#[test]
fn waits_grow_to_an_hour_and_after_three_days_it_is_paused() {
    let waits: Vec<_> = (1..=8).map(|failures| wait(failures, None).as_secs()).collect();
    assert_eq!(waits, [5, 30, 120, 600, 1_800, 3_600, 3_600, 3_600]);
    let recipient = Recipient::one();
    *recipient.ways.always.borrow_mut() = Says::Status(503);
    let id = recipient.take(&event(1));
    let mut tries = 0;
    while recipient.told("desk")["state"] == "failing" {
        recipient.ways.pass_time(Duration::from_secs(60));
        recipient.tick();
        tries += 1;
        assert!(tries < 10_000);
    }
    let told = recipient.told("desk");
    assert!(told["paused"]["reason"].as_str().unwrap().starts_with("it has failed for three days"), "{told}");
    assert!((4_300..4_400).contains(&tries), "after {tries} minutes");
    assert!((70..90).contains(&recipient.ways.take_ids().len()), "hourly");
    *recipient.ways.always.borrow_mut() = Says::Status(200);
    assert_eq!(recipient.api("POST", "/api/destinations/desk/resume").status, 200);
    assert_eq!(recipient.ways.take_ids(), [id], "what is still loose is sent at once");
}

#[test]
fn one_destination_that_fails_or_hangs_holds_up_no_other() {
    let recipient = Recipient::new(json!([
        { "name": "bad", "url": "https://bad.example" },
        { "name": "good", "url": "https://good.example" },
    ]));
    // The requests of one round are made in the order of destinations.
    recipient.ways.say([Says::Hangs]);
    let ids: Vec<_> = (1..4).map(|number| recipient.take(&event(number))).collect();
    let got = recipient.ways.got.borrow();
    let good: Vec<_> = got.iter().filter(|request| request.uri().host() == Some("good.example")).collect();
    let good: Vec<_> = good.iter().map(|request| request.headers()["webhook-id"].to_str().unwrap()).collect();
    assert_eq!(good, ids);
}

#[test]
fn filters_let_through_what_they_say() {
    let body = |name: &str, key: &str| format!("event={name}&version=1&timestamp=1767000000&lsid=a&external_key={key}");
    let end = "support_conference_end";
    let cases = [
        (json!({ "events": [end] }), body(end, ""), true),
        (json!({ "events": [end] }), body("support_conference_begin", ""), false),
        (json!({ "events": ["new_event"] }), body("new_event", ""), true),
        (json!({ "sites": ["hq"] }), body(end, ""), true),
        (json!({ "sites": ["elsewhere"] }), body(end, ""), false),
        (json!({ "external_key": "present" }), body(end, "INC1"), true),
        (json!({ "external_key": "present" }), body(end, ""), false),
        (json!({ "external_key": "absent" }), body(end, ""), true),
        (json!({ "external_key": "absent" }), body(end, "INC1"), false),
        (json!({ "external_key": "INC" }), body(end, "INC1"), true),
        (json!({ "external_key": "INC" }), body(end, "REQ1"), false),
        (json!({ "from": "2025-12-29T09:20:00Z" }), body(end, ""), true),
        (json!({ "from": "2025-12-29T09:20:01Z" }), body(end, ""), false),
    ];
    for (filter, body, wanted) in cases {
        let mut destination = filter.clone();
        destination["name"] = json!("desk");
        destination["url"] = json!("https://desk.example");
        let recipient = Recipient::new(json!([destination]));
        recipient.take(&body);
        assert_eq!(recipient.ways.ids().len(), usize::from(wanted), "{filter} {body}");
        assert_eq!(recipient.tick()["owed"], 0, "{filter} {body}: what is not wanted is not owed");
        recipient.pack(0);
        assert_eq!(recipient.loose(), 0, "{filter} {body}");
    }
}

#[test]
fn what_is_owed_is_not_packed_and_what_was_sent_takes_its_receipts_along() {
    let recipient = Recipient::one();
    for number in 0..40 {
        recipient.take(&event(number));
    }
    *recipient.ways.always.borrow_mut() = Says::Status(503);
    for number in 40..60 {
        recipient.take(&event(number));
    }
    recipient.pack(0);
    assert_eq!(recipient.loose(), 20, "what is owed stays loose, the rest is packed");
    *recipient.ways.always.borrow_mut() = Says::Status(200);
    recipient.ways.pass_time(Duration::from_secs(60));
    recipient.tick();
    recipient.ways.pass_time(Duration::from_secs(120));
    recipient.pack(0);
    assert_eq!(recipient.loose(), 0);
    recipient.pack(0);
    let left: Vec<_> = recipient.store.keys().into_iter().filter(|key| key.starts_with("sent.")).collect();
    assert!(left.is_empty(), "{left:?}");
    let unique: BTreeSet<_> = recipient.ways.ids().into_iter().collect();
    assert_eq!(unique.len(), 60);
}

#[test]
fn a_destination_that_is_owed_too_much_for_the_store_is_paused_and_a_replay_sends_what_it_missed() {
    let mut recipient = Recipient::one();
    recipient.more = vec![("key_budget", "200")];
    *recipient.ways.always.borrow_mut() = Says::Status(503);
    let ids: Vec<_> = (0..300).map(|number| recipient.take(&event(number))).collect();
    assert!(recipient.store.keys().len() <= 200, "{} keys", recipient.store.keys().len());
    let told = recipient.told("desk");
    assert!(told["paused"]["reason"].as_str().unwrap().contains("would fill the store"), "{told}");
    *recipient.ways.always.borrow_mut() = Says::Status(200);
    recipient.ways.take_ids();
    let resumed: Value = serde_json::from_str(&recipient.api("POST", "/api/destinations/desk/resume").body).unwrap();
    assert!(resumed["paused"]["since"].is_string(), "{resumed}");
    let replay = "/api/destinations/desk/replay?from=2025-12-01T00:00:00Z&to=2026-12-01T00:00:00Z";
    assert_eq!(recipient.api("POST", replay).status, 202);
    for _ in 0..10 {
        recipient.tick();
    }
    let got: BTreeSet<_> = recipient.ways.ids().into_iter().collect();
    assert_eq!(got, ids.into_iter().collect());
    assert_eq!(recipient.told("desk")["replays"], 0);
}

#[test]
fn a_replay_goes_in_order_over_packs_and_on_where_it_failed() {
    let recipient = Recipient::one();
    let ids: Vec<_> = (0..200).map(|number| recipient.take(&event(number))).collect();
    recipient.pack(50);
    recipient.ways.take_ids();
    recipient.ways.say((0..99).map(|_| Says::Status(200)).chain([Says::Status(500)]));
    let from =
        chrono::DateTime::from_timestamp(1_767_000_010, 0).unwrap().to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    recipient.api("POST", &format!("/api/destinations/desk/replay?from={from}&to=2027-01-01"));
    assert_eq!(recipient.ways.take_ids(), ids[10..110]);
    recipient.ways.pass_time(Duration::from_secs(10));
    recipient.tick();
    assert_eq!(recipient.ways.take_ids(), ids[109..], "the one that failed, and what comes after it");
    for query in ["", "?from=2026-01-01", "?from=x&to=y", "?from=2026-01-01&to=2026-01-02&z=1"] {
        assert_eq!(recipient.api("POST", &format!("/api/destinations/desk/replay{query}")).status, 400, "{query}");
    }
}

#[test]
fn what_was_refused_is_sent_once_more_if_that_is_asked_for() {
    let recipient = Recipient::one();
    recipient.ways.say([Says::Status(400), Says::Status(200), Says::Status(400)]);
    let ids: Vec<_> = (0..3).map(|number| recipient.take(&event(number))).collect();
    recipient.pack(0);
    assert_eq!(recipient.loose(), 0, "what is refused is owed no more");
    recipient.ways.take_ids();
    let uri = format!("/api/destinations/desk/refused/{}/retry", ids[0]);
    assert_eq!(recipient.api("POST", &uri).status, 202);
    assert_eq!(recipient.ways.take_ids(), ids[..1]);
    assert_eq!(recipient.told("desk")["refused"], 1);
    assert_eq!(recipient.api("POST", &uri).status, 404, "it is refused no longer");
    recipient.ways.say([Says::Status(400)]);
    assert_eq!(recipient.api("POST", "/api/destinations/desk/refused/retry").status, 202);
    assert_eq!(recipient.ways.take_ids(), ids[2..]);
    assert_eq!(recipient.told("desk")["refused"], 1, "it was refused again");
}

#[test]
fn an_event_that_was_refused_makes_the_others_no_dearer() {
    let recipient = Recipient::one();
    recipient.ways.say([Says::Status(400)]);
    for number in 0..40 {
        recipient.take_and_die(&event(number));
    }
    recipient.store.calls.borrow_mut().clear();
    recipient.tick();
    assert_eq!(recipient.ways.ids().len(), 40);
    let calls = recipient.store.calls.borrow();
    let writes = calls.iter().filter(|call| ["set", "delete"].contains(call)).count();
    assert!(writes < 16, "{writes} writes for 39 events that were sent: {calls:?}");
}

#[test]
fn a_destination_that_refuses_everything_is_paused() {
    let recipient = Recipient::one();
    *recipient.ways.always.borrow_mut() = Says::Status(401);
    for number in 0..130 {
        recipient.take(&event(number));
    }
    assert_eq!(recipient.ways.ids().len(), 100);
    let told = recipient.told("desk");
    assert!(told["paused"]["reason"].as_str().unwrap().contains("refused 100 events"), "{told}");
}

#[test]
fn no_more_requests_are_made_than_are_allowed_in_an_hour() {
    let mut recipient = Recipient::new(json!([
        { "name": "a", "url": "https://a.example" },
        { "name": "b", "url": "https://b.example" },
    ]));
    recipient.more = vec![("max_requests_per_hour", "20")];
    for number in 0..30 {
        recipient.take(&event(number));
    }
    assert_eq!(recipient.ways.take_ids().len(), 20, "ten each");
    recipient.ways.pass_time(Duration::from_secs(3_600));
    recipient.tick();
    assert_eq!(recipient.ways.take_ids().len(), 20);
    recipient.ways.pass_time(Duration::from_secs(3_600));
    recipient.tick();
    assert_eq!(recipient.ways.take_ids().len(), 20);
    assert_eq!(recipient.tick()["owed"], 0);
}

#[test]
fn who_pulls_gets_what_is_owed_until_it_is_acknowledged() {
    let recipient =
        Recipient::new(json!([{ "name": "puller", "format": "pull", "secret": SECRET, "external_key": "absent" }]));
    let ids: Vec<_> = (0..5).map(|number| recipient.take(&event(number))).collect();
    recipient.take(&format!("{}&external_key=INC1", event(9)));
    let ask = |method: &str, uri: &str, secret: &str, body: &str| {
        recipient.answer(call(method, uri).header("authorization", format!("Bearer {secret}")).body(body))
    };
    let owed = || {
        let reply = ask("GET", "/api/destinations/puller/owed?limit=3", SECRET, "");
        let events: Vec<Value> = serde_json::from_str(&reply.body).unwrap();
        events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(owed(), ids[..3]);
    assert_eq!(owed(), ids[..3], "the same until it is acknowledged");
    let late = recipient.take(&event(0).replace("session0", "late"));
    let sent =
        |ids: &[String]| ask("POST", "/api/destinations/puller/sent", SECRET, &json!({ "ids": ids }).to_string());
    let unknown = "0".repeat(32);
    assert_eq!(
        sent(&[ids[0].clone(), ids[1].clone(), unknown]).body,
        "{\"sent\":2,\"owed\":5}",
        "one more is not looked at yet"
    );
    assert_eq!(owed(), [late.clone(), ids[2].clone(), ids[3].clone()], "what came late is not missed");
    assert_eq!(sent(&[late, ids[2].clone(), ids[3].clone(), ids[4].clone()]).status, 200);
    assert!(owed().is_empty());
    recipient.pack(0);
    assert_eq!(recipient.loose(), 0);
    for (method, uri) in [("GET", "owed"), ("POST", "sent")] {
        let uri = format!("/api/destinations/puller/{uri}");
        for wrong in [TOKEN, OTHER_SECRET, ""] {
            assert_eq!(ask(method, &uri, wrong, "{\"ids\":[]}").status, 401, "{uri} {wrong}");
        }
        assert_eq!(ask(method, &uri.replace("puller", "other"), SECRET, "{\"ids\":[]}").status, 401);
    }
    for wrong in ["", "x", "{}", "{\"ids\":[1]}", "{\"ids\":[\"x\"]}"] {
        let status = ask("POST", "/api/destinations/puller/sent", SECRET, wrong).status;
        assert_eq!(status, 400, "{wrong}");
    }
}

#[test]
fn where_ticks_see_to_rounds_an_answer_begins_none() {
    let mut recipient = Recipient::one();
    recipient.more = vec![("rounds", "on-ticks")];
    let id = recipient.take(&event(1));
    assert!(recipient.ways.ids().is_empty());
    let reply = recipient.answer(call("POST", "/tick").header("authorization", format!("Bearer {TOKEN}")));
    assert_eq!((reply.status, reply.body.as_str()), (200, ""));
    assert_eq!(recipient.ways.ids(), [id]);
}

#[test]
fn who_may_do_what_is_asked_first() {
    let recipient = Recipient::one();
    for (method, uri) in [
        ("GET", "/api/destinations"),
        ("GET", "/api/destinations/desk/refused"),
        ("POST", "/api/destinations/desk/pause"),
        ("POST", "/api/destinations/desk/resume"),
        ("POST", "/api/destinations/desk/replay?from=2026-01-01&to=2026-01-02"),
        ("POST", "/api/destinations/desk/refused/retry"),
        ("GET", "/tick"),
        ("POST", "/tick?tick_token=not-the-token-of-anyone"),
    ] {
        let reply = recipient.answer(call(method, uri));
        assert_eq!(reply.status, 401, "{uri}: {reply:?}");
    }
    assert_eq!(recipient.api("POST", "/api/destinations/nobody/pause").status, 404);
    assert_eq!(recipient.api("DELETE", "/api/destinations").status, 405);
    assert_eq!(recipient.api("PUT", "/tick").status, 405);
    let closed = call("GET", "/tick").answer(&Memory::default(), crate::support::OPEN);
    assert_eq!(closed.status, 503);
    assert_eq!(recipient.api("POST", "/api/destinations/desk/pause").status, 202);
    recipient.take(&event(1));
    assert!(recipient.ways.ids().is_empty());
}

#[test]
fn a_form_is_byte_for_byte_what_was_sent() {
    let recipient =
        Recipient::new(json!([{ "name": "next", "url": "https://next.example/events/hq", "format": "form" }]));
    let mut bodies: Vec<_> = seven().into_iter().map(|(_, body)| body).collect();
    bodies.push("event=new_thing&timestamp=1767000000&version=2&what=%C3%A4%26b+c".to_owned());
    for body in &bodies {
        recipient.take(body);
    }
    let again = Memory::default();
    for request in recipient.ways.got.borrow().iter() {
        let reply = post("/events/hq").body(request.body()).answer_alone(&again, crate::support::OPEN);
        assert_eq!(reply.header("event-id"), request.headers()["webhook-id"], "{reply:?}");
    }
    let events = |store: &Memory| store.keys().into_iter().filter(|key| key.starts_with("event.")).collect::<Vec<_>>();
    assert_eq!(events(&again), events(&recipient.store), "a chain ends with the same keys");
}
