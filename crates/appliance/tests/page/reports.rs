//! Reports of sessions in the browser, and what is known of an appliance that cannot be reached.

use outbound_events::event::{Lsid, Timestamp};
use outbound_events::identity::Site;
use outbound_events::report::{
    FetchedReport, ReportCustomer, ReportLinks, ReportRepresentative, ReportText, SessionReport,
};

use crate::browser::{Browser, until};
use crate::support::recipient::{GUARDED, Kind, Recipient, TOKEN};
use crate::{ADMIN, EVENTS, FIRST, READ, READING, ROWS};

/// An appliance that no server is at. Its only check is the one at the start.
const UNREACHABLE: &str = r#"appliances=[{"site": "hq", "url": "http://127.0.0.1:9", "client_id": "id", "client_secret": "XYZZYXYZZY", "check_minutes": 1440}]"#;

const HOSTILE: &str = "<img src=x onerror=alert(1)> **x** [y](https://evil.example)";

/// Puts a report into the store, as a check does.
fn store_report(recipient: &Recipient, lsid: &str, fetched: u64, report: SessionReport) {
    let at = |seconds| Timestamp::from_seconds(seconds).unwrap();
    let fetched = FetchedReport { fetched: at(fetched), report };
    let (site, lsid) = (Site::parse("hq").unwrap(), Lsid::parse(lsid).unwrap());
    let recorded = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let (key, value) = fetched.record(&site, &lsid, Some("INC-1".to_owned()), recorded).unwrap();
    let store = rusqlite::Connection::open(recipient.store_path()).unwrap();
    let insert = "INSERT INTO spin_key_value (store, key, value) VALUES ('default', ?1, ?2)";
    assert_eq!(store.execute(insert, (key.to_string(), value)).unwrap(), 1);
}

fn hostile_report() -> SessionReport {
    let some = || Some(HOSTILE.to_owned());
    SessionReport {
        start: Timestamp::from_seconds(1_700_000_000),
        team: some(),
        customers: vec![ReportCustomer {
            name: some(),
            hostname: Some("PC-0815".to_owned()),
            ..ReportCustomer::default()
        }],
        representatives: vec![ReportRepresentative { name: some(), owner: true, ..ReportRepresentative::default() }],
        links: ReportLinks {
            recording: Some("https://support.example.com/r".to_owned()),
            chat: Some("javascript:alert(1)".to_owned()),
            ..ReportLinks::default()
        },
        notes: vec![ReportText { time: None, by: some(), text: HOSTILE.to_owned() }],
        ..SessionReport::ended(Timestamp::from_seconds(1_700_000_333).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_shown_as_text_and_opens_the_appliance_in_a_tab_of_its_own() {
    let recipient = Recipient::start(Kind::Host, &[GUARDED, READING]);
    let path = format!("/events/hq?outbound_event_token={TOKEN}");
    for (event, time) in [("begin", 1_700_000_000), ("end", 1_700_000_333)] {
        let form = format!("event=support_conference_{event}&version=1&timestamp={time}&lsid=one");
        assert_eq!(recipient.post(&path, form).result(), "stored");
    }
    let first = SessionReport { team: Some("first".to_owned()), ..hostile_report() };
    store_report(&recipient, "one", 1_700_000_400, first);
    store_report(&recipient, "one", 1_700_000_500, hostile_report());
    let browser = Browser::open(1200).await;
    browser.enter_list(&recipient, READ).await;
    browser.find(FIRST).await.click().await.unwrap();
    browser.says("PC-0815").await;
    let text = browser.text().await;
    assert_eq!(text.matches(HOSTILE).count(), 5, "{text}");
    assert!(!text.contains("first"), "an earlier report is shown: {text}");
    assert_eq!(browser.count("img, main b").await, 0);
    let links =
        "return [...document.querySelectorAll('.links a')].map((a) => [a.href, a.target, a.rel].join(' ')).join()";
    assert_eq!(browser.run(links).await, "https://support.example.com/r _blank noopener noreferrer");
    // The events are the two that came.
    assert_eq!(browser.count(EVENTS).await, 2);
    assert_eq!(browser.faults().await, [""; 0]);
    browser.close().await;
    // No appliance is configured: nothing is said of a session without a report.
    let form = "event=support_conference_begin&version=1&timestamp=1700000000&lsid=two";
    assert_eq!(recipient.post(&path, form).result(), "stored");
    let phone = Browser::phone().await;
    phone.enter_list(&recipient, READ).await;
    until("both are listed", async || phone.count(ROWS).await == 2).await;
    phone.run("location.hash = '#/session/hq/two'").await;
    phone.says("The session began").await;
    assert!(!phone.text().await.contains("report"));
    phone.run("location.hash = '#/session/hq/one'").await;
    phone.says("PC-0815").await;
    assert!(!phone.is_wider_than_its_window().await);
    phone.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_appliance_that_cannot_be_reached_is_a_warning_that_says_why() {
    let recipient = Recipient::start(Kind::Host, &[GUARDED, READING, ADMIN, UNREACHABLE]);
    let path = format!("/events/hq?outbound_event_token={TOKEN}");
    let form = "event=support_conference_end&version=1&timestamp=1700000000&lsid=one";
    assert_eq!(recipient.post(&path, form).result(), "stored");
    let browser = Browser::open(1200).await;
    browser.enter(&recipient, READ).await;
    browser.says("hq: not checked yet").await;
    browser.says("it cannot be reached").await;
    browser.find("[aria-label='Check hq now']").await.click().await.unwrap();
    browser.says("Checked: 0 reports stored.").await;
    assert_eq!(browser.faults().await, [""; 0]);
    browser.show("#/sessions").await;
    browser.find(FIRST).await.click().await.unwrap();
    browser.says("There is no report yet: it will be asked for").await;
    browser.says("it cannot be reached").await;
    assert!(!browser.text().await.contains("XYZZY"));
    browser.close().await;
}
