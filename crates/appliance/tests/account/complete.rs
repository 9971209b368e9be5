use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use appliance::api::ApiFaults;
use chrono::{DateTime, TimeDelta, Utc};
use outbound_events::event::EventName;
use serde_json::{Value, json};

use crate::desk::TestDestination;
use crate::site::{SentSessions, TestSite, reports_at, told};
use crate::support::recipient::Kind;
use crate::support::wait_until;

/// Events a second while the host is killed, so that some are sent at that moment, and most are left.
const SLOWLY: &[&str] = &["--rate", "30"];

#[test]
fn every_session_is_complete_in_the_end() {
    is_complete_in_the_end(Kind::Host, 300);
}

#[test]
fn every_session_is_complete_in_the_end_with_the_second_component() {
    is_complete_in_the_end(Kind::HostWasi, 300);
}

/// The host is killed twice while it checks the appliance and events arrive, and the API is down in between.
fn is_complete_in_the_end(kind: Kind, count: u64) {
    // An hour cannot pass here: sessions that ended earlier than that count as missed at once.
    let sessions = SentSessions::until(count, Utc::now() - TimeDelta::minutes(90));
    assert!(sessions.without_end.len() > 5, "{}", sessions.without_end.len());
    let mut site = TestSite::start(kind);
    site.api.change_faults(|faults| (faults.lag, faults.delay) = (Duration::from_secs(3), Duration::from_millis(200)));
    sessions.add_to(&site.api);
    let mut sending = sessions.begin_to_send(&site, SLOWLY);

    // The check after the start begins by itself. Reports of an hour take five requests at most, so those of the first
    // hour are stored, and how far the check was.
    wait_until("the first check fetches reports", || site.report_requests() >= 7);
    site.kill_and_restart();
    let stored = site.stored_reports().len();
    assert!((1..sessions.lsids.len()).contains(&stored) && !sending.is_over(), "{stored}");

    let before = site.status();
    assert!(through(&before) < Utc::now() - TimeDelta::minutes(5), "{before}");
    site.api.change_faults(|faults| faults.is_down = true);
    for _ in 0..2 {
        let down = site.check();
        assert_eq!((&down["state"], &down["stored"]), (&json!("unreachable"), &json!(0)), "{down}");
        let status = site.status();
        assert_eq!(status["complete_through"], before["complete_through"], "{status}");
        assert!(status["detail"].as_str().unwrap().starts_with("it cannot be reached: "), "{status}");
        assert!(status["failing_since"].is_string(), "{status}");
    }
    // Events are accepted all the while.
    assert_eq!(site.get("/health")["ready"], true);
    site.api.change_faults(|faults| faults.is_down = false);

    let asked = site.report_requests();
    site.begin_check();
    wait_until("a check fetches reports again", || site.report_requests() > asked);
    site.kill_and_restart();
    let stored = site.stored_reports().len();
    assert!(stored < sessions.lsids.len() && !sending.is_over(), "{stored}");

    site.api.change_faults(|faults| faults.delay = Duration::ZERO);
    site.end_now("announced-now", true);
    site.end_now("unannounced-now", false);
    drop(sending);
    // All events, those from before again.
    let mut sending = sessions.begin_to_send(&site, &[]);
    while !sending.is_over() {
        site.check();
    }
    let sent = sending.finish();
    assert_eq!(sent.code, Some(0), "{sent:?}");
    assert!(sent.figure("duplicate") > 0, "{sent:?}");

    let mut all = sessions.lsids.clone();
    all.extend(["announced-now", "unannounced-now"].map(str::to_owned));
    wait_until("every session has a report", || {
        site.check_to_the_end();
        site.stored_reports().len() >= all.len()
    });
    let stored = site.stored_reports();
    assert_eq!(stored.iter().cloned().collect::<BTreeSet<_>>(), all);
    assert_eq!(stored.len(), all.len(), "a report is stored twice");
    // The session that has just ended can still be announced.
    assert_eq!(site.missed(), sessions.without_end);
    let status = site.check_to_the_end();
    assert_eq!(status["missed"], sessions.without_end.len(), "{status}");
    assert_eq!((&status["unreadable"], &status["polled"]), (&json!({}), &json!(false)), "{status}");
    let of_site = &site.get("/api/stats")["sites"][0];
    assert_eq!((&of_site["site"], &of_site["missed"]), (&json!("hq"), &status["missed"]), "{of_site}");
    follows_the_clock_of_the_appliance(&site);

    wait_until("every report is delivered", || has_reports(&site.reports, &all) && has_reports(&site.ends, &all));
    assert!(told(&site.reports).iter().all(|(event, _)| event == EventName::REPORT));

    site.api.change_faults(|faults| faults.lag = ApiFaults::LAG);
    let begun = Instant::now();
    site.end_now("idle", true);
    wait_until("its report is delivered", || site.reports.ids().len() > all.len());
    println!("{}: a report was delivered {:.1} s after the `end` event", kind.name(), begun.elapsed().as_secs_f64());
    assert!(reports_at(&site.reports).contains("idle"));
    wait_until("also where ends are sent", || reports_at(&site.ends).contains("idle"));
    let of_idle = told(&site.ends).into_iter().filter(|(_, lsid)| lsid == "idle").map(|(event, _)| event);
    assert_eq!(of_idle.collect::<Vec<_>>(), [EventName::End.as_str(), EventName::REPORT]);
    assert_eq!(site.stored_reports().len(), all.len() + 1);
}

/// Whether a destination has exactly these reports. Parsing all takes time, so it first looks at their number.
fn has_reports(destination: &TestDestination, lsids: &BTreeSet<String>) -> bool {
    destination.ids().len() >= lsids.len() && reports_at(destination) == *lsids
}

fn through(status: &Value) -> DateTime<Utc> {
    status["complete_through"].as_str().unwrap().parse().unwrap()
}

/// Two minutes behind it, whether it is right or not.
fn follows_the_clock_of_the_appliance(site: &TestSite) {
    let follows = || {
        let from = site.api.now() - TimeDelta::minutes(2) - TimeDelta::seconds(1);
        let through = through(&site.check());
        assert!((from..site.api.now() - TimeDelta::minutes(2)).contains(&through), "{from} {through}");
        through
    };
    let right = follows();
    site.api.change_faults(|faults| faults.clock_skew = -60);
    assert!(follows() < right);
    site.api.change_faults(|faults| faults.clock_skew = 0);
    assert!(follows() >= right);
}
