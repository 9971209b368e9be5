//! A site: the API of an emulated appliance, a recipient that asks it, and destinations for reports.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use appliance::agenda::{Agenda, AgendaTimes};
use appliance::api::{ApiOptions, ApplianceApi, EmulatedSession, RunningApi};
use appliance::drops::EventDrops;
use chrono::{DateTime, TimeDelta, Utc};
use outbound_events::event::{EventName, Lsid};
use outbound_events::keys::KeyParts;
use outbound_events::parse::parse;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::desk::{ADMIN, READING, SECRET, TestDestination, api, expire_leases, expire_rests, setting};
use crate::support::proxy::FaultyProxy;
use crate::support::recipient::{Connection, Kind, OPEN, Recipient, TOKEN};
use crate::support::{SendOutput, appliance};

/// The seed of the sessions and of the events that are dropped.
const SEED: u64 = 27;

/// The share of events that are dropped.
const DROPPED: f64 = 0.05;

/// A site whose host can be killed. Its store outlives the host.
pub struct TestSite {
    pub api: RunningApi,
    /// Gets reports only.
    pub reports: TestDestination,
    /// Gets `end` events and reports.
    pub ends: TestDestination,
    /// `None` only while the host is restarted.
    recipient: Option<Recipient>,
    /// In front of the recipient: its address changes with each restart.
    proxy: FaultyProxy,
    appliances: NamedTempFile,
}

