//! A real Prometheus scrapes the real host with the rules of `deploy/prometheus` while the appliance sends. The metrics
//! change as expected, and every metric that the rules and the dashboard use exists.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use appliance::api::{ApiOptions, ApplianceApi};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use support::prometheus::{Prometheus, files, get, program};
use support::recipient::{GUARDED, Recipient, TOKEN, numbered, root};
use support::{send, wait_until};

type PrometheusTest = fn(&Path);

/// The program that each test needs, its name, and the test.
const TESTS: [(&str, &str, PrometheusTest); 5] = [
    ("promtool", "promtool_accepts_the_configuration_and_the_rules", configuration_and_rules),
    ("promtool", "each_rule_alerts_only_when_it_should", rules_alert),
    ("promtool", "promtool_accepts_the_metrics_of_the_host", metrics_are_well_formed),
    ("prometheus", "metrics_change_as_the_appliance_sends", metrics_change),
    ("prometheus", "the_metrics_of_the_rules_and_the_dashboard_exist", used_metrics_exist),
];

fn main() -> ExitCode {
    let trials = TESTS.into_iter().map(|(needs, name, test)| match program(needs) {
        Some(program) => Trial::test(name, move || {
            test(&program);
            Ok::<_, Failed>(())
        }),
        None => Trial::test(format!("{name} (there is no {needs})"), || Ok(())).with_ignored_flag(true),
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn configuration_and_rules(promtool: &Path) {
    for arguments in [["check", "config", "prometheus.yml"], ["check", "rules", "rules.yml"]] {
        succeeds(Command::new(promtool).args(arguments), "");
    }
}

fn rules_alert(promtool: &Path) {
    succeeds(Command::new(promtool).args(["test", "rules", "rules_test.yml"]), "");
    let read = |name: &str| std::fs::read_to_string(files().join(name)).unwrap();
    let tried = read("rules_test.yml");
    for alert in read("rules.yml").lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(
            tried.contains(&format!("alertname: {alert}\n        exp_alerts:\n")),
            "rules_test.yml never expects {alert}"
        );
    }
}

/// promtool also checks names and help texts.
fn metrics_are_well_formed(promtool: &Path) {
    let recipient = watched(&[]);
    everything_happens(&recipient);
    succeeds(Command::new(promtool).args(["check", "metrics"]), &get(metrics(&recipient), "/metrics"));
}

fn metrics_change(prometheus: &Path) {
    let recipient = watched(&[]);
    let prometheus = Prometheus::start(prometheus, metrics(&recipient));
    let becomes = |expression: &str, expected: f64| {
        wait_until(&format!("{expression} is {expected}"), || prometheus.value(expression) == Some(expected));
    };
    becomes("up{job='outbound-events'}", 1.0);
    let first = send(&events(&recipient, "hq"), &["--token", TOKEN, "--sessions", "20"]);
    assert_eq!(first.code, Some(0), "{first:?}");
    let stored = first.figure("stored") as f64;
    becomes("outbound_events_received_total{site='hq', result='stored'}", stored);
    becomes("sum(outbound_events_requests_total{route='/events/{site}', status='200'})", stored);
    becomes("outbound_events_request_duration_seconds_count{route='/events/{site}'}", stored);
    becomes("outbound_events_commit_writes_sum >= bool scalar(outbound_events_received_total{result='stored'})", 1.0);
    // The same seed generates the same events.
    send(&events(&recipient, "hq"), &["--token", TOKEN, "--sessions", "20"]);
    becomes("outbound_events_received_total{site='hq', result='duplicate'}", stored);
    becomes("outbound_events_received_total{site='hq', result='stored'}", stored);
    becomes("time() - outbound_events_last_event_timestamp_seconds{site='hq'} < bool 3600", 1.0);
    becomes("sum(outbound_events_requests_total{route='/events/{site}', status='401'})", 0.0);
    recipient.post("/events/hq?outbound_event_token=an-old-token-of-mine", numbered(1));
    becomes("sum(outbound_events_requests_total{route='/events/{site}', status='401'})", 1.0);
    let rules = prometheus.api("/api/v1/rules");
    let rules = rules["data"]["groups"][0]["rules"].as_array().unwrap().clone();
    assert!(rules.len() > 10 && rules.iter().all(|rule| rule["health"] != "err"), "{rules:#?}");
    let killed = recipient;
    drop(killed);
    becomes("up{job='outbound-events'}", 0.0);
    wait_until("the alert of a host that is down is pending", || {
        let alerts = prometheus.api("/api/v1/alerts").to_string();
        alerts.contains("RecipientDown") && alerts.contains("pending")
    });
}

fn used_metrics_exist(prometheus: &Path) {
    // On this appliance no session ends.
    let api = ApplianceApi::start(SocketAddr::from(([127, 0, 0, 1], 0)), ApiOptions::default()).unwrap();
    let entry = serde_json::json!([{
        "site": "hq", "url": api.url(), "client_id": ApiOptions::CLIENT_ID, "client_secret": ApiOptions::CLIENT_SECRET,
    }]);
    let recipient = watched(&[&format!("appliances={entry}")]);
    everything_happens(&recipient);
    let prometheus = Prometheus::start(prometheus, metrics(&recipient));
    wait_until("the host is scraped", || prometheus.value("up") == Some(1.0));
    let rules = std::fs::read_to_string(files().join("rules.yml")).unwrap();
    let dashboard = std::fs::read_to_string(root().join("deploy/grafana/dashboard.json")).unwrap();
    for name in names(&format!("{rules}{dashboard}")) {
        wait_until(&format!("there is {name}"), || !prometheus.query(&format!("count({name})")).is_empty());
    }
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let mut tried = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            let expression = expression.replace("$instance", ".*").replace("$__rate_interval", "1m");
            // A rate needs two scrapes with traffic in between.
            wait_until(&format!("{} shows something: {expression}", panel["title"]), || {
                everything_happens(&recipient);
                !prometheus.query(&expression).is_empty()
            });
            tried += 1;
        }
    }
    assert!(tried > 25, "{tried} expressions");
}

