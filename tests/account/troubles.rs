//! An appliance that is down, refuses, lies or is none.

use super::harness::SiteUnderTest;
use crate::support::Trouble;
use serde_json::json;

#[test]
fn each_trouble_has_a_state_that_says_what_to_change_and_delays_nothing_else() {
    let cases = [
        (Trouble::Down, "unreachable", "refused"),
        (Trouble::WrongSecret, "wrong-secret", "client_secret"),
        (Trouble::NoPermission, "no-permission", "Session Reports"),
        (Trouble::Html, "not-an-appliance", "url"),
        (Trouble::BreaksOff, "unreadable-answer", "cannot be read"),
        (Trouble::Busy(77), "rate-limited", "fewer requests"),
    ];
    for (trouble, state, says) in cases {
        let site = SiteUnderTest::new();
        site.check();
        site.session("s1");
        let before = site.status()["complete_through"].clone();
        site.appliance.trouble.set(trouble);
        let lines = site.check_later().log;
        assert_eq!(lines.len(), 1, "{trouble:?}: {lines:?}");
        assert!(lines[0].starts_with("appliance hq: "), "{lines:?}");
        let status = site.status();
        assert_eq!((&status["state"], &status["complete_through"]), (&json!(state), &before), "{trouble:?}");
        let detail = status["detail"].as_str().unwrap();
        assert!(detail.contains(says) && !detail.contains("the-secret-of-the-account"), "{detail}");
        let health = site.get("/health");
        assert_eq!(health["ready"], true);
        assert!(health["detail"].as_str().unwrap().contains(state), "{health}");
        let wait = if trouble == Trouble::Busy(77) { 77 } else { 60 };
        assert_eq!(site.next(), wait, "{trouble:?}");
        // The same trouble is logged once.
        site.pass(90);
        assert_eq!(site.check().log, Vec::<String>::new());
        site.appliance.trouble.set(Trouble::None);
        site.pass(3_700);
        let lines = site.check().log;
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("work again"), "{lines:?}");
        assert!(site.report("s1").is_some(), "{trouble:?}");
        assert_eq!(site.status()["state"], "working");
        assert_eq!(site.get("/health").get("detail"), None);
    }
}

#[test]
fn waits_grow_up_to_an_hour() {
    let site = SiteUnderTest::new();
    site.appliance.trouble.set(Trouble::Down);
    let mut waits = Vec::new();
    for _ in 0..8 {
        site.check();
        waits.push(site.next());
        site.pass(i64::try_from(site.next()).unwrap());
    }
    assert_eq!(waits, [60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
    // The end of a session does not shorten them.
    site.check();
    site.announce("end", "s1");
    assert_eq!(site.next(), 3_600);
}

#[test]
fn a_date_that_is_years_ahead_for_a_while_leaves_nothing_out() {
    let site = SiteUnderTest::new();
    site.check();
    site.appliance.trouble.set(Trouble::DateAhead);
    site.lost_session("s1");
    site.check_later();
    site.appliance.trouble.set(Trouble::None);
    site.lost_session("s2");
    for _ in 0..3 {
        site.check_later();
    }
    assert!(site.report("s1").is_some() && site.report("s2").is_some());
    assert_eq!(site.status()["behind_seconds"], 120);
}

#[test]
fn reports_that_nobody_asked_for_are_not_stored() {
    let site = SiteUnderTest::new();
    site.lost_session("s1");
    site.appliance.adds("another", site.seconds() - 90 * 86_400, 0);
    site.appliance.trouble.set(Trouble::OtherSessions);
    assert_eq!(site.check_later().stored, 0);
    let unreadable = json!({ "s1": "the appliance lists it, and has no report of it" });
    assert_eq!(site.status()["unreadable"], unreadable);
    site.appliance.trouble.set(Trouble::None);
    assert_eq!(site.check_later().stored, 1);
}

#[test]
fn a_report_that_cannot_be_read_is_listed_and_holds_up_nothing() {
    let site = SiteUnderTest::new();
    site.lost_session("s1");
    site.lost_session("s2");
    // The year 10000: no time that a record can have.
    site.appliance.sessions.borrow_mut()[0].begun = 300_000_000_000;
    site.check_later();
    assert!(site.report("s2").is_some());
    let status = site.status();
    assert_eq!(status["complete_through"], "2026-01-02T03:07:05Z");
    let listed = status["unreadable"].as_object().unwrap();
    assert!(listed.is_empty() || listed.contains_key("s1"), "{status}");
}

#[test]
fn an_administrator_can_check_at_once() {
    let site = SiteUnderTest::new();
    site.appliance.trouble.set(Trouble::Down);
    site.check();
    site.appliance.trouble.set(Trouble::None);
    site.lost_session("s1");
    site.pass(10);
    let reply = site.call("POST", "/api/appliances/hq/check", "");
    let checked: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!((reply.status, &checked["stored"], &checked["state"]), (200, &json!(1), &json!("working")));
    assert_eq!(site.call("POST", "/api/appliances/west/check", "").status, 404);
}
