//! The recipient on wasmCloud: `wash` with a NATS that is killed, that is down, and whose system calls are looked at; and the files of
//! `deploy/wasmcloud/`. What holds on every host is in `end_to_end.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../../tests/support/forms.rs"]
mod forms;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Trial};
use serde::Deserialize;
use serde_json::{Value, json};
use support::nats::Nats;
use support::{Connection, GUARDED, Kind, OPEN, Recipient, Response, TOKEN, children, deploy, numbered, wash};

/// What a promise needs beside wasmCloud.
type Needs = fn() -> Option<String>;

const PROMISES: [(&str, Needs, fn()); 6] = [
    ("seven_events_are_there_after_wash_and_nats_were_killed", nothing, seven_events_are_there),
    ("no_event_that_was_answered_200_is_missing_after_nats_was_killed", nothing, no_event_is_missing),
    ("while_nats_is_down_all_is_answered_503_and_no_log_has_the_token", nothing, all_is_answered_503),
    ("nats_acknowledges_what_is_on_the_disk", strace, nats_acknowledges_what_is_on_the_disk),
    ("without_the_setting_nats_acknowledges_what_is_not", strace, nats_acknowledges_what_is_not),
    ("a_wasmcloud_host_takes_the_workload", registry, a_wasmcloud_host_takes_the_workload),
];