/// The host with metrics, an unreachable destination, and further settings.
fn watched(settings: &[&str]) -> Recipient {
    let destination = r#"destinations=[{"name": "nobody", "url": "http://127.0.0.1:9/"}]"#;
    let recipient = Recipient::start_host(&[&[GUARDED, destination], settings].concat(), |mut host| {
        host.args(["--metrics", "127.0.0.1:0"]);
        host
    });
    wait_until("the metrics include the destination", || get(metrics(&recipient), "/metrics").contains("\"nobody\""));
    recipient
}

/// The address of the metrics, from the host's log.
fn metrics(recipient: &Recipient) -> SocketAddr {
    let log = recipient.log();
    let said = log.split("metrics are at http://").nth(1).unwrap();
    said.split('/').next().unwrap().parse().unwrap()
}

fn events(recipient: &Recipient, site: &str) -> String {
    format!("http://{}/events/{site}", recipient.address)
}

/// Sends one valid event, one invalid, one from the future, and one without a token.
fn everything_happens(recipient: &Recipient) {
    let path = format!("/events/hq?outbound_event_token={TOKEN}");
    let mut connection = recipient.connect();
    assert_eq!(connection.post(&path, numbered(1)).status, 200);
    assert_eq!(connection.post(&path, "no event").result(), "set-aside");
    // A customer who waits now.
    let begin = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let waits = format!("event=support_conference_begin&version=1&timestamp={begin}&lsid=waits");
    assert_eq!(connection.post(&path, waits).status, 200);
    // From an appliance whose clock is ahead: the next tick reports it.
    assert_eq!(connection.post(&path, "event=x&version=1&timestamp=4102444800").status, 200);
    assert_eq!(connection.post("/events/hq", numbered(1)).status, 401);
}

/// The names of the project's metrics in a text.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("outbound_events_")).collect()
}

fn succeeds(command: &mut Command, input: &str) {
    let piped = command.current_dir(files()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let says = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{command:?} ended with {}: {}", output.status, String::from_utf8_lossy(&says));
}
