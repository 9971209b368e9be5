use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command};

use appliance::agenda::Agenda;
use appliance::api::ApiOptions;
use appliance::drops::EventDrops;
use appliance::queue::{Queues, StartedSession};
use outbound_events::event::{EventName, Lsid};
use outbound_events::parse::parse;

use super::client::{Answer, basic, over_socket, request};
use super::support::proxy::{FaultyProxy, RequestFault};
use super::support::{RunningAppliance, appliance, wait_until};
use super::xml::Element;

const ACCEPTED: RequestFault = RequestFault::Answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
const LISTING: &str = "generate_report=SupportSessionListing&end_time=0&duration=0";

/// A recipient that accepts everything.
fn recipient() -> FaultyProxy {
    let proxy = FaultyProxy::to_recipient(None);
    proxy.always(ACCEPTED);
    proxy
}

/// An `appliance send` in a folder that has its output. Killed when it is dropped.
struct Sending {
    child: Child,
    folder: tempfile::TempDir,
}

impl Sending {
    fn start(proxy: &FaultyProxy, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| File::create(folder.path().join(name)).unwrap();
        let child = appliance()
            .args(["send", &proxy.url(), "--seed", "7"])
            .args(arguments)
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .unwrap();
        Self { child, folder }
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    fn stop(&mut self) -> Option<i32> {
        let stopped = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(stopped.unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in "Serving the appliance's APIs on http://127.0.0.1:7443: …".
fn served(stderr: &str) -> Option<SocketAddr> {
    let (_, rest) = stderr.split_once("Serving the appliance's APIs on http://")?;
    rest.split_once(": ")?.0.parse().ok()
}

fn ask(api: SocketAddr, form: &str) -> Answer {
    let credentials = basic(ApiOptions::CLIENT_ID, ApiOptions::CLIENT_SECRET);
    let granted = over_socket(api, &request("/oauth2/token", &[&credentials], Some("grant_type=client_credentials")));
    let bearer = format!("authorization: Bearer {}", granted.unwrap().json("access_token").as_str().unwrap());
    over_socket(api, &request("/api/reporting", &[&bearer], Some(form))).unwrap()
}

/// Of each session, the names and times of its events.
fn events_of(forms: impl IntoIterator<Item = String>) -> BTreeMap<String, Vec<(EventName, u64)>> {
    let mut events = BTreeMap::<_, Vec<_>>::new();
    for form in forms {
        let event = parse(form.as_bytes()).unwrap();
        let lsid = event.lsid().map(Lsid::as_str).unwrap().to_owned();
        events.entry(lsid).or_default().push((event.kind().name(), event.timestamp().seconds()));
    }
    events
}

fn end_of(session: &Element) -> u64 {
    session.find("end_time").unwrap().attribute("timestamp").unwrap().parse().unwrap()
}

#[test]
fn send_drops_a_share_of_the_events_and_reports_every_session() {
    let proxy = recipient();
    let arguments =
        ["--sessions", "40", "--until", "now", "--drop-events", "0.05", "--api", "127.0.0.1:0", "--api-lag", "0"];
    let mut sending = Sending::start(&proxy, &arguments);
    wait_until("everything is sent", || sending.read("stderr").contains("All events are sent"));
    let api = served(&sending.read("stderr")).unwrap();
    // What is dropped can be known beforehand.
    let (drops, mut agenda) = (EventDrops::new(0.05), Agenda::new(7, 40, 0, 1, false));
    let (mut sent, mut dropped) = (Vec::new(), Vec::new());
    while let Some(event) = agenda.next_event() {
        let list = if drops.drops(7, event.session, event.step) { &mut dropped } else { &mut sent };
        list.push(event.form);
    }
    let names = |events: &BTreeMap<String, Vec<(EventName, u64)>>| {
        let names = |list: &Vec<(EventName, u64)>| list.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        events.iter().map(|(lsid, list)| (lsid.clone(), names(list))).collect::<BTreeMap<_, _>>()
    };
    let (arrived, dropped) = (events_of(proxy.bodies()), events_of(dropped));
    assert_eq!(names(&arrived), names(&events_of(sent)));
    // Also a session whose end was dropped.
    let reports = ask(api, "generate_report=SupportSession&start_date=2000-01-01&duration=0").xml();
    let listed: BTreeSet<_> = ask(api, LISTING).xml().lsids().into_iter().map(str::to_owned).collect();
    assert_eq!((reports.children.len(), listed.len()), (40, 40));
    let without_end: Vec<_> =
        dropped.iter().filter(|(_, events)| events.iter().any(|(name, _)| *name == EventName::End)).collect();
    assert!(!without_end.is_empty());
    for session in &reports.children {
        let lsid = session.attribute("lsid").unwrap();
        let end = arrived[lsid].iter().find(|(name, _)| *name == EventName::End);
        assert!(listed.contains(lsid) && end.is_none_or(|(_, time)| *time == end_of(session)), "{lsid}");
    }
    let now = chrono::Utc::now().timestamp() as u64;
    let last = arrived.values().flatten().map(|(_, time)| *time).max().unwrap();
    assert!(last <= now && now - last < 600, "{last} {now}");
    assert_eq!(sending.stop(), Some(0), "nothing failed");
    let stdout = sending.read("stdout");
    let heading = format!(
        "{} events were dropped: {} sessions are not announced completely, {} of them without their end",
        dropped.values().map(Vec::len).sum::<usize>(),
        dropped.len(),
        without_end.len()
    );
    assert!(stdout.contains(&heading), "{stdout}");
    for (lsid, events) in names(&dropped) {
        let events: Vec<_> = events.iter().map(EventName::as_str).collect();
        assert!(stdout.contains(&format!("  {lsid}: {}", events.join(", "))), "{stdout}");
    }
}

#[test]
fn send_without_an_api_ends_by_itself_and_sends_the_same_bytes_as_before() {
    let proxy = recipient();
    let mut sending = Sending::start(&proxy, &["--sessions", "2"]);
    assert_eq!(sending.child.wait().unwrap().code(), Some(0));
    assert_eq!(proxy.bodies(), Agenda::new(7, 2, 0, 1, false).collect::<Vec<_>>());
    let mut sending = Sending::start(&proxy, &["--sessions", "2", "--until", "2026-11-29T08:00:00Z"]);
    assert_eq!(sending.child.wait().unwrap().code(), Some(0));
    let last = parse(proxy.bodies().last().unwrap().as_bytes()).unwrap();
    assert_eq!(last.timestamp().rfc3339(), "2026-11-29T08:00:00Z");
}

#[test]
fn the_secret_is_printed_only_if_it_is_the_one_for_trying() {
    let proxy = recipient();
    for (arguments, expected) in [
        (vec![], "client id \"recipient\", client secret \"only-for-trying\""),
        (
            vec!["--api-client-id", "desk", "--api-client-secret", "a-real-secret"],
            "client id \"desk\", the client secret as given",
        ),
    ] {
        let sending = Sending::start(&proxy, &[&["--sessions", "1", "--api", "127.0.0.1:0"], &arguments[..]].concat());
        wait_until("it serves", || served(&sending.read("stderr")).is_some());
        let said = sending.read("stderr");
        assert!(said.contains(expected) && !said.contains("a-real-secret"), "{said}");
    }
}

#[test]
fn bad_options_are_refused_before_anything_is_sent() {
    let proxy = recipient();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (arguments, expected) in [
        (vec!["--drop-events", "1.5"], "is not a number from 0 to 1"),
        (vec!["--api-lag", "5"], "--api"),
        (vec!["--api", "127.0.0.1:0", "--api-lag", "soon"], "is neither a number of seconds nor a time"),
        (vec!["--api", "127.0.0.1:0", "--api-down", "5-3"], "begins at its end or after it"),
        (vec!["--api", "127.0.0.1:0", "--api-namespace", "other"], "beyondtrust, bomgar, pra"),
        (vec!["--until", "later"], "is neither `now` nor a time such as 2026-11-29T08:00:00Z"),
        (vec!["--api", &taken], "choose another --api: cannot serve the API on"),
    ] {
        let mut sending = Sending::start(&proxy, &arguments);
        let said = |sending: &Sending| sending.read("stderr");
        assert_eq!(sending.child.wait().unwrap().code(), Some(2), "{arguments:?} {}", said(&sending));
        assert!(said(&sending).contains(expected), "{arguments:?} {}", said(&sending));
    }
    assert_eq!(proxy.count(), 0);
}

/// Twenty sessions a second, each almost without duration.
fn settings(proxy: &FaultyProxy) -> String {
    format!(
        "[sessions]\nper_minute = 1200\nseed = 7\nspeed = 10000\n[[http_recipient]]\nname = \"HQ\"\nurl = \"{}\"\nretry_interval = \"20ms\"\n",
        proxy.url()
    )
}

fn start(folder: &Path, config: &str, arguments: &[&str]) -> (RunningAppliance, SocketAddr) {
    let arguments = [&["--api", "127.0.0.1:0", "--api-lag", "0", "--api-rate", "0"], arguments].concat();
    let running = RunningAppliance::start_with(folder, config, &arguments);
    wait_until("it serves", || served(&running.stderr()).is_some());
    let api = served(&running.stderr()).unwrap();
    (running, api)
}

#[test]
fn run_reports_its_sessions_also_after_a_restart_and_those_whose_end_it_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = recipient();
    let (running, api) = start(folder.path(), &settings(&proxy), &["--drop-events", "0.2"]);
    let listed = |api| ask(api, LISTING).body.matches("<session_summary ").count();
    wait_until("sessions are listed", || listed(api) >= 40);
    let before: BTreeSet<_> = ask(api, LISTING).xml().lsids().into_iter().map(str::to_owned).collect();
    assert!(running.stderr().contains(": --drop-events"), "{}", running.stderr());
    running.kill();
    // Without [sessions], nothing new begins.
    let config = settings(&proxy).split_once("[[").map(|(_, rest)| format!("[[{rest}")).unwrap();
    let (running, api) = start(folder.path(), &config, &[]);
    let after: BTreeSet<_> = ask(api, LISTING).xml().lsids().into_iter().map(str::to_owned).collect();
    assert!(after.is_superset(&before));
    wait_until("every event has arrived", || running.lines_of("HQ").pop() == Some(("OK".to_owned(), 0)));
    let arrived = events_of(proxy.bodies());
    let lsids: Vec<_> = before.into_iter().collect();
    let reports = ask(api, &format!("generate_report=SupportSession&lsids={}", lsids.join(","))).xml();
    assert_eq!(reports.children.len(), lsids.len());
    let mut without_end = 0;
    for session in &reports.children {
        let events = arrived.get(session.attribute("lsid").unwrap()).cloned().unwrap_or_default();
        match events.iter().find(|(name, _)| *name == EventName::End) {
            Some((_, time)) => assert_eq!(end_of(session), *time),
            None => without_end += 1,
        }
    }
    assert!(without_end > 0);
    assert_eq!(running.stop(), Some(0));
}

#[test]
fn run_says_at_its_end_which_sessions_it_did_not_announce_completely() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = recipient();
    let running = RunningAppliance::start_with(folder.path(), &settings(&proxy), &["--drop-events", "0.5"]);
    wait_until("events arrive", || proxy.count() > 50);
    Command::new("kill").args(["-TERM", &running.id().to_string()]).status().unwrap();
    wait_until("it has stopped", || running.stderr().contains("sessions are not announced completely"));
    assert!(running.stderr().contains("events were dropped: "), "{}", running.stderr());
}

#[test]
fn a_wrong_clock_is_in_the_events_and_in_the_reports() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = recipient();
    let (_running, api) = start(folder.path(), &settings(&proxy), &["--api-clock-skew", "-86400"]);
    wait_until("a session is listed", || ask(api, LISTING).xml().name == "session_summary_list");
    let answer = ask(api, "generate_report=SupportSession&start_time=0&duration=0");
    let date = chrono::DateTime::parse_from_rfc2822(answer.header("date")).unwrap().timestamp();
    let behind = chrono::Utc::now().timestamp() - date;
    assert!((86_340..86_460).contains(&behind), "{behind}");
    let arrived = events_of(proxy.bodies());
    for time in arrived.values().flatten().map(|(_, time)| *time as i64) {
        assert!(time <= date + 60, "{time} {date}");
    }
    let session = answer.xml().children.remove(0);
    let begun: u64 = session.find("start_time").unwrap().attribute("timestamp").unwrap().parse().unwrap();
    assert!(arrived[session.attribute("lsid").unwrap()].contains(&(EventName::Begin, begun)));
}

#[test]
fn a_queue_file_of_an_earlier_version_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let session = |number| StartedSession { number, started: 100 + number, due: vec![1, 2, 3] };
    Queues::open(&path).unwrap().queues.start(7, &[session(0)]).unwrap();
    rusqlite::Connection::open(&path).unwrap().execute_batch("DROP TABLE started").unwrap();
    let queues = Queues::open(&path).unwrap().queues;
    assert_eq!((queues.next_session(7).unwrap(), queues.started().unwrap()), (1, vec![]));
    queues.start(7, &[session(1)]).unwrap();
    assert_eq!(queues.started().unwrap(), [session(1).occurrence(7)]);
}
