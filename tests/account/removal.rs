//! Nothing that was removed comes back.

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
