//! The files of `deploy/` are what their readers take: each is held to the tool that reads it, where one can be had, and else to
//! what that tool's own source says. Caddy's and nginx's are run by `proxies.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;
#[path = "support/trials.rs"]
mod trials;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use libtest_mimic::Arguments;
use outbound_events::settings::{self, Settings};
use serde::Deserialize;
use serde_json::Value;
use support::{GUARDED, Recipient, deploy, numbered, python, yaml};
use trials::{Promise, promises};

/// What a promise needs to be looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// On PATH.
    Program(&'static str),
    /// In the environment that `cargo xtask test` makes for Python.
    Python(&'static str),
}

impl Needs {
    fn program(self) -> PathBuf {
        match self {
            Self::Program(name) => name.into(),
            Self::Python(name) => python(name),
        }
    }

    /// What is missing, if something is.
    fn missing(self) -> Option<String> {
        let program = self.program();
        let runs = Command::new(&program).arg("--version").output().is_ok_and(|output| output.status.success());
        (!runs).then(|| format!("{} is not here", program.file_name().unwrap_or_default().to_string_lossy()))
    }
}

const ANALYZE: Needs = Needs::Program("systemd-analyze");
const STRACE: Needs = Needs::Program("strace");
const KUBERNETES_VALIDATE: Needs = Needs::Python("kubernetes-validate");
const HADOLINT: Needs = Needs::Python("hadolint");

/// What is needed, and what can be held with it.
type Held = (&'static [Needs], &'static [Promise<fn()>]);

const PROMISES: [Held; 5] = [
    (
        &[ANALYZE],
        promises![
            the_unit_is_one_that_systemd_takes_without_a_word,
            the_unit_leaves_the_service_little_to_do_harm_with,
        ],
    ),
    (&[ANALYZE, STRACE], promises![every_system_call_of_the_host_is_one_that_the_unit_allows]),
    (
        &[KUBERNETES_VALIDATE],
        promises![
            kubernetes_takes_its_own_kinds,
            spinkube_finds_what_its_definition_names_and_nothing_else,
            every_secret_that_is_asked_for_is_there_and_as_it_stands_lets_nobody_in,
            the_collector_drops_what_holds_a_token_before_it_exports,
        ],
    ),
    (&[HADOLINT], promises![hadolint_finds_nothing_in_the_containerfile]),
    (&[], promises![spin_knows_every_store_and_every_field_of_its_configuration]),
];

fn main() -> ExitCode {
    let trials = PROMISES.into_iter().flat_map(|(needs, promises)| {
        let missing = needs.iter().find_map(|needs| needs.missing());
        promises.iter().map(move |&(name, promise)| trials::skippable(name, missing.as_deref(), promise))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn read(file: &str) -> String {
    fs::read_to_string(deploy(file)).unwrap()
}

/// What it prints, and whether it is content.
fn said(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

const UNIT: &str = "systemd/outbound-events.service";

/// The unit in a folder, to be looked at where nothing is installed: another program stands for the host.
fn unit(folder: &Path) -> PathBuf {
    let text = read(UNIT);
    let host = "ExecStart=/opt/outbound-events/outbound-events-host serve";
    assert!(text.contains(host), "{text}");
    let path = folder.join("outbound-events.service");
    fs::write(&path, text.replace(host, "ExecStart=/bin/true serve")).unwrap();
    path
}

fn the_unit_is_one_that_systemd_takes_without_a_word() {
    let folder = tempfile::tempdir().unwrap();
    // It ends well also where it ignored a line, and then says so.
    let verify = said(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(unit(folder.path())));
    assert_eq!(verify, (true, String::new()));
}

fn the_unit_leaves_the_service_little_to_do_harm_with() {
    let folder = tempfile::tempdir().unwrap();
    let security = ["security", "--offline=yes", "--no-pager", "--threshold=15"];
    let (enough, said) = said(Command::new("systemd-analyze").args(security).arg(unit(folder.path())));
    assert!(enough && said.contains("Overall exposure level"), "{said}");
}

/// Under seccomp as under strace: what the host calls while it starts, takes events, refuses and stops.
fn every_system_call_of_the_host_is_one_that_the_unit_allows() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let recipient = Recipient::start_host(&[GUARDED], |host| {
        let mut strace = Command::new("strace");
        strace.args(["--follow-forks", "--seccomp-bpf", "--signal=none", "--output"]).arg(&trace);
        strace.arg(host.get_program()).args(host.get_args());
        // Compiled anew, and written to the cache.
        strace.env("XDG_CACHE_HOME", folder.path());
        strace
    });
    for n in 0..10 {
        recipient.post("/events?outbound_event_token=a-token-of-24-characters", numbered(n));
        recipient.post("/events", numbered(n));
    }
    let strace = recipient.child.id().to_string();
    let host = support::children(&strace).pop().unwrap();
    assert!(Command::new("kill").args(["-TERM", &host]).status().unwrap().success());
    let mut recipient = recipient;
    assert!(recipient.child.wait().unwrap().success(), "{}", recipient.log());
    let trace = fs::read_to_string(trace).unwrap();
    let called: BTreeSet<_> = trace.lines().filter_map(called).collect();
    assert!(called.contains("fdatasync") && called.contains("accept4"), "{called:?}");
    let mut allowed = allowed();
    // SQLite's, where it is root: a service is not.
    allowed.insert("fchown".to_owned());
    let refused: Vec<_> = called.into_iter().filter(|call| !allowed.contains(*call)).collect();
    assert!(refused.is_empty(), "{refused:?}");
}

/// A line is `1234 openat(AT_FDCWD, …`, or goes on with one: `1234 <... futex resumed>`.
fn called(line: &str) -> Option<&str> {
    let (_, call) = line.split_once(' ')?;
    let (name, _) = call.trim_start().split_once('(')?;
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_').then_some(name)
}

/// What the unit allows in the end: each line adds groups and calls, or takes some away.
fn allowed() -> BTreeSet<String> {
    let mut allowed = BTreeSet::new();
    for filter in read(UNIT).lines().filter_map(|line| line.strip_prefix("SystemCallFilter=")) {
        let names = filter.trim_start_matches('~').split(' ').flat_map(calls_of);
        match filter.starts_with('~') {
            true => names.for_each(|name| _ = allowed.remove(&name)),
            false => allowed.extend(names),
        }
    }
    allowed
}

/// A call, or those of a group and of the groups in it.
fn calls_of(name: &str) -> BTreeSet<String> {
    if !name.starts_with('@') {
        return [name.to_owned()].into();
    }
    let (known, said) = said(Command::new("systemd-analyze").args(["syscall-filter", "--no-pager", name]));
    assert!(known, "{said}");
    let names = said.lines().filter_map(|line| line.strip_prefix("    ")).filter(|name| !name.starts_with('#'));
    names.flat_map(calls_of).collect()
}

/// Every file of Kubernetes' own.
fn manifests() -> Vec<PathBuf> {
    let files = fs::read_dir(deploy("kubernetes")).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect()
}

fn kubernetes_takes_its_own_kinds() {
    for file in manifests() {
        let (valid, said) = said(Command::new(KUBERNETES_VALIDATE.program()).arg("--strict").arg(&file));
        assert!(valid, "{}: {said}", file.display());
        // Of what it knows nothing about it says so.
        let unknown: Vec<_> = said.lines().filter(|line| line.starts_with("WARN")).collect();
        assert!(unknown.iter().all(|line| line.contains("kind SpinApp")), "{unknown:?}");
    }
}

/// Everything that Kubernetes is given.
fn resources() -> Vec<Value> {
    manifests().iter().flat_map(|file| yaml(file)).collect()
}

/// The definition of SpinKube's kind is in no package: this is what `api/v1alpha1/spinapp_types.go` of spin-operator has, as far as it
/// is used here.
#[allow(dead_code, reason = "read, and for the most part that is all")]
mod spinkube {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct SpinApp {
        #[serde(rename = "apiVersion")]
        pub api_version: String,
        pub kind: String,
        pub metadata: Metadata,
        pub spec: Spec,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Metadata {
        pub name: String,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub struct Spec {
        pub image: String,
        pub executor: String,
        pub replicas: u32,
        pub checks: BTreeMap<Check, Probe>,
        pub resources: BTreeMap<String, BTreeMap<String, String>>,
        pub runtime_config: RuntimeConfig,
        pub variables: Vec<Variable>,
    }

    #[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
    #[serde(rename_all = "lowercase")]
    pub enum Check {
        Liveness,
        Readiness,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub struct Probe {
        pub http_get: HttpGet,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct HttpGet {
        pub path: String,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub struct RuntimeConfig {
        pub key_value_stores: Vec<Store>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Store {
        pub name: String,
        pub r#type: String,
        pub options: Vec<Variable>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub struct Variable {
        pub name: String,
        pub value_from: From,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub struct From {
        pub secret_key_ref: SecretKeyRef,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct SecretKeyRef {
        pub name: String,
        pub key: String,
    }
}

fn spinkube_finds_what_its_definition_names_and_nothing_else() {
    let app = resources().into_iter().find(|resource| resource["kind"] == "SpinApp").unwrap();
    let app: spinkube::SpinApp = serde_json::from_value(app).unwrap();
    assert_eq!((app.api_version.as_str(), app.kind.as_str()), ("core.spinkube.dev/v1alpha1", "SpinApp"));
    for variable in &app.spec.variables {
        assert!(settings::NAMES.contains(&variable.name.as_str()), "{}", variable.name);
    }
    // What the operator makes of it is Spin's configuration.
    let [store] = app.spec.runtime_config.key_value_stores.as_slice() else { panic!("one store") };
    let options = store.options.iter().map(|option| (option.name.clone(), "redis://a".into()));
    let mut fields: toml::Table = options.collect();
    fields.insert("type".to_owned(), store.r#type.clone().into());
    let configuration = toml::Table::from_iter([(store.name.clone(), fields.into())]);
    assert_configuration(&toml::Table::from_iter([("key_value_store".to_owned(), configuration.into())]));
    // The operator makes a service of the app's name, which is what ticks go to.
    let ticks = read("kubernetes/tick.yaml");
    assert!(ticks.contains(&format!("\"http://{}/tick\"", app.metadata.name)), "{ticks}");
}

/// All of one name in a tree, with what is under it.
fn all<'a>(name: &str, value: &'a Value) -> Vec<&'a Value> {
    let below = |values: Vec<&'a Value>| values.into_iter().flat_map(|value| all(name, value)).collect::<Vec<_>>();
    match value {
        Value::Array(values) => below(values.iter().collect()),
        Value::Object(fields) => fields.get(name).into_iter().chain(below(fields.values().collect())).collect(),
        _ => Vec::new(),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn every_secret_that_is_asked_for_is_there_and_as_it_stands_lets_nobody_in() {
    let resources = resources();
    let secrets = resources.iter().filter(|resource| resource["kind"] == "Secret");
    let secrets: BTreeMap<_, _> =
        secrets.map(|secret| (text(&secret["metadata"]["name"]), &secret["stringData"])).collect();
    let asked: Vec<_> = resources.iter().flat_map(|resource| all("secretKeyRef", resource)).collect();
    assert!(asked.len() > 5, "{asked:?}");
    for reference in asked {
        let value = &secrets[text(&reference["name"])][text(&reference["key"])];
        let value = value.as_str().unwrap_or_else(|| panic!("{reference} is nowhere"));
        // Who changes nothing has a recipient that is shut, not one whose token everybody can read here.
        for name in ["ingest_tokens", "read_tokens", "admin_tokens", "tick_token"] {
            let read = Settings::read(|setting| Ok((setting == name).then(|| value.to_owned())));
            assert!(read.is_err(), "{value:?} would be taken for {name}");
        }
    }
}

/// What Spin 3 and 4 read: the fields of `RuntimeConfig` in `crates/key-value-*/src/lib.rs`.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[allow(dead_code, reason = "read, and for the most part that is all")]
enum Store {
    Redis {
        url: String,
    },
    AzureCosmos {
        account: String,
        database: String,
        container: String,
        key: Option<String>,
    },
    AwsDynamo {
        region: String,
        table: String,
        consistent_read: Option<bool>,
        access_key: Option<String>,
        secret_key: Option<String>,
        token: Option<String>,
    },
    Spin {
        path: Option<PathBuf>,
    },
}

/// It configures the store that the component uses, and nothing that Spin would not know.
fn assert_configuration(configuration: &toml::Table) {
    assert_eq!(configuration.keys().collect::<Vec<_>>(), ["key_value_store"]);
    let stores: BTreeMap<String, Store> = configuration["key_value_store"].clone().try_into().unwrap();
    assert_eq!(stores.keys().collect::<Vec<_>>(), ["default"]);
}

fn spin_knows_every_store_and_every_field_of_its_configuration() {
    let files: Vec<_> = fs::read_dir(deploy("spin")).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 3, "{files:?}");
    for file in files {
        assert_configuration(&fs::read_to_string(&file).unwrap().parse().unwrap());
    }
}

/// Held to this alone: no collector is in a package index.
fn the_collector_drops_what_holds_a_token_before_it_exports() {
    let [configuration] = &yaml(&deploy("otel/collector.yaml"))[..] else { panic!("one document") };
    for (name, pipeline) in configuration["service"]["pipelines"].as_object().unwrap() {
        let dropped: Vec<_> = pipeline["processors"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|processor| configuration["processors"][text(processor)]["actions"].as_array().unwrap())
            .map(|action| (text(&action["key"]), text(&action["action"])))
            .collect();
        assert_eq!(dropped, [("url.query", "delete"), ("url.full", "delete")], "{name}");
    }
}

fn hadolint_finds_nothing_in_the_containerfile() {
    let lint = said(Command::new(HADOLINT.program()).arg("--no-color").arg(deploy("container/Containerfile")));
    assert_eq!(lint, (true, String::new()));
}
