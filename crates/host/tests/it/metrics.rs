//! `/metrics`: its values and its bounded size. `crates/appliance/tests/prometheus.rs` tries Prometheus, the dashboard
//! and the alert rules.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{self, Connection, GUARDED, OPEN, Recipient, Response, TOKEN, numbered};

fn start(variables: &[&str]) -> Recipient {
    Recipient::start_host(variables, |mut host| {
        host.args(["--metrics", "127.0.0.1:0"]);
        host
    })
}

/// The address of the metrics in the log.
fn address(recipient: &Recipient) -> SocketAddr {
    let log = recipient.log();
    let said = log.rsplit("metrics are at http://").next().unwrap();
    said.split('/').next().unwrap().parse().unwrap_or_else(|_| panic!("{log}"))
}

fn ask(address: SocketAddr, head: &str) -> Response {
    let mut connection = Connection::open(address);
    connection.send(format!("{head} HTTP/1.1\r\nHost: x\r\n\r\n"));
    connection.receive()
}

/// The samples of a page, by name and labels.
fn figures(recipient: &Recipient) -> BTreeMap<String, f64> {
    let page = ask(address(recipient), "GET /metrics");
    assert_eq!((page.status, page.header("content-type")), (200, "text/plain; version=0.0.4; charset=utf-8"));
    let lines = page.text();
    let lines = lines.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ').unwrap());
    lines.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
}

/// The value of a sample; 0 if it is missing.
fn figure(recipient: &Recipient, name: &str) -> f64 {
    figures(recipient).get(&format!("outbound_events_{name}")).copied().unwrap_or_default()
}

fn wait_until(what: &str, happened: impl Fn() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < Duration::from_secs(60), "it never happened: {what}");
        std::thread::yield_now();
    }
}

fn with_token(site: &str) -> String {
    format!("/events/{site}?outbound_event_token={TOKEN}")
}

#[test]
fn requests_events_instances_and_commits_are_counted() {
    let recipient = start(&[GUARDED]);
    let mut connection = recipient.connect();
    for n in [1, 2, 1] {
        assert_eq!(connection.post(&with_token("hq"), numbered(n)).status, 200);
    }
    assert_eq!(connection.post(&with_token("east"), "no event").result(), "set-aside");
    assert_eq!(connection.post("/events/west", numbered(1)).status, 401);
    // An instance is in use until its work after the answer ends.
    wait_until("all five instances are done", || figure(&recipient, "guest_duration_seconds_count") == 5.0);
    let samples = figures(&recipient);
    for (name, expected) in [
        ("build_info{version=\"0.1.0\"}", 1.0),
        ("requests_total{method=\"POST\",route=\"/events/{site}\",status=\"200\"}", 4.0),
        ("requests_total{method=\"POST\",route=\"/events/{site}\",status=\"401\"}", 1.0),
        ("request_duration_seconds_count{route=\"/events/{site}\"}", 5.0),
        ("received_total{site=\"hq\",result=\"stored\"}", 2.0),
        ("received_total{site=\"hq\",result=\"duplicate\"}", 1.0),
        ("received_total{site=\"east\",result=\"set-aside\"}", 1.0),
        ("set_aside", 1.0),
        ("commit_duration_seconds_count", 3.0),
        ("commit_writes_sum", 3.0),
        ("commit_failures_total", 0.0),
        ("instances_in_use", 0.0),
        ("instances_limit", 128.0),
        ("connections", 1.0),
    ] {
        assert_eq!(samples.get(&format!("outbound_events_{name}")), Some(&expected), "{name} in {samples:#?}");
    }
    let on_disk = recipient.store_path().metadata().unwrap().len() as f64;
    assert_eq!(samples["outbound_events_store_bytes{file=\"database\"}"], on_disk);
    assert!(samples["outbound_events_store_bytes{file=\"log\"}"] > 0.0);
    assert!(samples["outbound_events_disk_free_bytes"] <= samples["outbound_events_disk_size_bytes"]);
    assert!(!samples.keys().any(|name| name.contains("west")), "a site of an unauthenticated client: {samples:#?}");
    drop(connection);
    wait_until("the connection is closed", || figure(&recipient, "connections") == 0.0);
}

#[test]
fn metrics_are_at_an_address_of_their_own_and_nowhere_else() {
    let recipient = start(&[OPEN]);
    assert_eq!(recipient.connect().stream().peer_addr().unwrap(), recipient.address);
    assert_eq!(ask(recipient.address, "GET /metrics").status, 404);
    let address = address(&recipient);
    for (head, status) in [
        ("GET /metrics?x=y", 200),
        ("GET /", 404),
        ("GET /api/events", 404),
        ("POST /events", 404),
        ("POST /metrics", 405),
        ("DELETE /metrics", 405),
    ] {
        assert_eq!(ask(address, head).status, status, "{head}");
    }
    let mut connection = Connection::open(address);
    connection.send("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(connection.receive_head().status, 200);
}

#[test]
fn without_the_option_there_are_none() {
    let recipient = Recipient::start_host(&[OPEN], |host| host);
    recipient.post("/", numbered(1));
    assert!(!recipient.log().contains("metrics are at"), "{}", recipient.log());
    let taken = recipient.address.to_string();
    let mut host = support::host();
    host.args(["serve", "--listen", "127.0.0.1:0", "--store", "memory", "--metrics", &taken]);
    host.arg("--component").arg(support::component());
    let output = support::to_its_end(host);
    let says = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && says.contains("--metrics takes an address or a name"), "{says}");
}

