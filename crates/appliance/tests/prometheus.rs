//! A real Prometheus asks the real host, with the rules of `deploy/prometheus`, while the appliance sends: figures move as they
//! should, and all that the rules and the dashboard speak of is there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use support::prometheus::{Prometheus, files, get, program};
use support::recipient::{GUARDED, Recipient, TOKEN, numbered, root};
use support::{send, wait_until};

type Promise = fn(&Path);

/// What each promise needs, and the promise.
const PROMISES: [(&str, &str, Promise); 5] = [
    ("promtool", "promtool_takes_the_configuration_and_the_rules", configuration_and_rules),
    ("promtool", "each_rule_alerts_when_it_should_and_not_otherwise", rules_alert),
    ("promtool", "promtool_takes_what_the_host_tells", metrics_are_well_formed),
    ("prometheus", "figures_move_as_the_appliance_sends", figures_move),
    ("prometheus", "all_that_the_rules_and_the_dashboard_speak_of_is_there", nothing_speaks_of_what_is_not_there),
];

fn main() -> ExitCode {
    let trials = PROMISES.into_iter().map(|(needs, name, promise)| match program(needs) {
        Some(program) => Trial::test(name, move || {
            promise(&program);
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
            "{alert} is never seen to alert"
        );
    }
}

/// promtool finds fault with names and help texts too.
fn metrics_are_well_formed(promtool: &Path) {
    let recipient = watched();
    everything_happens(&recipient);
    succeeds(Command::new(promtool).args(["check", "metrics"]), &get(metrics(&recipient), "/metrics"));
}

fn figures_move(prometheus: &Path) {
    let recipient = watched();
    let prometheus = Prometheus::start(prometheus, metrics(&recipient));
    let becomes = |expression: &str, expected: f64| {
        wait_until(&format!("{expression} is {expected}"), || prometheus.figure(expression) == Some(expected));
    };
    becomes("up{job='outbound-events'}", 1.0);
    let first = send(&events(&recipient, "hq"), &["--token", TOKEN, "--sessions", "20"]);
    assert_eq!(first.code, Some(0), "{first:?}");
    let stored = first.figure("stored") as f64;
    becomes("outbound_events_received_total{site='hq', result='stored'}", stored);
    becomes("sum(outbound_events_requests_total{route='/events/{site}', status='200'})", stored);
    becomes("outbound_events_request_duration_seconds_count{route='/events/{site}'}", stored);
    becomes("outbound_events_commit_writes_sum >= bool scalar(outbound_events_received_total{result='stored'})", 1.0);
    // The same seed makes the same events.
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

fn nothing_speaks_of_what_is_not_there(prometheus: &Path) {
    let recipient = watched();
    everything_happens(&recipient);
    let prometheus = Prometheus::start(prometheus, metrics(&recipient));
    wait_until("it is asked", || prometheus.figure("up") == Some(1.0));
    let rules = std::fs::read_to_string(files().join("rules.yml")).unwrap();
    let dashboard = std::fs::read_to_string(root().join("deploy/grafana/dashboard.json")).unwrap();
    for name in names(&format!("{rules}{dashboard}")) {
        wait_until(&format!("there is {name}"), || !prometheus.ask(&format!("count({name})")).is_empty());
    }
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let mut tried = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap();
            let expression = expression.replace("$instance", ".*").replace("$__rate_interval", "1m");
            // A rate takes two looks, and some traffic in between.
            wait_until(&format!("{} shows something: {expression}", panel["title"]), || {
                everything_happens(&recipient);
                !prometheus.ask(&expression).is_empty()
            });
            tried += 1;
        }
    }
    assert!(tried > 25, "{tried} expressions");
}

/// The host with its metrics, and with a destination where nobody is.
fn watched() -> Recipient {
    let destination = r#"destinations=[{"name": "nobody", "url": "http://127.0.0.1:9/"}]"#;
    let recipient = Recipient::start_host(&[GUARDED, destination], |mut host| {
        host.args(["--metrics", "127.0.0.1:0"]);
        host
    });
    wait_until("the first tick has told of it", || get(metrics(&recipient), "/metrics").contains("\"nobody\""));
    recipient
}

/// Where the host says that its metrics are.
fn metrics(recipient: &Recipient) -> SocketAddr {
    let log = recipient.log();
    let said = log.split("metrics are at http://").nth(1).unwrap();
    said.split('/').next().unwrap().parse().unwrap()
}

fn events(recipient: &Recipient, site: &str) -> String {
    format!("http://{}/events/{site}", recipient.address)
}

/// An event is taken, one is set aside, one refused.
fn everything_happens(recipient: &Recipient) {
    let path = format!("/events/hq?outbound_event_token={TOKEN}");
    let mut connection = recipient.connect();
    assert_eq!(connection.post(&path, numbered(1)).status, 200);
    assert_eq!(connection.post(&path, "no event").result(), "set-aside");
    // From an appliance whose clock is ahead: that is told of with the next tick.
    assert_eq!(connection.post(&path, "event=x&version=1&timestamp=4102444800").status, 200);
    assert_eq!(connection.post("/events/hq", numbered(1)).status, 401);
}

/// The names of the project's metrics that a text has.
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
