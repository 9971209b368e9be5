//! `appliance run`: the file of settings, and queues that outlive the process.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use appliance::config::Alert;
use appliance::queue::{Lane, Queues, StartedSession};
use appliance::session::SupportSession;
use outbound_events::event::EventName;
use outbound_events::parse::parse;
use support::proxy::{FaultyProxy, RequestFault};
use support::recipient::{Kind, OPEN, Recipient};
use support::smtp::SmtpServer;
use support::terminal::Terminal;
use support::{RunningAppliance, appliance, wait_until};

/// Twenty sessions a second, each almost without duration.
const SESSIONS: &str = "[sessions]\nper_minute = 1200\nseed = 7\nspeed = 10000\n";

fn http(name: &str, proxy: &FaultyProxy, more: &str) -> String {
    format!("[[http_recipient]]\nname = \"{name}\"\nurl = \"{}\"\nretry_interval = \"20ms\"\n{more}\n", proxy.url())
}

fn smtp(server: &SmtpServer) -> String {
    let port = server.port;
    format!("[smtp]\nhost = \"127.0.0.1\"\nport = {port}\nencryption = \"none\"\nfrom = \"appliance@example.com\"\n")
}

/// Session, name and index of each event of the first `sessions`.
fn expected(sessions: u64) -> BTreeSet<(String, String, usize)> {
    let events = (0..sessions).flat_map(|number| {
        let session = SupportSession::generate(7, number);
        let named = |(at, step): (usize, &appliance::session::SessionStep)| {
            (session.lsid.clone(), step.event.as_str().to_owned(), at)
        };
        session.steps.iter().enumerate().map(named).collect::<Vec<_>>()
    });
    events.collect()
}

/// The number of sessions that have started.
fn started(folder: &Path) -> u64 {
    Queues::open(&folder.join("appliance.queue.db")).unwrap().queues.next_session(7).unwrap()
}

fn is_drained(running: &RunningAppliance, name: &str) -> bool {
    running.lines_of(name).pop() == Some(("OK".to_owned(), 0))
}

#[test]
fn kills_and_stops_lose_no_event() {
    let folder = tempfile::tempdir().unwrap();
    let recipient = Recipient::start(Kind::Host, &[OPEN]);
    let proxy = FaultyProxy::to_recipient(None);
    let hq = http("HQ", &proxy, "");
    // The recipient is down, so everything is queued.
    for _ in 0..2 {
        let running = RunningAppliance::start(folder.path(), &format!("{SESSIONS}{hq}"));
        wait_until("events are queued", || running.queued("HQ") > 50);
        running.kill();
    }
    proxy.lead_to(Some(recipient.address));
    let before = proxy.count();
    let running = RunningAppliance::start(folder.path(), &format!("{SESSIONS}{hq}"));
    wait_until("events arrive", || proxy.count() > before + 100);
    assert_eq!(running.stop(), Some(0));
    // Without [sessions], only the queue is delivered.
    let sessions = started(folder.path());
    let running = RunningAppliance::start(folder.path(), &hq);
    let count = expected(sessions).len();
    wait_until("everything has arrived", || recipient.stored().len() >= count);
    wait_until("the queue is empty", || is_drained(&running, "HQ"));
    assert_eq!(running.stop(), Some(0));
    assert_eq!(recipient.stored().len(), count);
    // First in, first out, checked for each session: sessions overlap.
    for number in 0..sessions {
        let session = SupportSession::generate(7, number);
        let mut bodies: Vec<_> = proxy
            .bodies()
            .into_iter()
            .map(|body| parse(body.as_bytes()).unwrap())
            .filter(|event| event.lsid().unwrap().as_str() == session.lsid)
            .collect();
        // An event that was being sent at the kill arrives twice.
        bodies.dedup();
        let came: Vec<_> = bodies.iter().map(|event| event.kind().name()).collect();
        let happened: Vec<_> = session.steps.iter().map(|step| step.event.clone()).collect();
        assert_eq!(came, happened, "session {number}");
    }
}

#[test]
fn recipients_are_independent_and_get_the_events_and_fields_of_their_settings() {
    let folder = tempfile::tempdir().unwrap();
    let recipient = Recipient::start(Kind::Host, &[OPEN]);
    let (stuck, all, ends) = (
        FaultyProxy::to_recipient(None),
        FaultyProxy::to_recipient(Some(recipient.address)),
        FaultyProxy::to_recipient(Some(recipient.address)),
    );
    stuck.always(RequestFault::Answer("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 6\r\n\r\nbroken"));
    let config = [
        SESSIONS,
        &http("Stuck", &stuck, ""),
        &http("All", &all, "send_custom_fields = true"),
        &http("Ends", &ends, "events = [\"Support Session End\", \"support_conference_begin\"]"),
        &http("Off", &FaultyProxy::to_recipient(None), "enabled = false"),
    ]
    .concat();
    let running = RunningAppliance::start(folder.path(), &config);
    wait_until("events arrive", || all.count() > 200 && ends.count() > 50);
    wait_until("the status of the failing recipient is printed", || {
        let is_stuck = running.status("Stuck").is_some_and(|status| status == "HTTP 500 Internal Server Error broken");
        is_stuck && running.queued("Stuck") > 100
    });
    assert_eq!(running.lines_of("Off"), [("Disabled".to_owned(), 0)]);
    let events =
        |proxy: &FaultyProxy| proxy.bodies().iter().map(|body| parse(body.as_bytes()).unwrap()).collect::<Vec<_>>();
    assert!(events(&all).iter().all(|event| event.variables().len() == 2));
    assert!(events(&ends).iter().all(|event| event.variables().is_empty()));
    let names: BTreeSet<_> = events(&ends).iter().map(|event| event.kind().name()).collect();
    assert_eq!(names, [EventName::Begin, EventName::End].into());
    // Only the first event is tried.
    let first = events(&stuck)[0].clone();
    assert!(events(&stuck).iter().all(|event| *event == first));
}