fn main() -> ExitCode {
    let missing = Kind::Wash.missing();
    let trials = PROMISES.into_iter().map(|(name, needs, promise)| {
        let missing = missing.clone().or_else(needs);
        let why = missing.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        let run = move || {
            promise();
            Ok(())
        };
        Trial::test(format!("{name}{why}"), run).with_ignored_flag(missing.is_some())
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn nothing() -> Option<String> {
    None
}

fn strace() -> Option<String> {
    let traces = Command::new("strace").args(["-o", "/dev/null", "true"]).status().is_ok_and(|status| status.success());
    (!traces).then(|| "strace is not to be had".to_owned())
}

const READ: &str = "read_tokens=a-read-token-of-more-than-16";

fn get(connection: &mut Connection, path: &str) -> Response {
    let (_, token) = READ.split_once('=').unwrap();
    connection.send(format!("GET {path} HTTP/1.1\r\nHost: recipient\r\nAuthorization: Bearer {token}\r\n\r\n"));
    connection.receive()
}

fn seven_events_are_there() {
    let recipient = Recipient::start(Kind::Wash, &[OPEN, READ]);
    let mut connection = recipient.connect();
    let sent: BTreeSet<_> = forms::seven()
        .into_iter()
        .map(|(_, form)| {
            let response = connection.post("/", &form);
            assert_eq!((response.status, response.result()), (200, "stored"), "{response:?}");
            response.header("event-id").to_owned()
        })
        .collect();
    let recipient = recipient.kill_and_restart();
    let mut connection = recipient.connect();
    let listed: Value = serde_json::from_slice(&get(&mut connection, "/api/events").body).unwrap();
    let listed = listed.as_array().unwrap().iter().map(|record| record["id"].as_str().unwrap().to_owned());
    assert_eq!(listed.collect::<BTreeSet<_>>(), sent);
    for (_, form) in forms::seven() {
        assert_eq!(connection.post("/", &form).result(), "duplicate");
    }
}

fn no_event_is_missing() {
    const SENDERS: usize = 8;
    let mut recipient = Recipient::start(Kind::Wash, &[OPEN]);
    let (accepted, refused) = (Mutex::new(BTreeSet::new()), Mutex::new(Vec::new()));
    let count = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            let mut connection = recipient.connect();
            let (accepted, refused, count) = (&accepted, &refused, &count);
            // Each goes on until it is told to wait.
            scope.spawn(move || {
                for n in 0.. {
                    let body = numbered(n * SENDERS + sender);
                    let response = connection.post("/", &body);
                    if response.status != 200 {
                        assert_eq!((response.status, response.header("retry-after")), (503, "5"), "{response:?}");
                        refused.lock().unwrap().push(body);
                        break;
                    }
                    accepted.lock().unwrap().insert(response.header("event-id").to_owned());
                    count.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        // In the middle of it, wherever that is: by count, not by time.
        while count.load(Ordering::SeqCst) < 100 {
            assert!(refused.lock().unwrap().is_empty(), "refused before the kill: {}", recipient.log());
            std::thread::sleep(Duration::from_millis(1));
        }
        recipient.nats().kill();
    });
    recipient.nats().start_again();
    // The recipient is not told that it is back: it finds that by itself.
    for body in refused.into_inner().unwrap() {
        let response = until_it_is_taken(&recipient, "/", &body);
        accepted.lock().unwrap().insert(response.header("event-id").to_owned());
    }
    let stored: BTreeSet<_> =
        recipient.stored().into_iter().map(|(key, _)| key.rsplit('.').next().unwrap().to_owned()).collect();
    let accepted = accepted.into_inner().unwrap();
    let missing: Vec<_> = accepted.difference(&stored).collect();
    assert!(missing.is_empty(), "{} of {} are missing", missing.len(), accepted.len());
}

/// Sends as an appliance does: again, until it is taken.
fn until_it_is_taken(recipient: &Recipient, path: &str, body: &str) -> Response {
    let started = Instant::now();
    loop {
        let response = recipient.post(path, body);
        if response.status == 200 {
            return response;
        }
        assert!(started.elapsed() < Duration::from_secs(120), "{response:?}: {}", recipient.log());
    }
}

fn all_is_answered_503() {
    let mut recipient = Recipient::start(Kind::Wash, &[GUARDED]);
    let path = format!("/events?outbound_event_token={TOKEN}");
    assert_eq!(recipient.post(&path, numbered(1)).result(), "stored");
    recipient.nats().kill();
    // New or not: nobody can say.
    for n in [1, 2] {
        let refused = recipient.post(&path, numbered(n));
        assert_eq!((refused.status, refused.header("retry-after")), (503, "5"), "{refused:?}");
    }
    recipient.nats().start_again();
    until_it_is_taken(&recipient, &path, &numbered(2));
    assert_eq!(recipient.post(&path, numbered(1)).result(), "duplicate");
    let log = recipient.log();
    assert!(log.contains("the store failed"), "{log}");
    assert!(!log.contains(TOKEN), "{log}");
}

/// What NATS did, in the order in which strace saw it.
#[derive(Debug, PartialEq)]
enum Call {
    /// Wrote so many messages of the bucket to the file that has them.
    Write(usize),
    SyncBegins,
    SyncEnds,
    /// Acknowledged the message of that number.
    Acknowledge(usize),
}

/// Lets wash and NATS take events one after the other, and gives what NATS did meanwhile. A message's number is its place in the
/// bucket, from 1.
fn calls_of_nats(settings: &Path, events: usize) -> Vec<Call> {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let nats = Nats::start_by(folder.path(), settings, |nats| {
        let mut strace = Command::new("strace");
        let calls = "trace=pwrite64,fsync,fdatasync,write,writev,sendto";
        strace.args(["-f", "-y", "-s", "8192", "-e", calls, "-o"]).arg(&trace);
        strace.arg(nats.get_program()).args(nats.get_args());
        strace
    });
    let server = children(&nats.process().to_string()).pop().expect("strace runs nothing");
    let recipient = Recipient::start_wash(&[OPEN], nats);
    let mut connection = recipient.connect();
    for n in 0..events {
        assert_eq!(connection.post("/", numbered(n)).result(), "stored");
    }
    // It ends in peace, so that strace has written everything.
    let process = PathBuf::from(format!("/proc/{server}"));
    assert!(Command::new("kill").arg(&server).status().unwrap().success());
    while process.exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(recipient);
    std::fs::read_to_string(trace).unwrap().lines().flat_map(read_calls).collect()
}

fn read_calls(line: &str) -> Vec<Call> {
    let call = line.split_once(' ').map_or("", |(_process, call)| call.trim_start());
    let is_sync = call.starts_with("fsync(") || call.starts_with("fdatasync(");
    if call.starts_with("pwrite64(") && call.contains(".blk>") {
        vec![Call::Write(call.matches("$KV.default.").count())]
    } else if is_sync && call.contains(".blk>") && call.contains("unfinished") {
        // Another thread's call came between, so its end has a line of its own.
        vec![Call::SyncBegins]
    } else if is_sync && call.contains(".blk>") {
        vec![Call::SyncBegins, Call::SyncEnds]
    } else if call.starts_with("<... f") && call.contains("sync resumed>") {
        vec![Call::SyncEnds]
    } else {
        let numbers = call.split(r#"{\"stream\":\"KV_default\",\"seq\":"#).skip(1);
        numbers.map(|rest| Call::Acknowledge(rest.split(['}', ',']).next().unwrap().parse().unwrap())).collect()
    }
}

/// The messages that were acknowledged, and those among them that were not on the disk by then.
fn acknowledged(calls: &[Call]) -> (BTreeSet<usize>, BTreeSet<usize>) {
    let (mut written, mut covered, mut on_disk) = (0, 0, 0);
    let (mut acknowledged, mut early) = (BTreeSet::new(), BTreeSet::new());
    for call in calls {
        match call {
            Call::Write(messages) => written += messages,
            Call::SyncBegins => covered = written,
            Call::SyncEnds => on_disk = covered,
            Call::Acknowledge(number) => {
                acknowledged.insert(*number);
                if *number > on_disk {
                    early.insert(*number);
                }
            }
        }
    }
    (acknowledged, early)
}

fn nats_acknowledges_what_is_on_the_disk() {
    let (acknowledged, early) = acknowledged(&calls_of_nats(&deploy("wasmcloud/nats.conf"), 50));
    assert!(acknowledged.len() >= 50, "each was seen: {acknowledged:?}");
    assert!(early.is_empty(), "{early:?} were acknowledged before they were on the disk");
}

/// So the one above looks at something.
fn nats_acknowledges_what_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("nats.conf");
    let file = std::fs::read_to_string(deploy("wasmcloud/nats.conf")).unwrap();
    std::fs::write(&settings, file.replace("sync_interval: always", "")).unwrap();
    let (acknowledged, early) = acknowledged(&calls_of_nats(&settings, 50));
    assert!(acknowledged.len() >= 50, "each was seen: {acknowledged:?}");
    assert_eq!(early, acknowledged);
}

/// The definition of wasmCloud's kind is in no package: this is what `api/runtime/v1alpha1/workload_types.go` of its operator has, as
/// far as it is used here.
#[derive(Deserialize)]
#[serde(tag = "kind")]
enum Resource {
    Secret(Secret),
    Service(Value),
    WorkloadDeployment(WorkloadDeployment),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Secret {
    metadata: Named,
    string_data: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "read, and that is all")]
struct WorkloadDeployment {
    api_version: String,
    metadata: Named,
    spec: DeploymentSpec,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "read, and that is all")]
struct DeploymentSpec {
    replicas: u32,
    template: Template,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Template {
    spec: WorkloadSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WorkloadSpec {
    host_selector: BTreeMap<String, String>,
    kubernetes: BTreeMap<String, Named>,
    host_interfaces: Vec<HostInterface>,
    components: Vec<WorkloadComponent>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HostInterface {
    namespace: String,
    package: String,
    version: Option<String>,
    interfaces: Vec<String>,
    #[serde(default)]
    config: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WorkloadComponent {
    name: String,
    image: String,
    local_resources: LocalResources,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LocalResources {
    config: BTreeMap<String, String>,
    environment: Environment,
    allowed_hosts: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Environment {
    secret_from: Vec<Named>,
}

/// What the file holds.
struct Manifest {
    secret: Secret,
    deployment: WorkloadDeployment,
}

impl Manifest {
    fn read() -> Self {
        let resources = support::yaml(&deploy("wasmcloud/workload.yaml"));
        let mut resources = resources.into_iter().map(|resource| serde_json::from_value(resource).unwrap());
        let [
            Some(Resource::Secret(secret)),
            Some(Resource::Service(service)),
            Some(Resource::WorkloadDeployment(deployment)),
            None,
        ] = std::array::from_fn(|_| resources.next())
        else {
            panic!("other resources than these, or in another order")
        };
        assert_eq!(deployment.api_version, "runtime.wasmcloud.dev/v1alpha1");
        let spec = &deployment.spec.template.spec;
        assert_eq!(spec.kubernetes["service"].name, service["metadata"]["name"]);
        assert_eq!(spec.components[0].local_resources.environment.secret_from[0].name, secret.metadata.name);
        Self { secret, deployment }
    }

    fn spec(&self) -> &WorkloadSpec {
        &self.deployment.spec.template.spec
    }

    fn component(&self) -> &WorkloadComponent {
        let [component] = &self.spec().components[..] else { panic!("one component") };
        component
    }

    /// Its image, with a registry in the place that is left for one.
    fn image(&self, registry: SocketAddr) -> String {
        let image = self.component().image.strip_prefix("REGISTRY/").expect("no place is left for a registry");
        format!("{registry}/{image}")
    }

    /// What the operator asks a host for, with the secret's values: `reconcilePlacement` in its `workload_controller.go`.
    fn request(&self, image: &str, secret: &BTreeMap<String, String>) -> Value {
        let (spec, component) = (self.spec(), self.component());
        let interfaces: Vec<_> = spec
            .host_interfaces
            .iter()
            .map(|interface| {
                json!({
                    "namespace": interface.namespace,
                    "package": interface.package,
                    "version": interface.version.as_deref().unwrap_or_default(),
                    "interfaces": interface.interfaces,
                    "config": interface.config,
                })
            })
            .collect();
        let component = json!({
            "name": component.name,
            "image": image,
            "localResources": {
                "config": component.local_resources.config,
                "environment": secret,
                "allowedHosts": component.local_resources.allowed_hosts,
            },
        });
        json!({
            "workloadId": "tried",
            "workload": {
                "namespace": "default",
                "name": self.deployment.metadata.name,
                "witWorld": {"components": [component], "hostInterfaces": interfaces},
            },
        })
    }
}

/// A process that is killed when it is dropped.
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

/// Debian's registry for images, installed or out of its package.
fn registry_program() -> Option<PathBuf> {
    let programs = ["docker-registry".into(), support::root().join("target/debian/usr/bin/docker-registry")];
    let runs = |program: &PathBuf| Command::new(program).arg("--version").output().is_ok_and(|o| o.status.success());
    programs.into_iter().find(runs)
}

fn registry() -> Option<String> {
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

/// The host is the one of a cluster, and asked for the workload as the operator asks: over NATS. The component comes from a registry.
fn a_wasmcloud_host_takes_the_workload() {
    let manifest = Manifest::read();
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
        let mut connection = Connection::to(address);
        let head = format!("POST /events?outbound_event_token={token} HTTP/1.1\r\nHost: {host}\r\n");
        connection.send(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()));
        connection.receive()
    };

    // Who changes nothing has a recipient that is shut, not one whose token everybody can read.
    start(&mut operator, &manifest.secret.string_data);
    assert_eq!(post(&name, &manifest.secret.string_data["ingest_tokens"].replace(' ', "+")).status, 503);
    operator.ask(&format!("runtime.host.{id}.workload.stop"), &json!({"workloadId": "tried"}));

    let secret: BTreeMap<_, _> =
        manifest.secret.string_data.keys().map(|name| (name.clone(), format!("{TOKEN}-{name}"))).collect();
    start(&mut operator, &secret);
    assert_eq!(post(&name, "another-token-of-a-stranger").status, 401);
    assert_eq!(post("other.example.com", &secret["ingest_tokens"]).status, 404);
    let stored = post(&name, &secret["ingest_tokens"]);
    assert_eq!((stored.status, stored.result()), (200, "stored"), "{}", std::fs::read_to_string(&log).unwrap());
    assert_eq!(post(&name, &secret["ingest_tokens"]).result(), "duplicate");
    let bucket = &manifest.component().local_resources.config["bucket"];
    let keys: Vec<_> = operator.bucket(bucket).into_keys().collect();
    assert!(keys.len() == 1 && keys[0].ends_with(stored.header("event-id")), "{keys:?}");
}
