//! Events from the future are reported.

use std::process::Command;

use super::machine::{DAY, READING, THREE_MINUTES, ask, event_ids, now, take, wait_until};
use crate::support::{Connection, OPEN, Recipient};
use serde_json::json;

/// A page of the host's metrics.
fn metrics(recipient: &Recipient) -> String {
    let log = recipient.log();
    let address = log.rsplit("metrics are at http://").next().and_then(|said| said.split('/').next());
    let mut connection =
        Connection::open(address.and_then(|address| address.parse().ok()).expect("the log names no address"));
    connection.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    connection.receive().text()
}

/// The time of the site's last event in the metrics, in seconds from now.
fn last_event(recipient: &Recipient) -> f64 {
    let page = metrics(recipient);
    let name = "outbound_events_last_event_timestamp_seconds{site=\"hq\"} ";
    let time: f64 = page.lines().find_map(|line| line.strip_prefix(name)).expect(&page).parse().unwrap();
    time - now() as f64
}

/// An appliance's clock is ten days ahead: if it falls silent, that must show at once, not after ten days.
pub(super) fn an_event_from_the_future_is_reported_and_makes_no_site_look_alive() {
    let with_metrics = |mut host: Command| {
        host.args(["--metrics", "127.0.0.1:0"]);
        host
    };
    let recipient = Recipient::start_host(&[OPEN, READING], with_metrics);
    let ids = [take(&recipient, now() + 10 * DAY, "ahead"), take(&recipient, now(), "right")].into();
    let is_told = |recipient: &Recipient| {
        assert!(last_event(recipient).abs() < 3600.0, "{}", metrics(recipient));
        let fault = "outbound_events_clock_fault{site=\"hq\",fault=\"event-ahead\"} 1";
        wait_until("the fault is reported", THREE_MINUTES, || metrics(recipient).lines().any(|line| line == fault));
        let (status, health) = ask(recipient, "GET", "/health");
        assert_eq!((status, &health["ready"]), (200, &json!(true)), "{health}");
        assert!(health["detail"].as_str().is_some_and(|detail| detail.contains("clock")), "{health}");
        assert_eq!(event_ids(recipient), ids);
    };
    is_told(&recipient);
    is_told(&recipient.kill_and_restart_by(with_metrics));
}