#[test]
fn without_a_terminal_only_changes_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = FaultyProxy::to_recipient(None);
    proxy.always(RequestFault::Answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    let running = RunningAppliance::start(folder.path(), &[SESSIONS, &http("HQ", &proxy, "")].concat());
    wait_until("events arrive", || proxy.count() > 300);
    proxy.always(RequestFault::Close);
    wait_until("the failure is printed", || running.status("HQ").is_some_and(|status| status != "OK"));
    wait_until("the queue is printed", || running.queued("HQ") >= 10);
    let said = running.lines_of("HQ");
    assert!(said.windows(2).all(|two| two[0] != two[1]), "{said:?}");
    // Hundreds of events have changed the table twice each.
    assert!(said.len() < 30, "{said:?}");
}

#[cfg(unix)]
#[test]
fn on_a_terminal_the_table_is_redrawn_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let (well, failing) = (FaultyProxy::to_recipient(None), FaultyProxy::to_recipient(None));
    well.always(RequestFault::Answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    // Longer than the terminal is wide.
    failing.always(RequestFault::Answer(
        "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 119\r\n\r\nthe database is away, and nobody knows when it will be back; ask the administrator, who may be away as well, or wait it out",
    ));
    let dropping = http("Dropping", &failing, "retry_duration = \"100ms\"");
    let config = [SESSIONS, &http("Well", &well, ""), &dropping].concat();
    let mut terminal = Terminal::start(folder.path(), &config);
    wait_until("events arrive", || well.count() > 200);
    wait_until("something is dropped", || terminal.lines().iter().any(|line| line.contains(": dropped ")));
    wait_until("the table is there", || terminal.lines().iter().any(|line| line.contains("Well")));
    terminal.stop();
    let lines = terminal.lines();
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:#?}");
    assert!(lines.iter().filter(|line| line.starts_with('─')).count() == 3, "{lines:#?}");
    let with = |words: &str| lines.iter().filter(|line| line.contains(words)).count();
    assert_eq!((with("Queued events"), with(" Well "), with("stopped; ")), (1, 1, 1), "{lines:#?}");
    assert!(with(": dropped ") > 0, "{lines:#?}");
    assert!(lines.last().unwrap().starts_with("stopped; "), "{lines:#?}");
}

