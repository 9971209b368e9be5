//! A cluster's host that runs the workload.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::manifest::{HostInterface, Manifest};
use crate::support;
use crate::support::nats::Nats;
use crate::support::{Connection, TOKEN, numbered, wash};
use serde_json::{Value, json};

/// A process that is killed when this is dropped.
struct Running(Child);

impl Running {
    fn start(mut command: Command, log: &Path) -> Self {
        let log = std::fs::File::create(log).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Self(command.spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait_until_it_listens(address: SocketAddr, log: &Path) {
    let started = Instant::now();
    while std::net::TcpStream::connect(address).is_err() {
        let log = || std::fs::read_to_string(log).unwrap();
        assert!(started.elapsed() < Duration::from_secs(60), "nothing listens on {address}: {}", log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Debian's image registry, installed or unpacked from its package.
fn registry_program() -> Option<PathBuf> {
    let programs = ["docker-registry".into(), support::root().join("target/debian/usr/bin/docker-registry")];
    let runs = |program: &PathBuf| Command::new(program).arg("--version").output().is_ok_and(|o| o.status.success());
    programs.into_iter().find(runs)
}

pub(super) fn registry() -> Option<String> {
    registry_program().is_none().then(|| "docker-registry is not here".to_owned())
}

fn start_registry(folder: &Path) -> (Running, SocketAddr) {
    let (address, settings, log) = (free_address(), folder.join("registry.yml"), folder.join("registry.log"));
    let storage = json!({"filesystem": {"rootdirectory": folder.join("images")}});
    // JSON is YAML, too.
    let config = json!({"version": "0.1", "storage": storage, "http": {"addr": address}});
    std::fs::write(&settings, config.to_string()).unwrap();
    let mut command = Command::new(registry_program().unwrap());
    command.arg("serve").arg(settings);
    let running = Running::start(command, &log);
    wait_until_it_listens(address, &log);
    (running, address)
}

/// Starts a host of a cluster and requests the workload over NATS, like the operator. The component comes from a
/// registry.
pub(super) fn a_wasmcloud_host_takes_the_workload() {
    let manifest = Manifest::load();
    let folder = tempfile::tempdir().unwrap();
    let (_registry, registry) = start_registry(folder.path());
    let image = manifest.image(registry);
    let mut push = wash::wash(folder.path());
    push.args(["oci", "push", "--insecure", &image]).arg(support::wasi_component());
    let pushed = push.output().unwrap();
    assert!(pushed.status.success(), "{pushed:?}");

    let nats = Nats::start(folder.path());
    let mut operator = nats.connect();
    let (address, log) = (free_address(), folder.path().join("log"));
    let mut host = wash::wash(folder.path());
    host.args(["host", "--allow-insecure-registries", "--http-addr", &address.to_string()]);
    host.args(["--scheduler-nats-url", &nats.url(), "--data-nats-url", &nats.url()]);
    let _host = Running::start(host, &log);

    let heartbeat = operator.next("runtime.operator.heartbeat.*");
    let id = heartbeat.subject.rsplit('.').next().unwrap();
    let heartbeat: Value = serde_json::from_slice(&heartbeat.body).unwrap();
    for (name, value) in &manifest.spec().host_selector {
        assert_eq!(heartbeat["labels"][name], *value, "no host of a cluster would be chosen: {heartbeat}");
    }
    let start = |operator: &mut support::nats::Client, secret: &BTreeMap<String, String>| {
        let request = manifest.request(&image, secret);
        let started = operator.ask(&format!("runtime.host.{id}.workload.start"), &request);
        assert_eq!(started["workloadStatus"]["workloadState"], "WORKLOAD_STATE_RUNNING", "{started}");
    };
    let host_name = |interface: &HostInterface| interface.config.get("host").cloned();
    let name = manifest.spec().host_interfaces.iter().find_map(host_name).unwrap();
    let post = |host: &str, token: &str| {
        let body = numbered(1);
        let mut connection = Connection::open(address);
        let head = format!("POST /events?outbound_event_token={token} HTTP/1.1\r\nHost: {host}\r\n");
        connection.send(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()));
        connection.receive()
    };

    // Without changes, the recipient takes no events, and nobody can use a token published here.
    start(&mut operator, &manifest.secret.string_data);
    assert_eq!(post(&name, &manifest.secret.string_data["ingest_tokens"].replace(' ', "+")).status, 503);
    operator.ask(&format!("runtime.host.{id}.workload.stop"), &json!({"workloadId": "tried"}));

    let secret: BTreeMap<_, _> =
        manifest.secret.string_data.keys().map(|name| (name.clone(), format!("{TOKEN}-{name}"))).collect();
    start(&mut operator, &secret);
    assert_eq!(post(&name, "another-token-of-a-client").status, 401);
    assert_eq!(post("other.example.com", &secret["ingest_tokens"]).status, 404);
    let stored = post(&name, &secret["ingest_tokens"]);
    assert_eq!((stored.status, stored.result()), (200, "stored"), "{}", std::fs::read_to_string(&log).unwrap());
    assert_eq!(post(&name, &secret["ingest_tokens"]).result(), "duplicate");
    let bucket = &manifest.component().local_resources.config["bucket"];
    let keys: Vec<_> = operator.bucket(bucket).into_keys().collect();
    assert!(keys.len() == 1 && keys[0].ends_with(stored.header("event-id")), "{keys:?}");
}
