//! A real collector of OpenTelemetry takes what the host sends, and sends it on: Rotel, from its Python package.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "forwarding/desk.rs"]
#[allow(dead_code, reason = "shared by tests that use a part")]
mod desk;
mod support;

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};

use desk::{TestDestination, api, events, start, status_of};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::json;
use support::otlp::{agrees, id_of, log_records};
use support::recipient::{free_address, root};
use support::{send, wait_until};

fn main() -> ExitCode {
    let name = "a_collector_gets_every_event_with_its_time_and_attributes";
    let trial = match rotel() {
        Some(program) => Trial::test(name, move || {
            every_event_arrives(Collector::start(program));
            Ok::<_, Failed>(())
        }),
        None => Trial::test(format!("{name} (rotel is not in target/python)"), || Ok(())).with_ignored_flag(true),
    };
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}

/// The program of the Python package, if it is installed and runs here.
fn rotel() -> Option<PathBuf> {
    let python = root().join("target/python/bin/python");
    let script = "import rotel, os; print(os.path.join(os.path.dirname(rotel.__file__), 'rotel-agent'))";
    let output = Command::new(python).args(["-c", script]).output().ok().filter(|output| output.status.success())?;
    let program = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    let runs = Command::new(&program).arg("--version").output().is_ok_and(|output| output.status.success());
    runs.then_some(program)
}

/// A collector that sends on what it gets; killed when this is dropped.
struct Collector {
    child: Child,
    address: SocketAddr,
    after: TestDestination,
}

impl Collector {
    fn start(program: PathBuf) -> Self {
        let (address, grpc, after) = (free_address(), free_address(), TestDestination::open(&[]));
        let child = Command::new(program)
            .arg("start")
            .args(["--otlp-http-endpoint", &address.to_string(), "--otlp-grpc-endpoint", &grpc.to_string()])
            .args(["--exporter", "otlp", "--otlp-exporter-protocol", "http", "--batch-timeout", "200ms"])
            .args(["--otlp-exporter-endpoint", &format!("http://{}", after.address)])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until("the collector listens", || TcpStream::connect(address).is_ok());
        Self { child, address, after }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn every_event_arrives(collector: Collector) {
    let url = format!("http://{}/v1/logs", collector.address);
    let recipient =
        start(&json!([{ "name": "logs", "url": url, "format": "otlp", "batch": { "max_wait_seconds": 0 } }]));
    assert_eq!(send(&events(&recipient), &["--sessions", "20"]).code, Some(0));
    wait_until("all are delivered", || status_of(&recipient, "logs")["pending"] == 0);
    assert_eq!(status_of(&recipient, "logs")["refused"], 0);
    let sent: BTreeSet<_> = recipient.stored().into_iter().map(|(key, _)| key).collect();
    let read = || log_records(collector.after.taken().iter().map(|received| received.body.as_ref()));
    wait_until("the collector has sent them on", || read().len() >= sent.len());
    let records = read();
    for record in &records {
        agrees(record, &api(&recipient, "GET", &format!("/api/events/{}", id_of(record))).1);
    }
    let ids: BTreeSet<_> = records.iter().map(id_of).collect();
    assert_eq!(ids.len(), sent.len());
}
