//! `docs/operate/metrics.md` has exactly the metrics that the host serves, and rules and dashboard use only those.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::generated::assert_generated;
use crate::support::{Connection, GUARDED, Recipient, TOKEN, numbered, root};

/// A metric of the page.
#[derive(Debug, Default)]
struct Described {
    kind: String,
    help: String,
    labels: Vec<String>,
}

/// The metrics of a page, by the names that queries use.
fn described(page: &str) -> BTreeMap<String, Described> {
    let (mut metrics, mut help, mut kind) = (BTreeMap::new(), "", "");
    for line in page.lines() {
        if let Some(text) = line.strip_prefix("# HELP ") {
            help = text.split_once(' ').unwrap().1;
        } else if let Some(text) = line.strip_prefix("# TYPE ") {
            kind = text.split_once(' ').unwrap().1;
        } else if !line.starts_with('#') && !line.is_empty() {
            let name = line.split(['{', ' ']).next().unwrap();
            let parts = if kind == "histogram" { &["_bucket", "_sum", "_count"][..] } else { &[] };
            let name = parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
            let described = Described { kind: kind.to_owned(), help: help.to_owned(), labels: labels(line) };
            metrics.entry(name.to_owned()).or_insert(described);
        }
    }
    metrics
}

/// The labels of a sample. The values here contain no commas and braces.
fn labels(sample: &str) -> Vec<String> {
    let Some((_, labels)) = sample.split_once('{') else { return Vec::new() };
    let labels = labels.rsplit_once('}').unwrap().0.split("\",");
    labels.map(|label| label.split('=').next().unwrap().to_owned()).filter(|name| name != "le").collect()
}

fn page(address: SocketAddr) -> String {
    let mut connection = Connection::open(address);
    connection.send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    connection.receive().text()
}

/// An appliance on which no session ends: it gives tokens, and says that nothing matches.
fn idle_appliance() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut reader = BufReader::new(stream.unwrap());
            let (mut head, mut length) = (String::new(), 0);
            while reader.read_line(&mut head).unwrap() > 2 {
                let line = head.lines().last().unwrap().to_ascii_lowercase();
                length = line.strip_prefix("content-length: ").map_or(length, |length| length.parse().unwrap());
            }
            std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink()).unwrap();
            let (kind, body) = match head.starts_with("POST /oauth2/token ") {
                true => ("application/json", r#"{"access_token": "t", "token_type": "Bearer", "expires_in": 3600}"#),
                false => (
                    "text/xml",
                    "<error>No Support report information matching your chosen criteria is available.</error>",
                ),
            };
            let date = httpdate::fmt_http_date(SystemTime::now());
            let head = format!("HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Type: {kind}\r\nConnection: close\r\n");
            let _ = write!(reader.get_mut(), "{head}Content-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    address
}

/// The metrics of a host that has a value for every metric.
fn everything() -> BTreeMap<String, Described> {
    let destination = r#"destinations=[{"name": "nobody", "url": "http://127.0.0.1:9/"}]"#;
    let site = format!(
        r#"appliances=[{{"site": "hq", "url": "http://{}", "client_id": "a", "client_secret": "a-secret"}}]"#,
        idle_appliance()
    );
    let recipient = Recipient::start_host(&[GUARDED, destination, &site], |mut host| {
        host.args(["--metrics", "127.0.0.1:0"]);
        host
    });
    let uri = format!("/events/hq?outbound_event_token={TOKEN}");
    assert_eq!(recipient.post(&uri, "no event").result(), "set-aside");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    // Causes a clock fault: an event of the day after tomorrow.
    let ahead = numbered(0).replace("timestamp=1700000000", &format!("timestamp={}", now + 172_800));
    assert!(ahead.contains(&(now + 172_800).to_string()), "{ahead}");
    assert_eq!(recipient.post(&uri, ahead).result(), "stored");
    let log = recipient.log();
    let said = log.rsplit("metrics are at http://").next().unwrap();
    let address = said.split('/').next().unwrap().parse().unwrap();
    let started = Instant::now();
    loop {
        let page = page(address);
        if ["clock_fault", "destination_state", "complete_through"].iter().all(|name| page.contains(name)) {
            return described(&page);
        }
        assert!(started.elapsed() < Duration::from_secs(150), "no tick reported them: {page}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// One test, since the first part can write the page that the second reads.
#[test]
fn the_page_has_all_metrics_and_other_files_use_only_those() {
    check_the_page();
    check_other_files();
}

fn check_the_page() {
    let metrics = everything();
    let mut table = String::from("\n| metric | type | labels | what it is |\n|---|---|---|---|\n");
    for (name, Described { kind, help, labels }) in &metrics {
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        let help = help.trim_end_matches('.');
        writeln!(table, "| `{name}` | {kind} | {} | {help} |", labels.join(", ")).unwrap();
    }
    table.push('\n');
    assert_generated(&root().join("docs/operate/metrics.md"), "metrics", &table);
}

/// Checks alert rules, dashboard and other pages. A name with more than the table's is a part of a histogram.
fn check_other_files() {
    let page = fs::read_to_string(root().join("docs/operate/metrics.md")).unwrap();
    let known: BTreeSet<_> = names(&page).collect();
    let readers = ["deploy/prometheus/rules.yml", "deploy/prometheus/rules_test.yml", "deploy/grafana/dashboard.json"];
    let pages = [
        "docs/operate/full-disk.md",
        "docs/operate/clocks.md",
        "docs/operate/swap.md",
        "docs/operate/logs-and-signals.md",
        "README.md",
        "SECURITY.md",
    ];
    for file in readers.into_iter().chain(pages) {
        let text = fs::read_to_string(root().join(file)).unwrap();
        for name in names(&text) {
            let whole = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
            assert!(known.contains(name) || known.contains(whole), "{file}: {name}");
        }
    }
}

fn names(text: &str) -> impl Iterator<Item = &str> {
    let starts = text.match_indices("outbound_events_").filter_map(|(start, _)| text.get(start..));
    starts.map(|rest| rest.split(|c: char| !c.is_ascii_lowercase() && c != '_').next().unwrap())
}
