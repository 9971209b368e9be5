//! What readers, searches and destinations see of reports.

use super::harness::SiteUnderTest;
use crate::support::{TOKEN, appliance_setting};
use serde_json::json;

fn site_with_report() -> SiteUnderTest {
    let site = SiteUnderTest::new();
    site.session("s1");
    site.check_later();
    site
}

#[test]
fn a_report_is_a_record_of_its_session_loose_and_packed() {
    let site = site_with_report();
    for packed in [false, true] {
        if packed {
            site.pack();
        }
        let report = site.report("s1").unwrap();
        assert_eq!((&report["subject"], &report["time"]), (&json!("s1"), &json!("2026-01-02T03:04:05Z")));
        assert_eq!((&report["data"]["event"], &report["data"]["lsid"]), (&json!("session.report"), &json!("s1")));
        assert_eq!(site.get("/api/events?event=report").as_array().unwrap().len(), 1);
        let id = report["id"].as_str().unwrap();
        assert_eq!(site.get(&format!("/api/events/{id}")), report);
        let session = site.get("/api/sessions/hq/s1");
        assert_eq!((&session["state"], &session["announced"]), (&json!("ended"), &json!(true)));
        for text in ["pc-s1", "customer of s1"] {
            assert_eq!(site.listed(&format!("/api/sessions?q={}", text.replace(' ', "%20"))), ["s1"], "{text}");
        }
    }
}

#[test]
fn the_last_event_of_a_site_is_no_report() {
    let site = SiteUnderTest::new();
    site.lost_session("s1");
    site.check_later();
    assert_eq!(site.get("/api/stats")["sites"][0]["last_event"], json!(null));
}

#[test]
fn destinations_get_reports_only_if_they_ask_for_them() {
    let destination = |name: &str, events: &str| {
        format!(r#"{{"name": "{name}", "format": "pull", "secret": "whsec_{}"{events}}}"#, "A".repeat(32))
    };
    let all = [destination("all", ""), destination("reports", r#", "events": ["report"]"#)].join(",");
    let (destinations, setting) = (format!("[{all}]"), appliance_setting(None));
    let site = site_with_report();
    let settings = [("read_tokens", TOKEN), ("destinations", destinations.as_str()), ("appliances", setting.as_str())];
    let reply = site.call_with("GET", "/api/destinations", "", &settings);
    let list: serde_json::Value = serde_json::from_str(&reply.body).unwrap();
    let pending: Vec<_> = list["destinations"].as_array().unwrap().iter().map(|one| &one["pending"]).collect();
    assert_eq!(pending, [&json!(2), &json!(1)]);
}
