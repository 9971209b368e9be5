//! Nothing that was removed comes back.

use outbound_events::store::Store as _;
use pollster::block_on;

use super::harness::SiteUnderTest;

fn erase(site: &SiteUnderTest, lsid: &str) {
    let reply = site.call("DELETE", &format!("/api/sessions/hq/{lsid}"), "");
    assert!([200, 404].contains(&reply.status), "{reply:?}");
}

#[test]
fn an_erased_session_is_not_fetched_again() {
    for announced in [true, false] {
        let site = SiteUnderTest::new();
        if announced {
            site.session("s1")
        } else {
            site.lost_session("s1")
        };
        site.check_later();
        erase(&site, "s1");
        site.appliance.asked.borrow_mut().clear();
        // Its revision is due after a day, and its tombstone goes after two.
        for _ in 0..60 {
            site.pass(3_600);
            site.check();
            site.pack();
        }
        assert!(site.listed("/api/sessions").is_empty(), "{announced}");
        assert!(site.appliance.asked.borrow().is_empty(), "{announced}");
        for _ in 0..60 {
            site.pass(3_600);
            site.check();
            site.pack();
        }
        assert!(site.listed("/api/sessions").is_empty(), "{announced}");
        assert!(site.store.keys().iter().all(|key| !key.starts_with("erased.")), "{:?}", site.store.keys());
    }
}

/// While its report is fetched, an administrator erases the session, and whoever asks finds nothing afterwards.
#[test]
fn a_session_that_is_erased_while_its_report_is_in_flight_stays_erased() {
    for (announced, request) in [(true, 1), (true, 2), (true, 3), (false, 2)] {
        for ahead in [0, -86_400, 86_400] {
            let site = SiteUnderTest::new();
            if announced {
                site.session("s1")
            } else {
                site.lost_session("s1")
            };
            site.check();
            site.pass(5);
            site.ahead.set(ahead);
            site.before_request.replace(Some(Box::new(move |site, number| {
                if number >= 25 + request {
                    erase(site, "s1");
                }
            })));
            for _ in 0..30 {
                site.check_later();
            }
            site.before_request.replace(None);
            for _ in 0..3 {
                site.check_later();
                let shown = site.listed("/api/sessions");
                assert!(shown.is_empty() || !announced, "{announced} {request} {ahead}: {shown:?}");
            }
        }
    }
}

/// A check that dies after it wrote the report cannot take it back. The erasing did not find the report, also if the
/// clock was wrong when the events were recorded.
#[test]
fn a_report_that_a_dead_check_wrote_after_the_erasing_stays_hidden_and_goes() {
    for (recorded_ahead, erased_ahead) in [(0, 0), (86_400, 0), (0, 86_400), (-86_400, 0)] {
        let site = SiteUnderTest::new();
        site.ahead.set(recorded_ahead);
        site.session("s1");
        site.check_later();
        let key = site.store.keys().into_iter().find(|key| key.contains(".report.")).expect("a report");
        let report = block_on(site.store.get(&key)).unwrap().expect("a report");
        block_on(site.store.delete(&key)).unwrap();
        site.ahead.set(erased_ahead);
        erase(&site, "s1");
        block_on(site.store.set(&key, &report)).unwrap();
        let is_hidden = || site.listed("/api/sessions").is_empty() && site.report("s1").is_none();
        assert!(is_hidden(), "{recorded_ahead} {erased_ahead}");
        site.pack();
        assert!(is_hidden(), "{recorded_ahead} {erased_ahead}: after compaction");
        assert_eq!(block_on(site.store.get(&key)).unwrap(), None, "{recorded_ahead} {erased_ahead}");
    }
}

#[test]
fn what_an_administrator_removed_by_age_is_not_fetched_again() {
    let site = SiteUnderTest::new();
    site.session("old");
    site.lost_session("older");
    site.check_later();
    site.pass(60);
    let before = site.time.get().format("%Y-%m-%dT%H:%M:%SZ");
    let reply = site.call("DELETE", &format!("/api/events?before={before}"), "");
    assert_eq!(reply.status, 200, "{reply:?}");
    site.session("new");
    for _ in 0..60 {
        site.pass(3_600);
        site.check();
        site.pack();
    }
    assert_eq!(site.listed("/api/sessions"), ["new"]);
}

#[test]
fn an_event_after_the_erasing_brings_its_session_back() {
    let site = SiteUnderTest::new();
    site.session("s1");
    site.check_later();
    erase(&site, "s1");
    site.announce("rep_exit_survey_completed", "s1");
    site.check_later();
    assert!(site.report("s1").is_some());
}