#[test]
fn the_contact_of_a_failing_recipient_is_alerted_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = SmtpServer::start(folder.path());
    let (failing, working) = (FaultyProxy::to_recipient(None), FaultyProxy::to_recipient(None));
    working.always(RequestFault::Answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    let contact = |name: &str| format!("email_contact = \"{name}@example.com\"\nsend_email_alert_after = \"300ms\"");
    let config = [
        SESSIONS,
        &smtp(&server),
        &http("Failing", &failing, &contact("failing")),
        &http("Working", &working, &contact("working")),
    ]
    .concat();
    let running = RunningAppliance::start(folder.path(), &config);
    let emails = server.wait_for_emails(1);
    assert_eq!(emails[0]["to"], serde_json::json!(["failing@example.com"]));
    let subject = emails[0]["subject"].as_str().unwrap();
    assert!(subject.starts_with("Outbound events: Failing has been failing since "), "{subject}");
    let body = emails[0]["body"].as_str().unwrap();
    assert!(body.contains(&failing.url()) && body.contains("Status: no answer: "), "{body}");
    // No second alert, neither now nor after a restart, once the first one is recorded as sent.
    let tried = failing.count();
    wait_until("it goes on trying", || failing.count() > tried + 20);
    running.kill();
    let tried = failing.count();
    let running = RunningAppliance::start(folder.path(), &config);
    wait_until("it goes on trying", || failing.count() > tried + 20);
    assert_eq!(server.emails().len(), 1);
    // A second failure after a recovery is a second alert.
    failing.always(RequestFault::Answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    wait_until("it recovers", || running.status("Failing").is_some_and(|status| status == "OK"));
    failing.always(RequestFault::Close);
    let emails = server.wait_for_emails(2);
    assert_eq!(emails[1]["to"], serde_json::json!(["failing@example.com"]));
}

#[test]
fn an_alert_is_due_after_the_configured_time() {
    let alert = Alert { contact: "admin@example.com".parse().unwrap(), after: Duration::from_secs(600) };
    for (failing_for, due) in [(0, false), (599, false), (600, true), (6_000, true)] {
        assert_eq!(alert.is_due(Duration::from_secs(failing_for)), due, "{failing_for}");
    }
}

#[test]
fn a_recovery_before_the_configured_time_prevents_the_alert() {
    let folder = tempfile::tempdir().unwrap();
    let server = SmtpServer::start(folder.path());
    let proxy = FaultyProxy::to_recipient(None);
    let contact = "email_contact = \"admin@example.com\"\nsend_email_alert_after = \"5s\"";
    let config = [SESSIONS, &smtp(&server), &http("HQ", &proxy, contact)].concat();
    let running = RunningAppliance::start(folder.path(), &config);
    wait_until("it fails", || proxy.count() > 2);
    // Time while the appliance is stopped does not count as failing.
    running.kill();
    std::thread::sleep(Duration::from_secs(6));
    proxy.always(RequestFault::Answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    let running = RunningAppliance::start(folder.path(), &config);
    let before = proxy.count();
    wait_until("it has recovered", || proxy.count() > before + 50);
    assert_eq!(running.stop(), Some(0));
    assert_eq!(server.emails(), Vec::<serde_json::Value>::new());
}

#[test]
fn a_recipient_that_has_recovered_is_not_failing() {
    let folder = tempfile::tempdir().unwrap();
    let queues = Queues::open(&folder.path().join("queue.db")).unwrap().queues;
    let lane = Lane::http("HQ");
    queues.start(7, &[StartedSession { number: 0, started: 1, due: vec![1, 2] }]).unwrap();
    queues.happened(&queues.due(9).unwrap(), &[(lane.clone(), b"event".to_vec())]).unwrap();
    let item = queues.first(&lane).unwrap().unwrap();
    queues.failed(&lane, &item, 1000).unwrap();
    queues.failed(&lane, &item, 2000).unwrap();
    let failing = queues.failing().unwrap();
    assert_eq!((failing.len(), failing[0].since), (1, 1000));
    assert_eq!(queues.first(&lane).unwrap().unwrap().failing_since, Some(1000));
    queues.accepted(&lane, &item).unwrap();
    assert_eq!(queues.failing().unwrap(), []);
    // The recipient recovered while the alert was being written.
    queues.queue_alert(&lane, b"email").unwrap();
    assert_eq!(queues.first(&Lane::alerts()).unwrap(), None);
}

#[test]
fn two_appliances_do_not_share_their_queues() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = FaultyProxy::to_recipient(None);
    let running = RunningAppliance::start(folder.path(), &http("HQ", &proxy, ""));
    wait_until("it runs", || running.status("HQ").is_some());
    let output = appliance().args(["run", "--config"]).arg(folder.path().join("appliance.toml")).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("appliance.queue.db is in use by another appliance"), "{said}");
}

#[test]
fn a_damaged_queue_file_is_renamed_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("appliance.queue.db");
    let proxy = FaultyProxy::to_recipient(None);
    let config = http("HQ", &proxy, "");
    let running = RunningAppliance::start(folder.path(), &format!("{SESSIONS}{config}"));
    wait_until("events are queued", || running.queued("HQ") > 200);
    assert_eq!(running.stop(), Some(0));
    let mut torn = std::fs::read(&path).unwrap();
    // Keep the first page, which identifies the file.
    torn[4096..].fill(0x55);
    let letter = b"this was a queue once, and is now a letter to the administrator".to_vec();
    // A power cut can also damage the log.
    for (number, (damaged, log)) in
        [(torn, None), (letter.clone(), None), (letter, Some(vec![0x55; 9_000]))].into_iter().enumerate()
    {
        std::fs::write(&path, &damaged).unwrap();
        if let Some(log) = &log {
            std::fs::write(path.with_extension("db-wal"), log).unwrap();
        }
        let running = RunningAppliance::start(folder.path(), &config);
        wait_until("it runs", || running.status("HQ").is_some());
        let said = running.stderr();
        let renamed = folder.path().join(format!("appliance.queue.db.damaged-{}", number + 1));
        assert!(said.contains(&format!("was damaged and is now {}", renamed.display())), "{said}");
        assert_eq!(std::fs::read(&renamed).unwrap(), damaged);
        if let Some(log) = log {
            assert_eq!(std::fs::read(format!("{}-wal", renamed.display())).unwrap(), log);
        }
        assert_eq!(running.stop(), Some(0));
    }
}

#[test]
fn a_database_of_another_program_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("appliance.queue.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let before = std::fs::read(&path).unwrap();
    std::fs::write(folder.path().join("appliance.toml"), http("HQ", &FaultyProxy::to_recipient(None), "")).unwrap();
    let output = appliance().args(["run", "--config"]).arg(folder.path().join("appliance.toml")).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("appliance.queue.db is not a queue file of an appliance"), "{said}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}
