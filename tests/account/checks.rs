//! What a check stores, and through which time a site is complete.

use super::harness::SiteUnderTest;
use serde_json::json;

#[test]
fn the_report_of_a_session_is_stored_once_and_shown_with_it() {
    let site = SiteUnderTest::new();
    site.session("s1");
    site.pass(15);
    assert_eq!(site.check().stored, 1);
    let report = site.report("s1").unwrap();
    assert_eq!(report["data"]["report"]["customers"][0]["hostname"], json!("PC-s1"));
    assert_eq!(report["recordedtime"], "2026-01-02T03:04:05.678000Z", "that of the newest event");
    let keys = site.store.keys();
    for _ in 0..5 {
        assert_eq!(site.check_later().stored, 0);
    }
    assert_eq!(site.appliance.asked.borrow().as_slice(), ["s1"], "it is fetched once");
    assert_eq!(site.store.keys(), keys);
    site.pack();
    assert_eq!((site.check_later().stored, site.appliance.asked.borrow().len()), (0, 1), "packed, it is still known");
}

#[test]
fn a_session_whose_events_are_all_lost_is_filled_in() {
    let site = SiteUnderTest::new();
    site.session("s1");
    site.lost_session("s2");
    site.check_later();
    let session = site.get("/api/sessions/hq/s2");
    assert_eq!((&session["state"], &session["announced"]), (&json!("ended"), &json!(false)));
    assert_eq!((&session["end"], &session["duration_seconds"]), (&json!("2026-01-02T03:04:05Z"), &json!(300)));
    let row = &site.get("/api/sessions?q=pc-s2")["sessions"][0];
    assert_eq!((&row["lsid"], &row["customers"]), (&json!("s2"), &json!(["Customer of s2"])));
}

#[test]
fn complete_through_follows_the_appliances_clock_two_minutes_behind() {
    // The recipient's clock does not matter.
    for ahead in [0, 86_400, -86_400 * 400] {
        let site = SiteUnderTest::new();
        site.ahead.set(ahead);
        assert_eq!(site.status()["state"], "not-checked");
        site.check();
        assert_eq!(site.status()["complete_through"], "2026-01-02T03:02:05Z", "{ahead}");
        site.check_later();
        assert_eq!(site.status()["complete_through"], "2026-01-02T03:07:05Z", "{ahead}");
        let stats = site.get("/api/stats");
        assert_eq!(stats["sites"][0]["complete_through"], "2026-01-02T03:07:05Z");
        assert_eq!(site.status()["behind_seconds"], 120);
    }
}

#[test]
fn a_report_that_lags_is_found_by_a_later_check() {
    let site = SiteUnderTest::new();
    site.announce("end", "s1");
    site.appliance.adds("s1", site.seconds(), 400);
    site.check_later();
    assert_eq!(site.report("s1"), None);
    assert_eq!(site.status()["unreadable"], json!({ "s1": "its report is not ready yet" }));
    site.check_later();
    assert!(site.report("s1").is_some());
    assert_eq!(site.status()["unreadable"], json!({}));
}

#[test]
fn a_session_that_is_listed_late_is_found_within_an_hour() {
    let site = SiteUnderTest::new();
    site.lost_session("s1");
    site.appliance.sessions.borrow_mut()[0].listed += 50 * 60;
    for _ in 0..9 {
        site.check_later();
    }
    assert_eq!(site.report("s1"), None);
    site.check_later();
    assert!(site.report("s1").is_some());
}

#[test]
fn a_check_is_due_soon_after_a_session_ends() {
    let site = SiteUnderTest::new();
    site.check();
    assert_eq!(site.next(), 300);
    site.announce("end", "s1");
    assert_eq!(site.next(), 15);
    site.pass(15);
    site.check();
    assert_eq!((site.appliance.count("listing"), site.next()), (25 + 2, 15), "after 30 s");
    site.appliance.adds("s1", site.seconds() - 15, 0);
    site.pass(15);
    assert_eq!(site.check().stored, 1);
    assert_eq!(site.next(), 300, "the report is here");
}

#[test]
fn the_first_check_begins_a_day_ago_or_at_the_time_of_the_setting() {
    for (since, stored) in [(None, 1), (Some("2025-12-25T00:00:00Z"), 2)] {
        let site = SiteUnderTest { since, ..SiteUnderTest::new() };
        site.appliance.adds("yesterday", site.seconds() - 20 * 3_600, 0);
        site.appliance.adds("last week", site.seconds() - 7 * 86_400, 0);
        let sessions = &site.appliance.sessions;
        sessions.borrow_mut()[1].lsid = "last-week".to_owned();
        assert_eq!(site.check().stored, stored, "{since:?}");
    }
}

#[test]
fn a_report_is_fetched_again_after_a_day_and_stored_again_if_it_differs() {
    let site = SiteUnderTest::new();
    site.session("same");
    site.session("other");
    site.check_later();
    site.appliance.sessions.borrow_mut()[1].note = "added later".to_owned();
    let reports = || site.get("/api/events?event=report").as_array().unwrap().len();
    for _ in 0..26 {
        site.pass(3_600);
        site.check();
    }
    assert_eq!(reports(), 3, "links differ in each answer, and do not count");
    let shown = site.report("other").unwrap();
    assert_eq!(shown["data"]["report"]["notes"][0]["text"], "note added later");
    site.pack();
    for _ in 0..26 {
        site.pass(3_600);
        site.check();
    }
    assert_eq!(reports(), 3);
}

#[test]
fn nothing_older_than_the_retention_is_fetched() {
    let site = SiteUnderTest { since: Some("2025-12-01T00:00:00Z"), retention_days: Some(7), ..SiteUnderTest::new() };
    site.appliance.adds("kept", site.seconds() - 6 * 86_400, 0);
    site.appliance.adds("aged", site.seconds() - 8 * 86_400, 0);
    site.check();
    assert_eq!(site.appliance.asked.borrow().as_slice(), ["kept"]);
    assert_eq!(site.listed("/api/sessions"), ["kept"]);
}

#[test]
fn more_sessions_than_fit_one_request_are_fetched_in_several() {
    let site = SiteUnderTest::new();
    (0..45).for_each(|number| site.lost_session(&format!("s{number}")));
    assert_eq!(site.check_later().stored, 45);
    assert_eq!(site.appliance.count("report"), 3);
}

#[test]
fn a_lost_state_repeats_work_and_doubles_nothing() {
    let site = SiteUnderTest::new();
    site.session("s1");
    site.lost_session("s2");
    site.check_later();
    let keys = site.store.keys();
    site.store.values.borrow_mut().remove("account.hq").unwrap();
    assert_eq!(site.check_later().stored, 0);
    assert_eq!(site.store.keys(), keys);
    site.store.values.borrow_mut().insert("account.hq".to_owned(), b"{damaged".to_vec());
    assert_eq!(site.check_later().stored, 0);
    assert_eq!(site.store.keys(), keys);
}

#[test]
fn a_site_that_is_no_longer_configured_has_no_state() {
    let site = SiteUnderTest::new();
    site.check();
    site.store.values.borrow_mut().insert("account.west".to_owned(), b"{}".to_vec());
    site.check_later();
    assert_eq!(site.store.keys(), ["account.hq"]);
}

#[test]
fn a_post_makes_one_exists_and_one_set_with_appliances_too() {
    let site = SiteUnderTest::new();
    for event in ["begin", "end"] {
        site.store.calls.borrow_mut().clear();
        site.announce(event, "s1");
        assert_eq!(*site.store.calls.borrow(), ["exists", "set"]);
    }
}
