//! Sessions that were never announced: derived, so that a late event takes one off.

use super::harness::SiteUnderTest;
use crate::support::TOKEN;
use serde_json::json;

/// A site where one session was announced, one lost its end, and one was lost whole; two hours later.
fn after_two_hours() -> SiteUnderTest {
    let site = SiteUnderTest::new();
    site.session("announced");
    site.lost_session("lost");
    site.announce("begin", "half");
    site.appliance.adds("half", site.seconds(), 5);
    site.check_later();
    site.pass(7_200);
    site.check();
    site
}

#[test]
fn a_session_whose_end_never_came_counts_as_missed_after_an_hour() {
    let site = after_two_hours();
    assert_eq!(site.status()["missed"], 2);
    assert_eq!(site.get("/api/stats")["sites"][0]["missed"], 2);
    let mut missed = site.listed("/api/sessions?announced=false");
    missed.sort_unstable();
    assert_eq!(missed, ["half", "lost"]);
    assert_eq!(site.listed("/api/sessions?announced=true"), ["announced"]);
    // An hour after its end, and not before.
    site.lost_session("later");
    site.check_later();
    site.pass(3_300);
    site.check();
    assert_eq!(site.status()["missed"], 2);
    site.pass(300);
    site.check();
    assert_eq!(site.status()["missed"], 3);
}

#[test]
fn a_late_end_event_takes_a_session_off_loose_or_packed() {
    for pack_before in [false, true] {
        for pack_after in [false, true] {
            let site = after_two_hours();
            if pack_before {
                site.pack();
            }
            assert_eq!(site.status()["missed"], 2, "{pack_before} {pack_after}");
            let end = site.seconds() - 7_500;
            site.announce_at("end", "lost", end);
            if pack_after {
                site.pack();
            }
            assert_eq!(site.status()["missed"], 1, "{pack_before} {pack_after}");
            assert_eq!(site.listed("/api/sessions?announced=false"), ["half"], "{pack_before} {pack_after}");
        }
    }
}

/// Counting reads no head while nothing is missed, however many packs there are.
#[test]
fn counting_the_missed_reads_only_packs_with_missed_sessions() {
    let site = SiteUnderTest::new();
    for round in 0..5 {
        (0..4).for_each(|number| site.session(&format!("s{round}-{number}")));
        site.check_later();
        site.pass(100);
        site.pack();
    }
    site.pass(7_200);
    site.check();
    site.store.calls.borrow_mut().clear();
    assert_eq!(site.status()["missed"], 0);
    let indexes = site.store.keys().iter().filter(|key| key.starts_with("index.sessions.")).count();
    let gets = site.store.calls.borrow().iter().filter(|call| **call == "get").count();
    assert!(gets <= indexes + 1, "{gets} reads, {indexes} indexes");
}

#[test]
fn a_site_that_announces_nothing_is_polled_and_misses_nothing() {
    let site = SiteUnderTest::new();
    site.lost_session("s1");
    site.check_later();
    site.pass(7_200);
    site.check();
    assert_eq!((&site.status()["polled"], &site.status()["missed"]), (&json!(true), &json!(0)));
    assert!(site.listed("/api/sessions?announced=false").is_empty());
    assert_eq!(site.get("/api/stats")["sites"][0]["missed"], json!(null));
    assert_eq!(site.listed("/api/sessions"), ["s1"]);
}

/// A form can have any name that an event can have, and no other.
#[test]
fn no_form_can_pass_for_a_report() {
    let site = SiteUnderTest::new();
    for name in ["session_report", "report", "session.report"] {
        let form = format!("event={name}&version=1&timestamp=1767323000&lsid=s1");
        let reply = site.call("POST", &format!("/events/hq?outbound_event_token={TOKEN}"), &form);
        let expected = if name.contains('.') { "set-aside" } else { "stored" };
        assert_eq!((reply.status, reply.result()), (200, expected), "{name}");
    }
    assert_eq!(site.get("/api/events?event=report"), json!([]));
    assert!(site.store.keys().iter().all(|key| !key.contains(".report.")), "{:?}", site.store.keys());
}