#[test]
fn clients_cannot_create_unlimited_series() {
    let recipient = start(&[GUARDED]);
    let mut connection = recipient.connect();
    for n in 0..300 {
        connection.send(format!("BREW{n} /nowhere/{n}?{n} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!(connection.receive().status, 404);
        let path = format!("/api/sessions/site-{n}/session-{n}");
        connection.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert_eq!(connection.receive().status, 503);
        assert_eq!(connection.post(&format!("/events/unknown-{n}"), numbered(n)).status, 401);
        assert_eq!(connection.post(&with_token(&format!("sender-{n}")), numbered(n)).status, 200);
    }
    let samples = figures(&recipient);
    let of = |name: &str| {
        let prefix = format!("outbound_events_{name}");
        samples.keys().filter(|sample| sample.starts_with(&prefix)).count()
    };
    assert!(of("requests_total") < 20, "{samples:#?}");
    assert_eq!(samples["outbound_events_requests_total{method=\"other\",route=\"none\",status=\"404\"}"], 300.0);
    assert_eq!((of("received_total"), of("last_event_timestamp_seconds")), (257, 257));
    assert_eq!(samples["outbound_events_received_total{site=\"_other\",result=\"stored\"}"], 44.0);
}

#[test]
fn when_a_site_last_sent_is_known_after_a_restart_too() {
    let recipient = start(&[OPEN]);
    // Sites with a common prefix, and one with packed events.
    for (site, n) in [("a", 10), ("a", 7), ("a-b", 9), ("ab", 8), ("packed", 6)] {
        recipient.post(&format!("/events/{site}"), numbered(n));
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as f64;
    for (site, time) in last_events(&recipient) {
        assert!((time - now).abs() < 3600.0, "{site} just sent: {time}");
    }
    let recipient = recipient.kill_and_restart_by(|mut host| {
        let store = store_path(&host);
        assert!(
            support::host().args(["store", "pack", "--loose-events", "1", &store]).output().unwrap().status.success()
        );
        host.args(["--metrics", "127.0.0.1:0"]);
        host
    });
    // The time of recording counts, not the event's own time.
    let last = last_events(&recipient);
    assert_eq!(last.keys().map(String::as_str).collect::<Vec<_>>(), ["a", "a-b", "ab", "packed"]);
    for (site, time) in last {
        assert!((time - now).abs() < 3600.0, "{site} has sent before the restart: {time}");
    }
}

fn store_path(host: &Command) -> String {
    let store = host.get_args().skip_while(|argument| *argument != "--store").nth(1).unwrap();
    store.to_str().unwrap().to_owned()
}

#[test]
fn requests_and_connections_above_limits_are_counted() {
    let recipient = Recipient::start_host(&[GUARDED], |mut host| {
        host.args(["--metrics", "127.0.0.1:0", "--unauthenticated-requests-per-second", "1", "--max-connections", "2"]);
        host
    });
    let mut connection = recipient.connect();
    // Enough requests that several fall within one second, even on a slow machine.
    let requests = 50;
    connection.send("GET /health HTTP/1.1\r\nHost: x\r\n\r\n".repeat(requests));
    let refused = (0..requests).filter(|_| connection.receive().status == 429).count();
    assert!(refused > 0);
    assert_eq!(figure(&recipient, "limited_total{limit=\"requests\"}"), refused as f64);
    let answered = figure(&recipient, "requests_total{method=\"GET\",route=\"/health\",status=\"200\"}");
    assert_eq!(answered, (requests - refused) as f64);
    let _others = [recipient.connect(), recipient.connect()];
    wait_until("one has made room", || figure(&recipient, "limited_total{limit=\"connections\"}") == 1.0);
}

fn last_events(recipient: &Recipient) -> BTreeMap<String, f64> {
    let samples = figures(recipient).into_iter().filter_map(|(name, value)| {
        let site = name.strip_prefix("outbound_events_last_event_timestamp_seconds{site=\"")?.strip_suffix("\"}")?;
        Some((site.to_owned(), value))
    });
    samples.collect()
}

#[test]
fn a_store_in_memory_has_no_metrics_of_files() {
    let recipient = Recipient::start_host(&[GUARDED], |host| {
        let store = store_path(&host);
        let mut in_memory = support::host();
        in_memory.args(host.get_args().map(|argument| if argument == &*store { "memory".as_ref() } else { argument }));
        in_memory.args(["--metrics", "127.0.0.1:0"]);
        in_memory
    });
    recipient.post(&with_token("hq"), "no event");
    let samples = figures(&recipient);
    assert_eq!(samples["outbound_events_set_aside"], 1.0);
    for absent in ["store_bytes", "disk_", "commit_"] {
        assert!(!samples.keys().any(|name| name.contains(absent)), "{absent}: {samples:#?}");
    }
}

#[test]
fn destinations_are_told_of_as_their_last_tick_did() {
    let destinations = r#"destinations=[{"name": "nobody", "url": "http://127.0.0.1:9/"}, {"name": "desk", "format": "pull", "secret": "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u"}]"#;
    let recipient = start(&[OPEN, destinations]);
    recipient.post("/", numbered(1));
    recipient.post("/", numbered(2));
    let state = |name: &str, state: &str| {
        figure(&recipient, &format!("destination_state{{destination=\"{name}\",state=\"{state}\"}}"))
    };
    wait_until("the one where nobody is fails", || state("nobody", "failing") == 1.0);
    assert_eq!((state("nobody", "working"), state("nobody", "paused")), (0.0, 0.0));
    assert_eq!((state("desk", "working"), state("desk", "failing")), (1.0, 0.0));
    for name in ["nobody", "desk"] {
        let pending = format!("destination_pending{{destination=\"{name}\"}}");
        wait_until("both are pending for both", || figure(&recipient, &pending) == 2.0);
    }
}