impl TestSite {
    pub fn start(kind: Kind) -> Self {
        let api = ApplianceApi::start(SocketAddr::from(([127, 0, 0, 1], 0)), ApiOptions::default()).unwrap();
        let since = (Utc::now() - TimeDelta::hours(8)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let entry = json!({
            "site": "hq", "url": api.url(), "since": since,
            "client_id": ApiOptions::CLIENT_ID, "client_secret": ApiOptions::CLIENT_SECRET,
        });
        let appliances = NamedTempFile::new().unwrap();
        std::fs::write(appliances.path(), json!([entry]).to_string()).unwrap();
        let (reports, ends) = (TestDestination::open(&[SECRET]), TestDestination::open(&[SECRET]));
        let mut destinations = [reports.destination("reports"), ends.destination("ends")];
        destinations[0]["events"] = json!(["report"]);
        destinations[1]["events"] = json!([EventName::End.as_str(), "report"]);
        let variables = [OPEN, READING, ADMIN, &setting(&json!(destinations))];
        let recipient = Recipient::start_by(kind, &variables, |host| with_appliances(host, appliances.path()));
        let proxy = FaultyProxy::to_recipient(Some(recipient.address));
        Self { api, reports, ends, recipient: Some(recipient), proxy, appliances }
    }

    /// Kills the host, and restarts it with the same store, as if the leases of its delivery runs had expired.
    pub fn kill_and_restart(&mut self) {
        let recipient = self.recipient.take().unwrap();
        let path = recipient.store_path();
        let recipient = recipient.kill_and_restart_by(|host| {
            expire_leases(&path);
            expire_rests(&path);
            with_appliances(host, self.appliances.path())
        });
        self.proxy.lead_to(Some(recipient.address));
        self.recipient = Some(recipient);
    }

    pub fn recipient(&self) -> &Recipient {
        self.recipient.as_ref().unwrap()
    }

    pub fn get(&self, path: &str) -> Value {
        let (status, answer) = api(self.recipient(), "GET", path);
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// The site's state.
    pub fn status(&self) -> Value {
        self.get("/api/appliances")["appliances"][0].clone()
    }

    /// Checks the site now, and returns its state and the number of reports that were stored.
    pub fn check(&self) -> Value {
        let (status, answer) = api(self.recipient(), "POST", CHECK);
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// Begins a check, and does not wait for its end.
    pub fn begin_check(&self) {
        let address = self.recipient().address;
        std::thread::spawn(move || {
            if TcpStream::connect(address).is_ok() {
                let mut connection = Connection::open(address);
                let head = format!("POST {CHECK} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n");
                // The host can be killed meanwhile.
                let _ = connection.try_send(format!("{head}Content-Length: 0\r\n\r\n"));
                let _ = connection.try_receive();
            }
        });
    }

    /// Checks the site until a check succeeds and finds nothing new. Returns the state after it.
    pub fn check_to_the_end(&self) -> Value {
        loop {
            let checked = self.check();
            assert_eq!(checked["state"], "working", "{checked}");
            if checked["stored"] == 0 {
                return self.status();
            }
        }
    }

    /// How often the API was asked for reports of sessions.
    pub fn report_requests(&self) -> usize {
        let is_report = |parameters: &[(String, String)]| parameters.iter().any(|(_, value)| value == "SupportSession");
        self.api.served().iter().filter(|served| is_report(&served.parameters)).count()
    }

    /// The sessions whose end was never announced, by the API.
    pub fn missed(&self) -> BTreeSet<String> {
        let page = self.get("/api/sessions?announced=false&limit=200");
        assert_eq!(page["next"], Value::Null);
        page["sessions"].as_array().unwrap().iter().map(|row| row["lsid"].as_str().unwrap().to_owned()).collect()
    }

    /// The sessions of the stored reports, once for each report.
    pub fn stored_reports(&self) -> Vec<String> {
        let keys = self.recipient().stored().into_iter().map(|(key, _)| key);
        let lsid = |key: String| {
            let parts = KeyParts::split(&key)?;
            parts.is_named(&EventName::Report).then(|| parts.lsid.to_owned())
        };
        keys.filter_map(lsid).collect()
    }

    /// Adds a session that ended just now to the appliance, and announces it if wanted.
    pub fn end_now(&self, lsid: &str, is_announced: bool) {
        let now = Utc::now().timestamp().unsigned_abs();
        self.api.add(EmulatedSession::example(lsid, now - 600, now));
        let events = [("support_conference_begin", now - 600), ("support_conference_end", now)];
        for (event, time) in events.iter().filter(|_| is_announced) {
            let form = format!("event={event}&version=1&timestamp={time}&lsid={lsid}");
            assert_eq!(self.recipient().post("/events/hq", form).result(), "stored");
        }
    }
}

const CHECK: &str = "/api/appliances/hq/check";

fn with_appliances(mut host: Command, file: &Path) -> Command {
    host.arg("--appliances").arg(file);
    host
}

/// The sessions that the destination was told of, in order: by event names.
pub fn told(destination: &TestDestination) -> Vec<(String, String)> {
    let event = |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap()["data"].clone();
    let taken = destination.taken();
    let told = taken.iter().map(|received| event(&received.body));
    told.map(|data| (data["event"].as_str().unwrap().to_owned(), data["lsid"].as_str().unwrap().to_owned())).collect()
}

/// The sessions whose reports the destination has.
pub fn reports_at(destination: &TestDestination) -> BTreeSet<String> {
    let reports = told(destination).into_iter().filter(|(event, _)| event == EventName::REPORT);
    reports.map(|(_, lsid)| lsid).collect()
}

/// The sessions of `appliance send`, and what becomes of their events.
pub struct SentSessions {
    count: u64,
    until: DateTime<Utc>,
    /// All sessions.
    pub lsids: BTreeSet<String>,
    /// Those whose `end` event is dropped.
    pub without_end: BTreeSet<String>,
}

impl SentSessions {
    /// The last event is at `until`.
    pub fn until(count: u64, until: DateTime<Utc>) -> Self {
        let (drops, mut agenda) = (EventDrops::new(DROPPED), Agenda::new(SEED, count, 0, 1, false));
        let (mut lsids, mut without_end) = (BTreeSet::new(), BTreeSet::new());
        while let Some(event) = agenda.next_event() {
            let parsed = parse(event.form.as_bytes()).unwrap();
            let lsid = parsed.lsid().map(Lsid::as_str).unwrap().to_owned();
            if parsed.kind().name() == EventName::End && drops.drops(SEED, event.session, event.step) {
                without_end.insert(lsid.clone());
            }
            lsids.insert(lsid);
        }
        Self { count, until, lsids, without_end }
    }

    /// Adds them to the appliance's reports.
    pub fn add_to(&self, api: &RunningApi) {
        let times = AgendaTimes::until(SEED, self.count, self.until.timestamp().unsigned_abs());
        (0..self.count).for_each(|number| api.sessions().add_generated(times.occurrence(number, 0)));
    }

    /// Begins to send their events, with more arguments.
    pub fn begin_to_send(&self, site: &TestSite, arguments: &[&str]) -> Sending {
        let mut command = appliance();
        command.arg("send").arg(format!("http://{}/events/hq", site.proxy.address));
        command.args(["--sessions", &self.count.to_string(), "--seed", &SEED.to_string()]);
        command.args(["--until", &self.until.to_rfc3339(), "--drop-events", &DROPPED.to_string()]);
        command.args(["--retry-interval", "50ms"]).args(arguments);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Sending(Some(child))
    }
}

/// An `appliance send`, which is killed when it is dropped.
pub struct Sending(Option<Child>);

impl Sending {
    pub fn is_over(&mut self) -> bool {
        self.0.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some())
    }

    /// Waits for its end.
    pub fn finish(mut self) -> SendOutput {
        SendOutput::new(self.0.take().unwrap().wait_with_output().unwrap())
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
