//! A site: its appliance, its recipient, and one clock that both agree on unless a test sets them apart.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use crate::support::{
    Given, Memory, Reply, SimulatedAppliance, TOKEN, TestPlatform, appliance_setting, appliances, call, now,
};
use chrono::{DateTime, TimeDelta, Utc};
use http::{Request, Response};
use outbound_events::appliance_api::{CheckOutcome, Checks};
use outbound_events::archive::compaction::{Bound, Policy};
use outbound_events::http_client::{HttpClient, NotSent};
use serde_json::Value;

/// Called before each request to the appliance, with its number.
type BeforeRequest = Box<dyn FnMut(&SiteUnderTest, usize)>;

pub struct SiteUnderTest {
    pub appliance: SimulatedAppliance,
    pub store: Memory,
    /// The right time.
    pub time: Cell<DateTime<Utc>>,
    /// By how many seconds the recipient's clock is ahead.
    pub ahead: Cell<i64>,
    pub since: Option<&'static str>,
    pub retention_days: Option<u32>,
    pub before_request: RefCell<Option<BeforeRequest>>,
    pub requests: Cell<usize>,
}

impl HttpClient for &SiteUnderTest {
    type Body = Given;

    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Given>, NotSent> {
        let hook = self.before_request.borrow_mut().take();
        if let Some(mut hook) = hook {
            hook(self, self.requests.get());
            self.before_request.replace(Some(hook));
        }
        self.requests.set(self.requests.get() + 1);
        self.appliance.answers(&request, self.time.get())
    }

    async fn wait(&self, time: Duration) {
        self.pass(i64::try_from(time.as_secs()).unwrap());
    }
}

impl SiteUnderTest {
    pub fn new() -> Self {
        Self {
            appliance: SimulatedAppliance::default(),
            store: Memory::default(),
            time: Cell::new(now()),
            ahead: Cell::new(0),
            since: None,
            retention_days: None,
            before_request: RefCell::default(),
            requests: Cell::new(0),
        }
    }

    /// Lets seconds pass.
    pub fn pass(&self, seconds: i64) {
        self.time.set(self.time.get() + TimeDelta::seconds(seconds));
    }

    /// Seconds by the right clock.
    pub fn seconds(&self) -> i64 {
        self.time.get().timestamp()
    }

    fn clock(&self) -> DateTime<Utc> {
        self.time.get() + TimeDelta::seconds(self.ahead.get())
    }

    fn on<T>(&self, run: impl AsyncFnOnce(&TestPlatform<'_>) -> T) -> T {
        let monotonic = || (self.time.get() - DateTime::UNIX_EPOCH).to_std().unwrap();
        let platform = TestPlatform::new(&self.store, || self.clock()).http_client(&self).monotonic(&monotonic);
        pollster::block_on(run(&platform))
    }

    /// Runs the checks that are due.
    pub fn check(&self) -> CheckOutcome {
        let all = appliances(self.since);
        self.on(async |platform| {
            Checks { platform, appliances: &all, retention_days: self.retention_days }.run_due().await.unwrap()
        })
    }

    /// The seconds until the next check is due.
    pub fn next(&self) -> u64 {
        let all = appliances(self.since);
        let next = async |platform: &TestPlatform<'_>| {
            Checks { platform, appliances: &all, retention_days: None }.next().await.unwrap().unwrap()
        };
        self.on(next).as_secs()
    }

    /// Checks, after the interval between checks.
    pub fn check_later(&self) -> CheckOutcome {
        self.pass(300);
        self.check()
    }

    /// The appliance posts an event of a session now.
    pub fn announce(&self, event: &str, lsid: &str) {
        self.announce_at(event, lsid, self.appliance.now(self.time.get()));
    }

    /// The appliance posts an event with an earlier time.
    pub fn announce_at(&self, event: &str, lsid: &str, time: i64) {
        let form = format!("event=support_conference_{event}&version=1&timestamp={time}&lsid={lsid}");
        let reply = self.call("POST", &format!("/events/hq?outbound_event_token={TOKEN}"), &form);
        assert_eq!((reply.status, reply.header("event-result")), (200, "stored"), "{reply:?}");
    }

    /// A session that began five minutes ago ends now and announces it.
    pub fn session(&self, lsid: &str) {
        let now = self.appliance.now(self.time.get());
        self.announce_at("begin", lsid, now - 300);
        self.announce_at("end", lsid, now);
        self.appliance.adds(lsid, now, 5);
    }

    /// A session that began five minutes ago ends now, and every event of it is lost.
    pub fn lost_session(&self, lsid: &str) {
        self.appliance.adds(lsid, self.appliance.now(self.time.get()), 5);
    }

    pub fn call(&self, method: &str, uri: &str, body: &str) -> Reply {
        let setting = appliance_setting(self.since);
        let settings = [
            ("ingest_tokens", TOKEN),
            ("read_tokens", TOKEN),
            ("admin_tokens", TOKEN),
            ("tick_token", TOKEN),
            ("appliances", setting.as_str()),
        ];
        self.call_with(method, uri, body, &settings)
    }

    pub fn call_with(&self, method: &str, uri: &str, body: &str, settings: &[(&str, &str)]) -> Reply {
        let request = call(method, uri).header("authorization", format!("Bearer {TOKEN}")).body(body);
        self.on(async |platform| request.answer_from(platform, settings).await)
    }

    pub fn get(&self, uri: &str) -> Value {
        let reply = self.call("GET", uri, "");
        assert_eq!(reply.status, 200, "{uri}: {reply:?}");
        serde_json::from_str(&reply.body).unwrap()
    }

    /// The status of the site.
    pub fn status(&self) -> Value {
        self.get("/api/appliances")["appliances"][0].clone()
    }

    /// The report of a session, if there is one.
    pub fn report(&self, lsid: &str) -> Option<Value> {
        let reply = self.call("GET", &format!("/api/sessions/hq/{lsid}"), "");
        let session: Value = serde_json::from_str(&reply.body).ok()?;
        let events = session["events"].as_array()?.iter();
        let reports = events.filter(|event| event["type"] == "com.beyondtrust.session.report");
        reports.max_by_key(|report| report["data"]["fetched"].to_string()).cloned()
    }

    /// The lsids of a list of sessions.
    pub fn listed(&self, uri: &str) -> Vec<String> {
        let list = self.get(uri);
        list["sessions"].as_array().unwrap().iter().map(|row| row["lsid"].as_str().unwrap().to_owned()).collect()
    }

    /// Packs everything.
    pub fn pack(&self) {
        self.on(async |platform| {
            crate::support::compact(platform, &Policy::packs(0), &Bound::WIDE).await.unwrap();
        });
    }
}
